"""Deployment controller: bring a new pod template out by growing a new ReplicaSet and shrinking the old ones.

Wakes on: Deployment; ReplicaSet (through its controller reference, or by selector); Pod (Recreate).
Writes:   ReplicaSet (create, scale, annotate, adopt, release, delete beyond revisionHistoryLimit);
          Deployment/status and its revision annotation; Event ScalingReplicaSet.
Upstream: https://kubernetes.io/docs/concepts/workloads/controllers/deployment/

Invariants (checked in tests/unit/controllers/test_deployment.py):
- while rolling, never more than replicas + maxSurge pods are asked for, and never are available pods given up that
  are needed for replicas - maxUnavailable;
- at most one ReplicaSet has the Deployment's template, and its name is determined by it;
- carrying out plans (with ReplicaSets that obey) ends with the new ReplicaSet at full size and the old ones at 0.

`kubectl rollout undo` copies an old ReplicaSet's template back into the Deployment: that ReplicaSet becomes the new
one again, with the next revision number.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from typing import TypeAlias

from msgspec.structs import replace

from wherry.api.apps.deployment import DEPLOYMENT
from wherry.api.apps.replicaset import REPLICASET
from wherry.api.core.pod import POD, is_terminal
from wherry.api.types.apps import Deployment, DeploymentStatus, ReplicaSet, ReplicaSetSpec
from wherry.api.types.core import Pod
from wherry.controllers import rollout as sizes
from wherry.controllers.deployment_status import (
    counted,
    has_deadline,
    is_complete,
    judged,
    paused_or_resumed,
    progressing,
    until_deadline,
)
from wherry.controllers.rollout import DESIRED, HASH, MAXIMUM, REVISION, REVISIONS, Rollout, arrange, noted, size
from wherry.machinery.errors import AlreadyExists
from wherry.machinery.hashing import template_hash
from wherry.machinery.meta import Key, LabelSelector, ObjectMeta, controller_of, key_of
from wherry.machinery.selectors import compile_selector, matches
from wherry.reconcile.actions import Action, Create, Delete, Emit, Patch, Replace, Requeue
from wherry.reconcile.controller import Controller, Watch
from wherry.reconcile.ownership import claim, reference, strays
from wherry.reconcile.view import View

_NOT_COPIED = {
    "kubectl.kubernetes.io/last-applied-configuration",
    "deprecated.deployment.rollback.to",
    REVISION,
    REVISIONS,
    DESIRED,
    MAXIMUM,
}
Rewritten: TypeAlias = Generator[Action, None, DeploymentStatus]
"""Actions, and at last the status as it has to be written."""

HISTORY_LENGTH = 2000
"""Characters kept of the list of former revisions."""


def plan(view: View, key: Key) -> Iterator[Action]:
    """One run for one Deployment."""
    d = view.get(DEPLOYMENT, key)
    if d is None:
        return
    found = claim(view, REPLICASET, d, DEPLOYMENT, compile_selector(d.spec.selector))
    yield from found.actions
    rollout = arrange(d, found.ours)
    status = counted(rollout, view.now)
    if d.metadata.deletion_timestamp is None:
        status = paused_or_resumed(rollout, status, view.now)
        if d.spec.paused or sizes.is_scaling(rollout):
            yield from _apply(rollout, sizes.rescale(rollout))
            if d.spec.paused:
                yield from _clean_up(rollout)
        else:
            status = judged(rollout, status, view.now)
            status = yield from _progress(view, rollout, status)
    if status != d.status:
        yield Replace(DEPLOYMENT, replace(d, status=status), subresource="status")
    if (wait := until_deadline(rollout, status, view.now)) is not None:
        yield Requeue(wait, "progressDeadlineSeconds")


def _progress(view: View, rollout: Rollout, status: DeploymentStatus) -> Rewritten:
    """The rollout itself."""
    if not rollout.rolling:
        active = {rs.metadata.name: 0 for rs in rollout.old if size(rs) > 0}
        if active:
            yield from _apply(rollout, active)
            return status
        if _old_pods_run(view, rollout):
            return status
    if rollout.new is None:
        return (yield from _make_new(view, rollout, status))
    yield from _apply(
        rollout, sizes.roll(rollout) if rollout.rolling else {rollout.new.metadata.name: rollout.replicas}
    )
    yield from _revision(rollout.deployment, _annotations(rollout, rollout.new).get(REVISION, ""))
    if is_complete(rollout, rollout.deployment.status):
        yield from _clean_up(rollout)
    return status


def _old_pods_run(view: View, rollout: Rollout) -> bool:
    pods: Iterable[Pod] = (pod for rs in rollout.old for pod in view.owned(POD, rs))
    return any(not is_terminal(pod) for pod in pods)


# --- ReplicaSets ---


def _make_new(view: View, rollout: Rollout, status: DeploymentStatus) -> Rewritten:
    d = rollout.deployment
    new = _new_set(rollout)
    name = new.metadata.name
    there = view.get(REPLICASET, key_of(new))
    if there is not None:  # another template with the same hash, or somebody else's
        return replace(status, collision_count=(d.status.collision_count or 0) + 1)
    error = view.last_error
    if error is not None and not isinstance(error, AlreadyExists):
        message = f'Failed to create new replica set "{name}": {error}'
        if has_deadline(rollout):
            status = progressing(status, "False", "ReplicaSetCreateError", message, view.now)
        yield Emit(d, "Warning", "ReplicaSetCreateError", message)
    elif has_deadline(rollout):
        message = f'Created new replica set "{name}"'
        status = progressing(status, "True", "NewReplicaSetCreated", message, view.now)
    scaled = f"Scaled up replica set {{name}} from 0 to {size(new)}"
    yield Create(REPLICASET, new, done=Emit(d, "Normal", "ScalingReplicaSet", scaled) if size(new) else None)
    yield from _revision(d, new.metadata.annotations[REVISION])
    return status


def _new_set(rollout: Rollout) -> ReplicaSet:
    d = rollout.deployment
    hash_ = template_hash(d.spec.template, d.status.collision_count)
    labels = {**d.spec.template.metadata.labels, HASH: hash_}
    selector = d.spec.selector or LabelSelector()
    bare = ReplicaSet(
        metadata=ObjectMeta(
            name=f"{d.metadata.name[: 252 - len(hash_)]}-{hash_}",
            namespace=d.metadata.namespace,
            labels=labels,
            owner_references=(reference(DEPLOYMENT, d),),
        ),
        spec=ReplicaSetSpec(
            replicas=sizes.first_size(rollout),
            min_ready_seconds=d.spec.min_ready_seconds,
            selector=replace(selector, match_labels={**selector.match_labels, HASH: hash_}),
            template=replace(d.spec.template, metadata=replace(d.spec.template.metadata, labels=labels)),
        ),
    )
    annotations = {**_annotations(rollout, bare), **_limits(rollout)}
    return replace(bare, metadata=replace(bare.metadata, annotations=annotations))


def _apply(rollout: Rollout, goal: sizes.Sizes) -> Iterator[Action]:
    """Write every ReplicaSet whose size, limits or (the new one) annotations have to change."""
    for rs in rollout.all:
        to = goal.get(rs.metadata.name, size(rs))
        annotations = dict(rs.metadata.annotations)
        min_ready = rs.spec.min_ready_seconds
        if rs is rollout.new:
            annotations = _annotations(rollout, rs)
            min_ready = rollout.deployment.spec.min_ready_seconds
        if to > 0 or to != size(rs):
            annotations.update(_limits(rollout))
        changed = replace(
            rs,
            metadata=replace(rs.metadata, annotations=annotations),
            spec=replace(rs.spec, replicas=to, min_ready_seconds=min_ready),
        )
        if changed != rs:
            yield Replace(REPLICASET, changed)
        if to != size(rs):
            way = "up" if to > size(rs) else "down"
            text = f"Scaled {way} replica set {rs.metadata.name} from {size(rs)} to {to}"
            yield Emit(rollout.deployment, "Normal", "ScalingReplicaSet", text)


def _limits(rollout: Rollout) -> Mapping[str, str]:
    return {DESIRED: str(rollout.replicas), MAXIMUM: str(rollout.replicas + rollout.surge)}


def _annotations(rollout: Rollout, new: ReplicaSet) -> dict[str, str]:
    """What the new ReplicaSet is annotated with: the Deployment's annotations, and the highest revision."""
    theirs = rollout.deployment.metadata.annotations
    out = {**new.metadata.annotations, **{k: v for k, v in theirs.items() if k not in _NOT_COPIED}}
    revision = 1 + max((noted(rs, REVISION) or 0 for rs in rollout.old), default=0)
    before = noted(new, REVISION)
    if (before or 0) < revision:
        out[REVISION] = str(revision)
        if before is not None:
            out[REVISIONS] = _remember(out.get(REVISIONS, ""), str(before))
    return out


def _remember(history: str, revision: str) -> str:
    revisions = [*filter(None, history.split(",")), revision]
    while len(",".join(revisions)) > HISTORY_LENGTH:
        revisions.pop(0)
    return ",".join(revisions)


def _revision(d: Deployment, revision: str) -> Iterator[Action]:
    """Show the revision on the Deployment itself."""
    if revision and d.metadata.annotations.get(REVISION) != revision:
        patch = {"metadata": {"uid": d.metadata.uid, "annotations": {REVISION: revision}}}
        yield Patch(DEPLOYMENT, key_of(d), patch)


def _clean_up(rollout: Rollout) -> Iterator[Action]:
    for rs in sizes.superfluous(rollout):
        yield Delete(REPLICASET, key_of(rs), rs.metadata.uid)


# --- What wakes it ---


def _selects(d: Deployment, labels: Mapping[str, str]) -> bool:
    return matches(d.spec.selector, labels)


def _of_pod(view: View, pod: Pod) -> Iterator[Key]:
    """Recreate waits for the last old pod."""
    ref = controller_of(pod)
    if ref is None or ref.kind != REPLICASET.kind:
        return
    rs = view.get(REPLICASET, Key(pod.metadata.namespace, ref.name))
    owner = controller_of(rs) if rs is not None else None
    if owner is None or owner.kind != DEPLOYMENT.kind:
        return
    d = view.get(DEPLOYMENT, Key(pod.metadata.namespace, owner.name))
    if d is not None and d.spec.strategy.type == "Recreate":
        yield key_of(d)


CONTROLLER = Controller(
    "deployment",
    DEPLOYMENT,
    plan,
    owns=(REPLICASET,),
    watches=(strays(REPLICASET, DEPLOYMENT, _selects), Watch(POD, _of_pod)),
)
