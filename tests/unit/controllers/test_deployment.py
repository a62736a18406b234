"""The Deployment plan, with ReplicaSets that obey or do not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support.view import FakeView
from wherry.api.apps.deployment import DEPLOYMENT
from wherry.api.apps.replicaset import REPLICASET
from wherry.api.core.pod import POD
from wherry.api.types.apps import (
    Deployment,
    DeploymentSpec,
    DeploymentStrategy,
    ReplicaSet,
    ReplicaSetStatus,
    RollingUpdateDeployment,
)
from wherry.api.types.core import Container, Pod, PodSpec, PodTemplateSpec
from wherry.controllers.deployment import plan
from wherry.controllers.rollout import REVISION
from wherry.machinery import conditions
from wherry.machinery.errors import Forbidden
from wherry.machinery.meta import Key, LabelSelector, ObjectMeta
from wherry.reconcile.actions import Create, Replace
from wherry.reconcile.ownership import reference

WEB = Key("default", "web")
LABELS = {"app": "web"}


def web(image: str = "v1", replicas: int = 10, surge: int | str = 3, unavailable: int | str = 2) -> Deployment:
    rolling = RollingUpdateDeployment(max_surge=surge, max_unavailable=unavailable)
    made = Deployment(
        metadata=ObjectMeta(name="web", namespace="default", uid="d-1", generation=1),
        spec=DeploymentSpec(
            replicas=replicas,
            revision_history_limit=2,
            progress_deadline_seconds=600,
            selector=LabelSelector(match_labels=LABELS),
            strategy=DeploymentStrategy(type="RollingUpdate", rolling_update=rolling),
            template=template(image),
        ),
    )
    return DEPLOYMENT.default(made)


def template(image: str) -> PodTemplateSpec:
    return PodTemplateSpec(
        metadata=ObjectMeta(labels=LABELS), spec=PodSpec(containers=(Container(name="c", image=image),))
    )


def obey(view: FakeView, broken: str = "") -> None:
    """What the ReplicaSet controller and the nodes do: every pod is there, and available unless its image is broken."""
    for rs in view.list(REPLICASET):
        n = rs.spec.replicas or 0
        works = 0 if rs.spec.template.spec.containers[0].image == broken else n
        status = ReplicaSetStatus(
            replicas=n, ready_replicas=works, available_replicas=works, observed_generation=rs.metadata.generation
        )
        view.put(REPLICASET, replace(rs, status=status))


def edit(view: FakeView, image: str | None = None, replicas: int | None = None) -> None:
    d = deployment(view)
    spec = replace(d.spec, replicas=d.spec.replicas if replicas is None else replicas)
    if image is not None:
        spec = replace(spec, template=template(image))
    meta = replace(d.metadata, generation=d.metadata.generation + 1)
    view.put(DEPLOYMENT, DEPLOYMENT.default(replace(d, spec=spec, metadata=meta)))


def deployment(view: FakeView) -> Deployment:
    found = view.get(DEPLOYMENT, WEB)
    assert found is not None
    return found


def spread(view: FakeView) -> dict[str, int]:
    return {rs.spec.template.spec.containers[0].image: rs.spec.replicas or 0 for rs in view.list(REPLICASET)}


def run(view: FakeView, broken: str = "", rounds: int = 60) -> None:
    for _ in range(rounds):
        wrote = view.carry_out(plan(view, WEB))
        obey(view, broken)
        view.now += 1
        if not wrote:
            return
    raise AssertionError("never ends")


def rolled_out(image: str = "v1", replicas: int = 10) -> FakeView:
    view = FakeView().put(DEPLOYMENT, web(image, replicas))
    run(view)
    return view


def test_first_rollout() -> None:
    view = rolled_out()
    (rs,) = view.list(REPLICASET)
    assert rs.metadata.name == f"web-{rs.metadata.labels['pod-template-hash']}"
    assert rs.spec.selector is not None
    assert rs.spec.selector.match_labels == rs.spec.template.metadata.labels
    assert rs.metadata.annotations["deployment.kubernetes.io/desired-replicas"] == "10"
    assert rs.metadata.annotations["deployment.kubernetes.io/max-replicas"] == "13"
    d = deployment(view)
    assert d.metadata.annotations[REVISION] == "1"
    assert (d.status.replicas, d.status.updated_replicas, d.status.available_replicas) == (10, 10, 10)
    progress = conditions.get(d.status.conditions, "Progressing")
    assert progress is not None
    assert progress.reason == "NewReplicaSetAvailable"
    assert progress.message == f'ReplicaSet "{rs.metadata.name}" has successfully progressed.'
    assert conditions.is_true(d.status.conditions, "Available")


def test_events_have_upstreams_wording() -> None:
    view = rolled_out()
    edit(view, "v2")
    run(view)
    texts = [e.message.replace("{name}", "new") for e in view.emitted if e.reason == "ScalingReplicaSet"]
    assert any(t.startswith("Scaled down replica set web-") and t.endswith(" from 10 to 5") for t in texts)


def test_rolling_update_keeps_its_limits_and_ends() -> None:
    view = rolled_out()
    edit(view, "v2")
    for _ in range(40):
        view.carry_out(plan(view, WEB))
        assert sum(spread(view).values()) <= 13
        available = sum(min(rs.status.available_replicas, rs.spec.replicas or 0) for rs in view.list(REPLICASET))
        assert available >= 8
        obey(view)
    assert spread(view) == {"v1": 0, "v2": 10}
    assert deployment(view).metadata.annotations[REVISION] == "2"


def test_broken_image_stops_at_the_limit_and_is_reported() -> None:
    view = rolled_out()
    edit(view, "bad")
    run(view, broken="bad")
    assert spread(view) == {"v1": 8, "bad": 5}
    view.now += 601
    run(view, broken="bad")
    progress = conditions.get(deployment(view).status.conditions, "Progressing")
    assert progress is not None
    assert (progress.status, progress.reason) == ("False", "ProgressDeadlineExceeded")


def test_undo_brings_the_old_replica_set_back_with_a_new_revision() -> None:
    view = rolled_out()
    edit(view, "v2")
    run(view)
    edit(view, "v1")
    run(view)
    assert spread(view) == {"v1": 10, "v2": 0}
    (first,) = [rs for rs in view.list(REPLICASET) if rs.spec.replicas]
    assert first.metadata.annotations[REVISION] == "3"
    assert first.metadata.annotations["deployment.kubernetes.io/revision-history"] == "1"
    assert deployment(view).metadata.annotations[REVISION] == "3"


def test_scaling_amid_a_rollout_is_proportional() -> None:
    view = rolled_out()
    edit(view, "bad")
    run(view, broken="bad")
    edit(view, replicas=20)
    view.carry_out(plan(view, WEB))
    assert spread(view) == {"v1": 14, "bad": 9}  # 8:5 of 23


def test_history_is_limited() -> None:
    view = rolled_out()
    for n in range(2, 7):
        edit(view, f"v{n}")
        run(view)
    assert sorted(spread(view)) == ["v4", "v5", "v6"]


def test_paused_does_not_roll_but_scales() -> None:
    view = rolled_out()
    d = deployment(view)
    view.put(DEPLOYMENT, replace(d, spec=replace(d.spec, paused=True)))
    edit(view, "v2", replicas=4)
    run(view)
    assert spread(view) == {"v1": 4}
    progress = conditions.get(deployment(view).status.conditions, "Progressing")
    assert progress is not None
    assert (progress.status, progress.reason) == ("Unknown", "DeploymentPaused")


def test_recreate_waits_for_the_last_old_pod() -> None:
    spec = replace(web().spec, strategy=DeploymentStrategy(type="Recreate"))
    view = FakeView().put(DEPLOYMENT, replace(web(), spec=spec))
    run(view)
    (old,) = view.list(REPLICASET)
    pod = Pod(
        metadata=ObjectMeta(name="p", namespace="default", uid="p", owner_references=(reference(REPLICASET, old),))
    )
    view.put(POD, pod)
    edit(view, "v2")
    run(view)
    assert spread(view) == {"v1": 0}
    del view.objects[POD, Key("default", "p")]
    run(view)
    assert spread(view) == {"v1": 0, "v2": 10}


def test_collision_makes_another_name() -> None:
    view = FakeView().put(DEPLOYMENT, web())
    (create,) = [a for a in plan(view, WEB) if isinstance(a, Create)]
    assert isinstance(create.obj, ReplicaSet)
    foreign = replace(create.obj, metadata=replace(create.obj.metadata, owner_references=(), labels={}, uid="x"))
    view.put(REPLICASET, foreign)
    run(view)
    assert deployment(view).status.collision_count == 1
    assert len([rs for rs in view.list(REPLICASET) if rs.metadata.owner_references]) == 1


def test_refused_creation_is_reported() -> None:
    view = FakeView().put(DEPLOYMENT, web())
    view.last_error = Forbidden("quota")
    (status,) = [a.obj.status for a in plan(view, WEB) if isinstance(a, Replace) and isinstance(a.obj, Deployment)]
    progress = conditions.get(status.conditions, "Progressing")
    assert progress is not None
    assert (progress.status, progress.reason) == ("False", "ReplicaSetCreateError")


@given(
    replicas=st.integers(0, 20),
    surge=st.integers(0, 5) | st.sampled_from(["0%", "25%", "100%"]),
    unavailable=st.integers(0, 5) | st.sampled_from(["0%", "25%", "100%"]),
    later=st.integers(0, 20),
)
def test_every_rollout_ends_where_it_should(
    replicas: int, surge: int | str, unavailable: int | str, later: int
) -> None:
    view = FakeView().put(DEPLOYMENT, web("v1", replicas, surge, unavailable))
    run(view)
    edit(view, "v2")
    view.carry_out(plan(view, WEB))
    obey(view)
    edit(view, replicas=later)
    run(view, rounds=200)
    assert spread(view).get("v2", 0) == later
    assert sum(spread(view).values()) == later


def called_done(d: Deployment) -> bool:
    """What `kubectl rollout status` goes by."""
    status, wanted = d.status, d.spec.replicas or 0
    seen = status.observed_generation >= d.metadata.generation
    return seen and status.updated_replicas >= wanted and status.replicas == status.available_replicas == wanted


@given(st.lists(st.tuples(st.sampled_from(["v1", "v2", "v3"]), st.integers(1, 6), st.integers(0, 3)), max_size=6))
def test_a_rollout_is_never_called_done_too_early(edits: list[tuple[str, int, int]]) -> None:
    view = rolled_out()
    for image, replicas, steps in edits:
        edit(view, image, replicas)
        for step in range(steps + 1):
            if called_done(deployment(view)):
                assert {name: n for name, n in spread(view).items() if n} == {image: replicas}
            if step < steps:
                view.carry_out(plan(view, WEB))
                obey(view)
    run(view, rounds=200)
    assert called_done(deployment(view))
