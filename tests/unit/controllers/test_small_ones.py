"""Disruption budgets, quotas, load balancer addresses, mirrored endpoints."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.support.view import NOW, FakeView
from wherry.api.apps.replicaset import REPLICASET
from wherry.api.core.configmap import CONFIGMAP
from wherry.api.core.endpoints import ENDPOINTS
from wherry.api.core.node import NODE
from wherry.api.core.pod import POD
from wherry.api.core.resourcequota import RESOURCEQUOTA
from wherry.api.core.service import SERVICE
from wherry.api.discovery.endpointslice import ENDPOINTSLICE
from wherry.api.policy.poddisruptionbudget import PODDISRUPTIONBUDGET
from wherry.api.types.apps import ReplicaSet, ReplicaSetSpec
from wherry.api.types.core import (
    ConfigMap,
    Container,
    EndpointAddress,
    EndpointPort,
    Endpoints,
    EndpointSubset,
    Node,
    NodeAddress,
    NodeStatus,
    Pod,
    PodCondition,
    PodSpec,
    PodStatus,
    ResourceQuota,
    ResourceQuotaSpec,
    ResourceRequirements,
    Service,
    ServiceSpec,
)
from wherry.api.types.policy import PodDisruptionBudget, PodDisruptionBudgetSpec
from wherry.controllers import disruption, endpointslicemirroring, loadbalancer, resourcequota
from wherry.controllers.settings import Settings
from wherry.machinery.meta import Key, LabelSelector, ObjectMeta
from wherry.machinery.quantity import Quantity
from wherry.machinery.time import time_at
from wherry.reconcile.controller import Controller
from wherry.reconcile.ownership import reference

WEB = Key("default", "web")
LABELS = {"app": "web"}
META = ObjectMeta(name="web", namespace="default", uid="w-1", generation=1)


def pod(n: int, owner: ReplicaSet | None, *, ready: bool = True) -> Pod:
    refs = (reference(REPLICASET, owner),) if owner is not None else ()
    requests = ResourceRequirements(requests={"cpu": Quantity("250m"), "memory": Quantity("64Mi")})
    return Pod(
        metadata=ObjectMeta(name=f"p{n}", namespace="default", uid=f"p{n}", labels=LABELS, owner_references=refs),
        spec=PodSpec(containers=(Container(name="c", resources=requests),)),
        status=PodStatus(
            phase="Running", conditions=(PodCondition(type="Ready", status="True" if ready else "False"),)
        ),
    )


@pytest.mark.parametrize(
    ("least", "most", "ready", "allowed", "desired", "expected"),
    [
        pytest.param(2, None, 3, 1, 2, 4, id="minAvailable"),
        pytest.param("50%", None, 4, 1, 3, 5, id="half of what is wanted, rounded up"),
        pytest.param(None, 1, 4, 0, 4, 5, id="maxUnavailable, one is missing already"),
        pytest.param(None, "40%", 4, 1, 3, 5, id="maxUnavailable in percent"),
    ],
)
def test_budget(
    least: int | str | None, most: int | str | None, ready: int, allowed: int, desired: int, expected: int
) -> None:
    rs = ReplicaSet(metadata=ObjectMeta(name="rs", namespace="default", uid="rs"), spec=ReplicaSetSpec(replicas=5))
    spec = PodDisruptionBudgetSpec(
        min_available=least, max_unavailable=most, selector=LabelSelector(match_labels=LABELS)
    )
    view = FakeView().put(REPLICASET, rs).put(PODDISRUPTIONBUDGET, PodDisruptionBudget(metadata=META, spec=spec))
    view.put(POD, *(pod(n, rs, ready=n < ready) for n in range(4)))
    view.settle(disruption.plan, WEB)
    found = view.get(PODDISRUPTIONBUDGET, WEB)
    assert found is not None
    status = found.status
    assert (status.disruptions_allowed, status.desired_healthy, status.expected_pods) == (allowed, desired, expected)


def test_a_granted_eviction_counts_until_it_is_seen() -> None:
    spec = PodDisruptionBudgetSpec(min_available=1, selector=LabelSelector(match_labels=LABELS))
    view = FakeView().put(POD, pod(0, None), pod(1, None))
    budget = PodDisruptionBudget(metadata=META, spec=spec)
    granted = replace(budget, status=replace(budget.status, disrupted_pods={"p0": time_at(NOW)}))
    view.put(PODDISRUPTIONBUDGET, granted)
    view.settle(disruption.plan, WEB)
    found = view.get(PODDISRUPTIONBUDGET, WEB)
    assert found is not None
    assert found.status.disruptions_allowed == 0
    view.now += 121
    view.settle(disruption.plan, WEB)
    found = view.get(PODDISRUPTIONBUDGET, WEB)
    assert found is not None
    assert (found.status.disruptions_allowed, found.status.disrupted_pods) == (1, {})


def test_pods_without_controller_allow_no_disruption_by_share() -> None:
    spec = PodDisruptionBudgetSpec(max_unavailable=1, selector=LabelSelector(match_labels=LABELS))
    view = FakeView().put(POD, pod(0, None)).put(PODDISRUPTIONBUDGET, PodDisruptionBudget(metadata=META, spec=spec))
    view.settle(disruption.plan, WEB)
    found = view.get(PODDISRUPTIONBUDGET, WEB)
    assert found is not None
    assert [c.reason for c in found.status.conditions] == ["SyncFailed"]


def planned(controller: object) -> Controller:
    assert isinstance(controller, Controller)
    return controller


def test_quota_counts_and_sums() -> None:
    hard = {name: Quantity("10") for name in ("pods", "requests.cpu", "memory", "configmaps", "count/pods", "secrets")}
    quota = ResourceQuota(metadata=META, spec=ResourceQuotaSpec(hard=hard))
    view = FakeView().put(RESOURCEQUOTA, quota).put(POD, pod(0, None), pod(1, None))
    view.put(CONFIGMAP, ConfigMap(metadata=ObjectMeta(name="c", namespace="default")))
    view.put(CONFIGMAP, ConfigMap(metadata=ObjectMeta(name="c", namespace="elsewhere")))
    view.settle(planned(resourcequota.controller(Settings())).plan, WEB)
    found = view.get(RESOURCEQUOTA, WEB)
    assert found is not None
    assert found.status.used == {
        "pods": "2",
        "requests.cpu": "500m",
        "memory": "128Mi",
        "configmaps": "1",
        "count/pods": "2",
        "secrets": "0",
    }


def test_load_balancers_answer_on_the_nodes() -> None:
    nodes = [
        Node(
            metadata=ObjectMeta(name=f"n{n}", creation_timestamp=time_at(NOW + n)),
            status=NodeStatus(addresses=(NodeAddress(type="InternalIP", address=f"10.89.0.{n}"),)),
        )
        for n in (1, 2)
    ]
    view = FakeView().put(SERVICE, Service(metadata=META, spec=ServiceSpec(type="LoadBalancer"))).put(NODE, *nodes)
    plan = planned(loadbalancer.controller(Settings())).plan
    view.settle(plan, WEB)
    found = view.get(SERVICE, WEB)
    assert found is not None
    assert [ingress.ip for ingress in found.status.load_balancer.ingress] == ["10.89.0.1", "10.89.0.2"]
    view.put(SERVICE, replace(found, spec=ServiceSpec(type="ClusterIP")))
    view.settle(plan, WEB)
    found = view.get(SERVICE, WEB)
    assert found is not None
    assert found.status.load_balancer.ingress == ()


def test_endpoints_written_by_hand_are_mirrored() -> None:
    subset = EndpointSubset(
        addresses=(EndpointAddress(ip="192.0.2.1"),),
        not_ready_addresses=(EndpointAddress(ip="192.0.2.2"),),
        ports=(EndpointPort(name="p", port=80, protocol="TCP"),),
    )
    view = FakeView().put(SERVICE, Service(metadata=META)).put(ENDPOINTS, Endpoints(metadata=META, subsets=(subset,)))
    view.settle(endpointslicemirroring.plan, WEB)
    (found,) = view.list(ENDPOINTSLICE)
    assert [(e.addresses, e.conditions.ready) for e in found.endpoints] == [
        (("192.0.2.1",), True),
        (("192.0.2.2",), False),
    ]
    assert found.metadata.labels["kubernetes.io/service-name"] == "web"
    view.put(ENDPOINTS, Endpoints(metadata=META))
    view.settle(endpointslicemirroring.plan, WEB)
    assert view.list(ENDPOINTSLICE) == ()
