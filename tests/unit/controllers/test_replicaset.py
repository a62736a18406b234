"""The ReplicaSet plan: no loop, no store, no clock; a view goes in, actions come out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support.view import NOW, FakeView
from wherry.api.apps.replicaset import REPLICASET
from wherry.api.core.pod import POD
from wherry.api.types.apps import ReplicaSet, ReplicaSetSpec
from wherry.api.types.core import Pod, PodCondition, PodSpec, PodStatus, PodTemplateSpec
from wherry.controllers.replicaset import plan
from wherry.machinery.errors import APIError
from wherry.machinery.meta import Key, LabelSelector, ObjectMeta, OwnerReference
from wherry.machinery.time import time_at
from wherry.reconcile.actions import Adopt, Create, Delete, Replace, Requeue

WEB = Key("default", "web")
LABELS = {"app": "web"}


def web(replicas: int, *, min_ready_seconds: int = 0) -> ReplicaSet:
    meta = ObjectMeta(name="web", namespace="default", uid="rs-1", generation=1)
    spec = ReplicaSetSpec(
        replicas=replicas,
        min_ready_seconds=min_ready_seconds,
        selector=LabelSelector(match_labels=LABELS),
        template=PodTemplateSpec(metadata=ObjectMeta(labels=LABELS)),
    )
    return ReplicaSet(metadata=meta, spec=spec)


def pod(
    name: str, phase: str = "Running", ready: float | None = 0.0, node: str = "n1", owner: str | None = "rs-1"
) -> Pod:
    """`ready`: seconds after NOW - 100 at which it became ready; `owner` None: an orphan."""
    ref = OwnerReference(api_version="apps/v1", kind="ReplicaSet", name="web", uid=owner or "", controller=True)
    at = time_at(NOW - 100 + (ready or 0))
    conditions = () if ready is None else (PodCondition(type="Ready", status="True", last_transition_time=at),)
    return Pod(
        metadata=ObjectMeta(
            name=name,
            namespace="default",
            uid=name,
            labels=LABELS,
            owner_references=() if owner is None else (ref,),
        ),
        spec=PodSpec(node_name=node),
        status=PodStatus(phase=phase, conditions=conditions),
    )


def view_of(rs: ReplicaSet, *pods: Pod) -> FakeView:
    return FakeView().put(REPLICASET, rs).put(POD, *pods)


@pytest.mark.parametrize(
    ("replicas", "pods", "creates", "deletes"),
    [
        pytest.param(2, [], 2, [], id="starts from nothing"),
        pytest.param(1, [pod("a")], 0, [], id="already there"),
        pytest.param(1, [pod("a", phase="Failed")], 1, [], id="failed pods do not count"),
        pytest.param(1, [pod("a", owner="other")], 1, [], id="other owners' pods do not count"),
        pytest.param(1, [pod("a"), pod("b", ready=None)], 0, ["b"], id="not ready goes first"),
        pytest.param(1, [pod("a"), pod("b", phase="Pending", node="")], 0, ["b"], id="unscheduled goes first"),
        pytest.param(1, [pod("a", ready=0), pod("b", ready=90)], 0, ["b"], id="newest ready goes first"),
        pytest.param(
            2, [pod("a", ready=50), pod("b", node="n2"), pod("c", node="n2")], 0, ["b"], id="crowded node goes first"
        ),
        pytest.param(0, [pod("a"), pod("b")], 0, ["a", "b"], id="scales to zero"),
    ],
)
def test_scaling(replicas: int, pods: list[Pod], creates: int, deletes: list[str]) -> None:
    actions = list(plan(view_of(web(replicas), *pods), WEB))
    assert sum(isinstance(a, Create) for a in actions) == creates
    assert sorted(a.key.name for a in actions if isinstance(a, Delete)) == deletes


def test_deletion_cost_goes_before_age() -> None:
    cheap = pod("a")
    cheap = replace(
        cheap, metadata=replace(cheap.metadata, annotations={"controller.kubernetes.io/pod-deletion-cost": "-5"})
    )
    actions = list(plan(view_of(web(1), cheap, pod("b", ready=90)), WEB))
    assert [a.key.name for a in actions if isinstance(a, Delete)] == ["a"]


def test_waits_for_min_ready_seconds() -> None:
    actions = list(plan(view_of(web(1, min_ready_seconds=30), pod("a", ready=80.0)), WEB))
    assert Requeue(10.0, "minReadySeconds") in actions


def test_reports_failure_from_last_run() -> None:
    view = view_of(web(1))
    view.last_error = APIError("quota")
    (status,) = [a.obj.status for a in plan(view, WEB) if isinstance(a, Replace) and isinstance(a.obj, ReplicaSet)]
    assert [(c.reason, c.message) for c in status.conditions] == [("FailedCreate", "quota")]


def test_adopts_an_orphan_and_releases_what_left() -> None:
    left = pod("b")
    left = replace(left, metadata=replace(left.metadata, labels={}))
    view = view_of(web(2), pod("a", owner=None), left)
    actions = list(plan(view, WEB))
    assert [a.obj.metadata.name for a in actions if isinstance(a, Adopt)] == ["a"]
    view.carry_out(actions)
    freed = view.get(POD, Key("default", "b"))
    assert freed is not None
    assert freed.metadata.owner_references == ()


pods = st.lists(
    st.builds(
        pod,
        st.uuids().map(str),
        st.sampled_from(["Pending", "Running", "Succeeded", "Failed", "Unknown"]),
        st.none() | st.floats(0, 100),
        st.sampled_from(["", "n1", "n2"]),
        st.sampled_from(["rs-1", "other"]),
    ),
    max_size=12,
)


@given(replicas=st.integers(0, 12), pods=pods)
def test_invariants(replicas: int, pods: list[Pod]) -> None:
    actions = list(plan(view_of(web(replicas), *pods), WEB))
    creates = [a for a in actions if isinstance(a, Create)]
    deletes = [a for a in actions if isinstance(a, Delete)]
    alive = [p for p in pods if p.status.phase not in ("Succeeded", "Failed")]
    active = [p for p in alive if p.metadata.owner_references[0].uid == "rs-1"]
    assert not (creates and deletes)
    assert len(active) + len(creates) - len(deletes) == replicas


@given(replicas=st.integers(0, 12), pods=pods)
def test_reaches_a_fixed_point(replicas: int, pods: list[Pod]) -> None:
    assert view_of(web(replicas), *pods).settle(plan, WEB) <= 2
