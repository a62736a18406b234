"""EndpointSlices and Endpoints of a Service: who is in them, in which state, and in which slice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support.view import NOW, FakeView
from wherry.api.core.endpoints import ENDPOINTS
from wherry.api.core.node import NODE
from wherry.api.core.pod import POD
from wherry.api.core.service import SERVICE
from wherry.api.discovery.endpointslice import ENDPOINTSLICE
from wherry.api.types.core import (
    Container,
    ContainerPort,
    Node,
    Pod,
    PodCondition,
    PodSpec,
    PodStatus,
    Service,
    ServicePort,
    ServiceSpec,
)
from wherry.controllers import endpoints
from wherry.controllers.endpointslice import plan
from wherry.machinery.meta import Key, ObjectMeta
from wherry.machinery.time import time_at
from wherry.reconcile.actions import Replace

WEB = Key("default", "web")
LABELS = {"app": "web"}


def service(target: int | str = "http", *, headless: bool = False, not_ready: bool = False) -> Service:
    return Service(
        metadata=ObjectMeta(name="web", namespace="default", uid="s-1", labels={"tier": "front"}),
        spec=ServiceSpec(
            selector=LABELS,
            cluster_ip="None" if headless else "10.96.0.7",
            ports=(ServicePort(name="http", port=80, protocol="TCP", target_port=target),),
            publish_not_ready_addresses=not_ready,
        ),
    )


def pod(n: int, *, ready: bool = True, dying: bool = False, port: int = 8080, phase: str = "Running") -> Pod:
    return Pod(
        metadata=ObjectMeta(
            name=f"p{n}",
            namespace="default",
            uid=f"p{n}",
            labels=LABELS,
            creation_timestamp=time_at(NOW + n),
            deletion_timestamp=time_at(NOW) if dying else None,
        ),
        spec=PodSpec(
            node_name="n1",
            containers=(Container(name="c", ports=(ContainerPort(name="http", container_port=port),)),),
        ),
        status=PodStatus(
            phase=phase,
            pod_ip=f"10.244.0.{n}",
            conditions=(PodCondition(type="Ready", status="True" if ready else "False"),),
        ),
    )


def world(svc: Service, *pods: Pod) -> FakeView:
    node = Node(metadata=ObjectMeta(name="n1", labels={"topology.kubernetes.io/zone": "a"}))
    return FakeView().put(SERVICE, svc).put(POD, *pods).put(NODE, node)


@pytest.mark.parametrize(
    ("given_pod", "not_ready", "expected"),
    [
        pytest.param(pod(1), False, (True, True, False), id="ready"),
        pytest.param(pod(1, ready=False), False, (False, False, False), id="not ready"),
        pytest.param(pod(1, dying=True), False, (False, True, True), id="terminating but serving"),
        pytest.param(pod(1, ready=False), True, (True, False, False), id="published though not ready"),
    ],
)
def test_conditions(given_pod: Pod, not_ready: bool, expected: tuple[bool, bool, bool]) -> None:
    view = world(service(not_ready=not_ready), given_pod)
    view.settle(plan, WEB)
    (found,) = view.list(ENDPOINTSLICE)
    (endpoint,) = found.endpoints
    c = endpoint.conditions
    assert (c.ready, c.serving, c.terminating) == expected
    assert (endpoint.addresses, endpoint.node_name, endpoint.zone) == (("10.244.0.1",), "n1", "a")
    assert found.metadata.labels == {
        "tier": "front",
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    }


def test_without_pods_there_is_one_empty_slice() -> None:
    view = world(service())
    view.settle(plan, WEB)
    (found,) = view.list(ENDPOINTSLICE)
    assert (found.endpoints, found.ports) == ((), ())


def test_named_ports_of_different_pods_make_different_slices() -> None:
    view = world(service(), pod(1), pod(2, port=9090))
    view.settle(plan, WEB)
    assert sorted((s.ports[0].port, len(s.endpoints)) for s in view.list(ENDPOINTSLICE)) == [(8080, 1), (9090, 1)]


def test_one_change_rewrites_one_slice() -> None:
    view = world(service(), *(pod(n) for n in range(1, 251)))
    view.settle(plan, WEB)
    assert sorted(len(s.endpoints) for s in view.list(ENDPOINTSLICE)) == [50, 100, 100]
    view.put(POD, pod(7, ready=False))
    actions = list(plan(view, WEB))
    assert [type(a) for a in actions] == [Replace]
    del view.objects[POD, Key("default", "p8")]
    view.carry_out(plan(view, WEB))
    assert sorted(len(s.endpoints) for s in view.list(ENDPOINTSLICE)) == [50, 99, 100]


def test_losing_the_selector_closes_the_slices() -> None:
    view = world(service(), pod(1))
    view.settle(plan, WEB)
    svc = service()
    view.put(SERVICE, replace(svc, spec=replace(svc.spec, selector={})))
    view.settle(plan, WEB)
    assert view.list(ENDPOINTSLICE) == ()


def test_endpoints_keep_ready_and_not_ready_apart() -> None:
    view = world(service(headless=True), pod(1), pod(2, ready=False), pod(3, dying=True), pod(4, phase="Succeeded"))
    view.settle(endpoints.plan, WEB)
    (found,) = view.list(ENDPOINTS)
    (subset,) = found.subsets
    assert [a.ip for a in subset.addresses] == ["10.244.0.1"]
    assert [a.ip for a in subset.not_ready_addresses] == ["10.244.0.2"]
    assert found.metadata.labels["service.kubernetes.io/headless"] == ""


states = st.lists(
    st.tuples(st.booleans(), st.booleans(), st.sampled_from([8080, 9090]), st.sampled_from(["Running", "Failed"])),
    max_size=8,
)


@given(before=states, after=states)
def test_every_member_is_in_exactly_one_slice(
    before: list[tuple[bool, bool, int, str]], after: list[tuple[bool, bool, int, str]]
) -> None:
    view = world(service())
    for now in (before, after):
        view.objects = {at: obj for at, obj in view.objects.items() if at[0] is not POD}
        pods = [pod(n, ready=r, dying=d, port=p, phase=f) for n, (r, d, p, f) in enumerate(now, 1)]
        view.put(POD, *pods)
        view.settle(plan, WEB)
        seen = [e.target_ref.uid for s in view.list(ENDPOINTSLICE) for e in s.endpoints if e.target_ref]
        assert sorted(seen) == sorted(p.metadata.uid for p in pods if p.status.phase == "Running")
        empty = [s for s in view.list(ENDPOINTSLICE) if not s.endpoints]
        assert len(empty) == (0 if seen else 1)
