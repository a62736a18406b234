"""The StatefulSet plan: order, updates, claims, and pods that do or do not become ready."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support.view import FakeView
from wherry.api.apps.controllerrevision import CONTROLLERREVISION
from wherry.api.apps.statefulset import STATEFULSET
from wherry.api.core.persistentvolumeclaim import PERSISTENTVOLUMECLAIM
from wherry.api.core.pod import POD
from wherry.api.types.apps import (
    RollingUpdateStatefulSetStrategy,
    StatefulSet,
    StatefulSetPersistentVolumeClaimRetentionPolicy,
    StatefulSetSpec,
    StatefulSetUpdateStrategy,
)
from wherry.api.types.core import (
    Container,
    ContainerState,
    ContainerStateWaiting,
    ContainerStatus,
    PersistentVolumeClaim,
    Pod,
    PodCondition,
    PodSpec,
    PodTemplateSpec,
)
from wherry.controllers.statefulset import plan
from wherry.machinery.meta import Key, LabelSelector, ObjectMeta
from wherry.machinery.time import time_at

DB = Key("default", "db")
LABELS = {"app": "db"}


def template(image: str) -> PodTemplateSpec:
    return PodTemplateSpec(
        metadata=ObjectMeta(labels=LABELS), spec=PodSpec(containers=(Container(name="c", image=image),))
    )


def db(replicas: int = 3, *, policy: str = "OrderedReady", partition: int = 0) -> StatefulSet:
    rolling = RollingUpdateStatefulSetStrategy(partition=partition)
    made = StatefulSet(
        metadata=ObjectMeta(name="db", namespace="default", uid="s-1", generation=1),
        spec=StatefulSetSpec(
            replicas=replicas,
            service_name="db",
            pod_management_policy=policy,
            selector=LabelSelector(match_labels=LABELS),
            template=template("v1"),
            update_strategy=StatefulSetUpdateStrategy(type="RollingUpdate", rolling_update=rolling),
            volume_claim_templates=(PersistentVolumeClaim(metadata=ObjectMeta(name="data")),),
        ),
    )
    return STATEFULSET.default(made)


def work(view: FakeView, *, broken: str = "none", rounds: int = 60) -> None:
    """Plans, and nodes that bring every pod up whose image is not broken."""
    for _ in range(rounds):
        wrote = view.carry_out(plan(view, DB))
        moved = bring_up(view, broken)
        view.now += 1
        if not wrote and not moved:
            return
    raise AssertionError("never ends")


def bring_up(view: FakeView, broken: str = "none") -> bool:
    moved = False
    for pod in view.list(POD):
        if pod.spec.containers[0].image == broken and not pod.status.container_statuses:
            state = ContainerState(waiting=ContainerStateWaiting(reason="ImagePullBackOff"))
            status = replace(pod.status, phase="Pending", container_statuses=(ContainerStatus(name="c", state=state),))
            view.put(POD, replace(pod, status=status))
        if pod.status.phase != "Running" and pod.spec.containers[0].image != broken:
            ready = PodCondition(type="Ready", status="True", last_transition_time=time_at(view.now))
            view.put(POD, replace(pod, status=replace(pod.status, phase="Running", conditions=(ready,))))
            moved = True
    return moved


def edit(view: FakeView, image: str | None = None, replicas: int | None = None) -> None:
    s = get(view)
    spec = replace(s.spec, replicas=s.spec.replicas if replicas is None else replicas)
    if image is not None:
        spec = replace(spec, template=template(image))
    view.put(STATEFULSET, STATEFULSET.default(replace(s, spec=spec)))


def get(view: FakeView) -> StatefulSet:
    found = view.get(STATEFULSET, DB)
    assert found is not None
    return found


def images(view: FakeView) -> dict[str, str]:
    return {pod.metadata.name: pod.spec.containers[0].image for pod in view.list(POD)}


def test_members_come_one_after_the_other() -> None:
    view = FakeView().put(STATEFULSET, db())
    view.carry_out(plan(view, DB))
    assert list(images(view)) == ["db-0"]
    view.carry_out(plan(view, DB))
    assert list(images(view)) == ["db-0"], "db-0 is not ready yet"
    work(view)
    assert list(images(view)) == ["db-0", "db-1", "db-2"]
    assert [c.metadata.name for c in view.list(PERSISTENTVOLUMECLAIM)] == ["data-db-0", "data-db-1", "data-db-2"]
    pod = view.get(POD, Key("default", "db-1"))
    assert pod is not None
    assert (pod.spec.hostname, pod.spec.subdomain) == ("db-1", "db")
    assert pod.metadata.labels["apps.kubernetes.io/pod-index"] == "1"
    assert pod.spec.volumes[0].persistent_volume_claim is not None
    assert pod.spec.volumes[0].persistent_volume_claim.claim_name == "data-db-1"
    status = get(view).status
    assert (status.replicas, status.ready_replicas, status.updated_replicas) == (3, 3, 3)
    assert status.current_revision == status.update_revision == pod.metadata.labels["controller-revision-hash"]


def test_parallel_makes_all_at_once() -> None:
    view = FakeView().put(STATEFULSET, db(policy="Parallel"))
    view.carry_out(plan(view, DB))
    assert list(images(view)) == ["db-0", "db-1", "db-2"]


def test_scales_down_from_the_top_and_keeps_claims() -> None:
    view = FakeView(graceful=True).put(STATEFULSET, db())
    work(view)
    edit(view, replicas=1)
    view.carry_out(plan(view, DB))
    dying = [pod.metadata.name for pod in view.list(POD) if pod.metadata.deletion_timestamp]
    assert dying == ["db-2"], "only the last, and nothing else while it is there"
    view.carry_out(plan(view, DB))
    assert [pod.metadata.name for pod in view.list(POD) if pod.metadata.deletion_timestamp] == ["db-2"]
    del view.objects[POD, Key("default", "db-2")]
    view.graceful = False
    work(view)
    assert list(images(view)) == ["db-0"]
    assert len(view.list(PERSISTENTVOLUMECLAIM)) == 3


def test_nobody_is_taken_while_a_lower_member_is_ill() -> None:
    """As upstream: only the lowest ill member may go while it is ill. (Seeded fault: db-2 goes.)"""
    view = FakeView(graceful=True).put(STATEFULSET, db())
    work(view)
    edit(view, replicas=0)
    for pod in view.list(POD):
        view.put(POD, replace(pod, status=replace(pod.status, conditions=())))
    view.carry_out(plan(view, DB))
    assert [pod.metadata.name for pod in view.list(POD) if pod.metadata.deletion_timestamp] == []


def test_update_goes_from_the_top_and_waits() -> None:
    view = FakeView().put(STATEFULSET, db())
    work(view)
    edit(view, "v2")
    view.carry_out(plan(view, DB))
    assert sorted(images(view)) == ["db-0", "db-1"]
    view.carry_out(plan(view, DB))
    assert images(view) == {"db-0": "v1", "db-1": "v1", "db-2": "v2"}
    view.carry_out(plan(view, DB))
    assert images(view)["db-1"] == "v1", "db-2 is not ready yet"
    work(view)
    assert set(images(view).values()) == {"v2"}
    assert get(view).status.current_revision == get(view).status.update_revision
    assert len(view.list(CONTROLLERREVISION)) == 2


def test_partition_keeps_the_lower_members() -> None:
    view = FakeView().put(STATEFULSET, db(partition=2))
    work(view)
    edit(view, "v2")
    work(view)
    assert images(view) == {"db-0": "v1", "db-1": "v1", "db-2": "v2"}
    del view.objects[POD, Key("default", "db-0")]
    work(view)
    assert images(view)["db-0"] == "v1"


def test_a_broken_update_stops_at_the_first_member_and_can_be_undone() -> None:
    view = FakeView().put(STATEFULSET, db())
    work(view)
    edit(view, "bad")
    work(view, broken="bad")
    assert images(view) == {"db-0": "v1", "db-1": "v1", "db-2": "bad"}
    first = min(view.list(CONTROLLERREVISION), key=lambda r: r.revision)
    undone = first.data["spec"]["template"]["spec"]["containers"][0]["image"]
    assert undone == "v1"
    assert first.data["spec"]["template"]["$patch"] == "replace"
    edit(view, "v1")
    work(view, broken="bad")
    assert images(view) == {"db-0": "v1", "db-1": "v1", "db-2": "v1"}
    assert max(view.list(CONTROLLERREVISION), key=lambda r: r.revision).metadata.name == first.metadata.name


def test_a_failed_member_is_made_again() -> None:
    view = FakeView().put(STATEFULSET, db(1))
    work(view)
    (pod,) = view.list(POD)
    view.put(POD, replace(pod, status=replace(pod.status, phase="Failed")))
    work(view)
    (new,) = view.list(POD)
    assert new.metadata.uid != pod.metadata.uid
    assert [e.message for e in view.emitted if e.reason == "RecreatingFailedPod"] == [
        "StatefulSet default/db is recreating failed Pod db-0"
    ]


def test_claims_go_with_the_set_if_it_says_so() -> None:
    s = db(1)
    policy = StatefulSetPersistentVolumeClaimRetentionPolicy(when_deleted="Delete", when_scaled="Retain")
    spec = replace(s.spec, persistent_volume_claim_retention_policy=policy)
    view = FakeView().put(STATEFULSET, replace(s, spec=spec))
    work(view)
    (found,) = view.list(PERSISTENTVOLUMECLAIM)
    assert [(ref.kind, ref.uid) for ref in found.metadata.owner_references] == [("StatefulSet", "s-1")]


@settings(max_examples=40)
@given(
    start=st.integers(0, 5),
    later=st.integers(0, 5),
    policy=st.sampled_from(["OrderedReady", "Parallel"]),
    partition=st.integers(0, 5),
)
def test_every_change_ends_where_it_should(start: int, later: int, policy: str, partition: int) -> None:
    view = FakeView().put(STATEFULSET, db(start, policy=policy, partition=partition))
    work(view)
    edit(view, "v2", later)
    work(view, rounds=100)
    expected = {f"db-{n}": "v2" if n >= partition else "v1" for n in range(later)}
    assert images(view) == expected


def _pods(view: FakeView) -> tuple[Pod, ...]:
    return view.list(POD)


@pytest.mark.parametrize("policy", ["OrderedReady", "Parallel"])
def test_never_makes_a_member_whose_name_is_taken(policy: str) -> None:
    view = FakeView(graceful=True).put(STATEFULSET, db(2, policy=policy))
    work(view)
    edit(view, "v2")
    view.carry_out(plan(view, DB))
    assert len(_pods(view)) == 2
    view.carry_out(plan(view, DB))  # FakeView refuses a second pod of the same name
    assert len(_pods(view)) == 2
