"""Devices for claims: which pools count, who may have which device, and that a way is found wherever there is one."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.api.core.pod_claims import POD_CLAIM, consumer
from wherry.api.types.core import (
    Node,
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    Pod,
    PodResourceClaim,
    PodSpec,
)
from wherry.api.types.resource import (
    AllocationResult,
    Counter,
    CounterSet,
    Device,
    DeviceAllocationResult,
    DeviceAttribute,
    DeviceClaim,
    DeviceClass,
    DeviceClassConfiguration,
    DeviceClassSpec,
    DeviceConstraint,
    DeviceCounterConsumption,
    DeviceRequest,
    DeviceRequestAllocationResult,
    DeviceSubRequest,
    DeviceTaint,
    DeviceTaintRule,
    DeviceTaintRuleSpec,
    DeviceTaintSelector,
    DeviceToleration,
    ExactDeviceRequest,
    OpaqueDeviceConfiguration,
    ResourceClaim,
    ResourceClaimSpec,
    ResourceClaimStatus,
    ResourcePool,
    ResourceSlice,
    ResourceSliceSpec,
)
from wherry.machinery.meta import ObjectMeta
from wherry.machinery.quantity import Quantity
from wherry.scheduler.allocation import Search
from wherry.scheduler.devices import DeviceId, Offer, claims_of, inventory, reserved, taken_by
from wherry.scheduler.volumes import Unready

GPU = DeviceClass(
    metadata=ObjectMeta(name="gpu"),
    spec=DeviceClassSpec(config=(DeviceClassConfiguration(OpaqueDeviceConfiguration("d.example.com", {"a": 1})),)),
)
NODE = Node(metadata=ObjectMeta(name="n1", labels={"zone": "a"}))


def chosen(expression: str, offer: Offer) -> bool:
    raise AssertionError(f"no selector is asked for: {expression} {offer}")


def slice_of(
    *devices: Device, name: str = "s", pool: str = "n1", generation: int = 1, count: int = 1, **spec: object
) -> ResourceSlice:
    where = spec or {"node_name": "n1"}
    own = ResourceSliceSpec(
        driver="d.example.com", pool=ResourcePool(generation, pool, count), devices=devices, **where  # type: ignore[arg-type]  # fields of the spec
    )  # fmt: skip
    return ResourceSlice(metadata=ObjectMeta(name=name), spec=own)


def gpus(count: int, **fields: object) -> tuple[Device, ...]:
    return tuple(Device(name=f"gpu-{n}", **fields) for n in range(count))  # type: ignore[arg-type]  # fields of Device


def claim(*requests: DeviceRequest, name: str = "c", constraints: tuple[DeviceConstraint, ...] = ()) -> ResourceClaim:
    spec = ResourceClaimSpec(devices=DeviceClaim(requests=requests, constraints=constraints))
    return ResourceClaim(metadata=ObjectMeta(name=name, namespace="default", uid=name), spec=spec)


def exactly(name: str = "one", count: int = 1, **fields: object) -> DeviceRequest:
    own = ExactDeviceRequest(device_class_name="gpu", count=count, allocation_mode="ExactCount", **fields)  # type: ignore[arg-type]  # fields of the request
    return DeviceRequest(name=name, exactly=own)


def everything(name: str = "all") -> DeviceRequest:
    return DeviceRequest(name=name, exactly=ExactDeviceRequest(device_class_name="gpu", allocation_mode="All"))


def allocate(
    claims: tuple[ResourceClaim, ...],
    *slices: ResourceSlice,
    taken: tuple[DeviceId, ...] = (),
    rules: tuple[DeviceTaintRule, ...] = (),
) -> dict[str, AllocationResult] | None:
    stock = inventory(slices, rules)
    return Search(NODE, stock, frozenset(taken), {"gpu": GPU}, chosen).allocate(claims)


def names(found: dict[str, AllocationResult] | None, uid: str = "c") -> list[str]:
    assert found is not None
    return [result.device for result in found[uid].devices.results]


def test_a_device_with_what_its_class_and_claim_configure() -> None:
    found = allocate((claim(exactly()),), slice_of(*gpus(2)))
    assert found is not None
    own = found["c"]
    assert [(r.request, r.driver, r.pool, r.device) for r in own.devices.results] == [
        ("one", "d.example.com", "n1", "gpu-0")
    ]
    assert [(c.source, c.requests) for c in own.devices.config] == [("FromClass", ("one",))]
    here = NodeSelectorRequirement(key="metadata.name", operator="In", values=("n1",))
    assert own.node_selector == NodeSelector(node_selector_terms=(NodeSelectorTerm(match_fields=(here,)),))


def test_what_is_taken_is_not_given_again_except_to_administrators() -> None:
    first, second = DeviceId("d.example.com", "n1", "gpu-0"), DeviceId("d.example.com", "n1", "gpu-1")
    assert names(allocate((claim(exactly()),), slice_of(*gpus(2)), taken=(first,))) == ["gpu-1"]
    assert allocate((claim(exactly()),), slice_of(*gpus(2)), taken=(first, second)) is None
    admin = allocate((claim(exactly(admin_access=True)),), slice_of(*gpus(2)), taken=(first, second))
    assert names(admin) == ["gpu-0"]


def test_two_claims_of_one_pod_get_different_devices() -> None:
    found = allocate((claim(exactly(), name="a"), claim(exactly(), name="b")), slice_of(*gpus(2)))
    assert (names(found, "a"), names(found, "b")) == (["gpu-0"], ["gpu-1"])


def test_all_means_all() -> None:
    first = DeviceId("d.example.com", "n1", "gpu-0")
    assert names(allocate((claim(everything()),), slice_of(*gpus(3)))) == ["gpu-0", "gpu-1", "gpu-2"]
    assert allocate((claim(everything()),), slice_of(*gpus(3)), taken=(first,)) is None


def test_the_first_alternative_that_can_be_had() -> None:
    alternatives = (
        DeviceSubRequest(name="many", device_class_name="gpu", count=5, allocation_mode="ExactCount"),
        DeviceSubRequest(name="few", device_class_name="gpu", count=2, allocation_mode="ExactCount"),
    )
    found = allocate((claim(DeviceRequest(name="g", first_available=alternatives)),), slice_of(*gpus(3)))
    assert found is not None
    assert [r.request for r in found["c"].devices.results] == ["g/few", "g/few"]


def test_a_pool_counts_when_it_is_whole_and_newest() -> None:
    half = slice_of(*gpus(1), count=2)
    assert allocate((claim(exactly()),), half) is None
    other = slice_of(Device(name="gpu-9"), name="t", count=2)
    assert allocate((claim(exactly()),), half, other) is not None
    newer = slice_of(Device(name="new"), name="u", generation=2)
    assert names(allocate((claim(exactly()),), half, other, newer)) == ["new"]


def test_devices_elsewhere_do_not_help() -> None:
    assert allocate((claim(exactly()),), slice_of(*gpus(1), node_name="n2")) is None
    zone = NodeSelectorRequirement(key="zone", operator="In", values=("a",))
    here = NodeSelector(node_selector_terms=(NodeSelectorTerm(match_expressions=(zone,)),))
    found = allocate((claim(exactly()),), slice_of(*gpus(1), node_selector=here))
    assert found is not None
    assert found["c"].node_selector == here
    everywhere = allocate((claim(exactly()),), slice_of(*gpus(1), all_nodes=True))
    assert everywhere is not None
    assert everywhere["c"].node_selector is None


@pytest.mark.parametrize(
    ("toleration", "fits"),
    [
        (None, False),
        (DeviceToleration(key="broken", operator="Exists"), True),
        (DeviceToleration(key="broken", operator="Equal", value="yes"), True),
        (DeviceToleration(key="broken", operator="Equal", value="no"), False),
        (DeviceToleration(operator="Exists", effect="NoSchedule"), False),
        (DeviceToleration(operator="Exists"), True),
    ],
)
def test_taints_keep_away_what_does_not_tolerate_them(toleration: DeviceToleration | None, *, fits: bool) -> None:
    taint = DeviceTaint(key="broken", value="yes", effect="NoExecute")
    wish = claim(exactly(tolerations=(toleration,) if toleration else ()))
    assert (allocate((wish,), slice_of(*gpus(1, taints=(taint,)))) is not None) == fits
    rule = DeviceTaintRule(spec=DeviceTaintRuleSpec(DeviceTaintSelector(driver="d.example.com"), taint))
    assert (allocate((wish,), slice_of(*gpus(1)), rules=(rule,)) is not None) == fits
    other = DeviceTaintRule(spec=DeviceTaintRuleSpec(DeviceTaintSelector(device="gpu-7"), taint))
    assert allocate((wish,), slice_of(*gpus(1)), rules=(other,)) is not None


def on(numa: int, name: str) -> Device:
    return Device(name=name, attributes={"numa": DeviceAttribute(int_=numa)})


def test_devices_that_must_agree_or_differ() -> None:
    devices = (on(0, "a"), on(1, "b"), on(1, "c"))
    same = DeviceConstraint(match_attribute="d.example.com/numa")
    assert names(allocate((claim(exactly(count=2), constraints=(same,)),), slice_of(*devices))) == ["b", "c"]
    apart = DeviceConstraint(distinct_attribute="d.example.com/numa")
    assert names(allocate((claim(exactly(count=2), constraints=(apart,)),), slice_of(*devices))) == ["a", "b"]
    assert allocate((claim(exactly(count=3), constraints=(apart,)),), slice_of(*devices)) is None
    unknown = DeviceConstraint(match_attribute="d.example.com/colour")
    assert allocate((claim(exactly(), constraints=(unknown,)),), slice_of(*devices)) is None


def test_parts_of_a_device_share_its_memory() -> None:
    def part(name: str, memory: str) -> Device:
        use = DeviceCounterConsumption(counter_set="gpu-0", counters={"memory": Counter(value=Quantity(memory))})
        return Device(name=name, consumes_counters=(use,))

    counters = slice_of(name="counters", count=2)
    own = CounterSet(counters={"memory": Counter(value=Quantity("40Gi"))}, name="gpu-0")
    counters = ResourceSlice(
        metadata=counters.metadata,
        spec=ResourceSliceSpec(
            driver="d.example.com", pool=counters.spec.pool, node_name="n1", shared_counters=(own,)
        ),
    )  # fmt: skip
    parts = slice_of(part("half-0", "20Gi"), part("half-1", "20Gi"), part("whole", "40Gi"), count=2)
    assert names(allocate((claim(exactly(count=2)),), counters, parts)) == ["half-0", "half-1"]
    assert allocate((claim(exactly(count=3)),), counters, parts) is None
    half = DeviceId("d.example.com", "n1", "half-0")
    assert names(allocate((claim(exactly()),), counters, parts, taken=(half,))) == ["half-1"]


@given(
    st.lists(st.integers(0, 2), min_size=1, max_size=5),
    st.lists(st.integers(1, 3), min_size=1, max_size=2),
    st.booleans(),
)
def test_a_way_is_found_exactly_where_there_is_one(numa: list[int], counts: list[int], same: bool) -> None:  # drawn
    """The naive twin: every order of all devices."""
    devices = tuple(on(n, f"d{i}") for i, n in enumerate(numa))
    constraint = DeviceConstraint(match_attribute="d.example.com/numa") if same else None
    requests = tuple(exactly(f"r{i}", count) for i, count in enumerate(counts))
    own = claim(*requests, constraints=(constraint,) if constraint else ())
    wanted = sum(counts)
    possible = any(
        not same or len({numa[int(d.name[1:])] for d in order}) == 1 for order in permutations(devices, wanted)
    )
    found = allocate((own,), slice_of(*devices))
    assert (found is not None) == possible
    if found is not None:
        assert len(set(names(found))) == wanted


# --- Claims of a pod ---

POD = Pod(
    metadata=ObjectMeta(name="p", namespace="default", uid="p"),
    spec=PodSpec(
        resource_claims=(
            PodResourceClaim(name="a", resource_claim_name="a"),
            PodResourceClaim(name="t", resource_claim_template_name="t"),
        )
    ),
)


def test_what_the_claims_of_a_pod_wait_for() -> None:
    one = PodSpec(resource_claims=POD.spec.resource_claims[:1])
    pod = Pod(metadata=POD.metadata, spec=one)
    with pytest.raises(Unready, match='resourceclaim "a" not found'):
        claims_of(pod, lambda ns, name: None, lambda name: None)
    with pytest.raises(Unready, match="request one: device class gpu does not exist"):
        claims_of(pod, lambda ns, name: claim(exactly(), name="a"), lambda name: None)
    with pytest.raises(Unready, match='pod "default/p": ResourceClaim not created yet'):
        claims_of(POD, lambda ns, name: claim(exactly(), name="a"), {"gpu": GPU}.get)
    ready, others = claims_of(pod, lambda ns, name: claim(exactly(), name="a"), {"gpu": GPU}.get)
    assert (ready, [c.metadata.name for c in others]) == ((), ["a"])


def test_a_reservation_is_added_once() -> None:
    own = claim(exactly())
    assert POD_CLAIM.startswith("resource.kubernetes.io/")
    result = DeviceAllocationResult(results=(DeviceRequestAllocationResult(driver="d", pool="p", device="x"),))
    given_now = reserved(POD, own, AllocationResult(devices=result))
    assert given_now.status == ResourceClaimStatus(
        allocation=AllocationResult(devices=result), reserved_for=(consumer(POD),)
    )
    assert reserved(POD, given_now, AllocationResult()) is given_now
    assert list(taken_by((own, given_now))) == [DeviceId("d", "p", "x")]
