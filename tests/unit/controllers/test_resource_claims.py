"""Resource claims: made from templates, reserved, given back."""

from __future__ import annotations

from msgspec.structs import replace

from tests.support.view import NOW, FakeView
from wherry.api.core.pod import POD
from wherry.api.core.pod_claims import FINALIZER, POD_CLAIM, consumer
from wherry.api.resource.resourceclaim import RESOURCECLAIM
from wherry.api.resource.resourceclaimtemplate import RESOURCECLAIMTEMPLATE
from wherry.api.types.core import Pod, PodResourceClaim, PodResourceClaimStatus, PodSpec, PodStatus
from wherry.api.types.resource import (
    AllocationResult,
    DeviceClaim,
    DeviceRequest,
    ExactDeviceRequest,
    ResourceClaim,
    ResourceClaimSpec,
    ResourceClaimStatus,
    ResourceClaimTemplate,
    ResourceClaimTemplateSpec,
)
from wherry.controllers import resourceclaim
from wherry.machinery.meta import Key, ObjectMeta
from wherry.machinery.time import time_at

KEY = Key("default", "train")
SPEC = ResourceClaimSpec(
    devices=DeviceClaim(requests=(DeviceRequest(name="gpu", exactly=ExactDeviceRequest(device_class_name="gpu")),))
)
TEMPLATE = ResourceClaimTemplate(
    metadata=ObjectMeta(name="one-gpu", namespace="default"),
    spec=ResourceClaimTemplateSpec(metadata=ObjectMeta(labels={"a": "b"}, annotations={"c": "d"}), spec=SPEC),
)


def pod(*claims: PodResourceClaim, node: str = "", phase: str = "Pending", deleted: bool = False) -> Pod:
    meta = ObjectMeta(name="train", namespace="default", uid="p1", deletion_timestamp=time_at(NOW) if deleted else None)
    return Pod(metadata=meta, spec=PodSpec(node_name=node, resource_claims=claims), status=PodStatus(phase=phase))


def claim(*users: Pod, allocated: bool = True, finalizers: tuple[str, ...] = (FINALIZER,)) -> ResourceClaim:
    status = ResourceClaimStatus(
        allocation=AllocationResult() if allocated else None, reserved_for=tuple(consumer(user) for user in users)
    )
    meta = ObjectMeta(name="shared", namespace="default", uid="c1", finalizers=finalizers)
    return ResourceClaim(metadata=meta, spec=SPEC, status=status)


FROM_TEMPLATE = PodResourceClaim(name="gpu", resource_claim_template_name="one-gpu")
SHARED = PodResourceClaim(name="gpu", resource_claim_name="shared")


def test_a_claim_is_made_and_named_in_the_pod() -> None:
    view = FakeView().put(POD, pod(FROM_TEMPLATE)).put(RESOURCECLAIMTEMPLATE, TEMPLATE)
    assert view.settle(resourceclaim.plan_pod, KEY) == 2
    (made,) = view.list(RESOURCECLAIM)
    assert made.metadata.name.startswith("train-gpu-")
    assert made.metadata.labels == {"a": "b"}
    assert made.metadata.annotations == {"c": "d", POD_CLAIM: "gpu"}
    assert [(o.kind, o.uid, o.controller, o.block_owner_deletion) for o in made.metadata.owner_references] == [
        ("Pod", "p1", True, None)
    ]
    found = view.get(POD, KEY)
    assert found is not None
    assert found.status.resource_claim_statuses == (PodResourceClaimStatus("gpu", made.metadata.name),)


def test_a_missing_template_is_told() -> None:
    view = FakeView().put(POD, pod(FROM_TEMPLATE))
    assert view.carry_out(resourceclaim.plan_pod(view, KEY)) == []
    assert [e.message for e in view.emitted] == [
        'PodResourceClaim gpu: resource claim template "one-gpu": resourceclaimtemplate.resource.k8s.io "one-gpu" '
        "not found"
    ]


def test_a_claim_that_went_is_made_again_under_another_name() -> None:
    old = pod(FROM_TEMPLATE)
    old = replace(old, status=replace(old.status, resource_claim_statuses=(PodResourceClaimStatus("gpu", "gone"),)))
    view = FakeView().put(POD, old).put(RESOURCECLAIMTEMPLATE, TEMPLATE)
    view.settle(resourceclaim.plan_pod, KEY)
    found = view.get(POD, KEY)
    assert found is not None
    assert found.status.resource_claim_statuses[0].resource_claim_name == view.list(RESOURCECLAIM)[0].metadata.name


def test_a_pod_bound_by_hand_is_added_to_the_consumers() -> None:
    view = FakeView().put(POD, pod(SHARED, node="n1")).put(RESOURCECLAIM, claim())
    view.settle(resourceclaim.plan_pod, KEY)
    assert [c.uid for c in view.list(RESOURCECLAIM)[0].status.reserved_for] == ["p1"]


def test_nothing_is_reserved_before_the_scheduler_has_decided() -> None:
    view = FakeView().put(POD, pod(SHARED)).put(RESOURCECLAIM, claim())
    assert view.settle(resourceclaim.plan_pod, KEY) == 0


def test_long_names_leave_room_for_the_end() -> None:
    base = resourceclaim._base("p" * 63, "c" * 63)
    assert len(base) <= 58
    assert base.startswith("ppp")
    assert base.endswith("c")


CLAIM = Key("default", "shared")


def test_the_last_consumer_that_ends_gives_the_devices_back() -> None:
    user = pod(SHARED, node="n1", phase="Running")
    view = FakeView().put(POD, user).put(RESOURCECLAIM, claim(user))
    assert view.settle(resourceclaim.plan_claim, CLAIM) == 0
    view.put(POD, pod(SHARED, node="n1", phase="Succeeded"))
    view.settle(resourceclaim.plan_claim, CLAIM)
    found = view.list(RESOURCECLAIM)[0]
    assert (found.status.allocation, found.status.reserved_for, found.metadata.finalizers) == (None, (), ())


def test_a_pod_that_still_runs_keeps_them() -> None:
    going = pod(SHARED, node="n1", phase="Running", deleted=True)
    view = FakeView().put(POD, going).put(RESOURCECLAIM, claim(going))
    assert view.settle(resourceclaim.plan_claim, CLAIM) == 0


def test_a_namesake_is_no_consumer() -> None:
    user = pod(SHARED, node="n1", phase="Running")
    view = FakeView().put(RESOURCECLAIM, claim(user))
    view.put(POD, replace(user, metadata=replace(user.metadata, uid="p2")))
    view.settle(resourceclaim.plan_claim, CLAIM)
    assert view.list(RESOURCECLAIM)[0].status.allocation is None


def test_an_allocation_without_our_finalizer_stays() -> None:
    user = pod(SHARED, node="n1", phase="Succeeded")
    view = FakeView().put(POD, user).put(RESOURCECLAIM, claim(user, finalizers=()))
    view.settle(resourceclaim.plan_claim, CLAIM)
    found = view.list(RESOURCECLAIM)[0]
    assert found.status.reserved_for == ()
    assert found.status.allocation is not None


def test_what_was_made_for_a_pod_goes_with_its_end() -> None:
    view = FakeView().put(POD, pod(FROM_TEMPLATE)).put(RESOURCECLAIMTEMPLATE, TEMPLATE)
    view.settle(resourceclaim.plan_pod, KEY)
    made = Key("default", view.list(RESOURCECLAIM)[0].metadata.name)
    assert view.settle(resourceclaim.plan_claim, made) == 0
    view.put(POD, pod(FROM_TEMPLATE, node="n1", phase="Failed"))
    view.settle(resourceclaim.plan_claim, made)
    assert view.list(RESOURCECLAIM) == ()
