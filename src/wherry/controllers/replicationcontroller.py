"""ReplicationController controller: what ReplicaSets do, for the older kind.

Wakes on: ReplicationController; Pod (through its controller reference, or by selector if it has none).
Writes:   Pod (create, delete, adopt, release); ReplicationController/status; Events as for ReplicaSets.
Upstream: https://kubernetes.io/docs/concepts/workloads/controllers/replicationcontroller/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from wherry.api.core.pod import POD, is_active, is_available, is_ready
from wherry.api.core.replicationcontroller import REPLICATIONCONTROLLER
from wherry.api.types.core import (
    Pod,
    PodTemplateSpec,
    ReplicationController,
    ReplicationControllerCondition,
    ReplicationControllerStatus,
)
from wherry.controllers.crowd import Crowd, scale, until_next_available, wanted
from wherry.machinery import conditions
from wherry.machinery.meta import Key
from wherry.machinery.time import time_at
from wherry.reconcile.actions import Action, Replace, Requeue
from wherry.reconcile.controller import Controller
from wherry.reconcile.ownership import claim, strays
from wherry.reconcile.view import View


def plan(view: View, key: Key) -> Iterator[Action]:
    """One run for one ReplicationController."""
    rc = view.get(REPLICATIONCONTROLLER, key)
    if rc is None:
        return
    found = claim(view, POD, rc, REPLICATIONCONTROLLER, lambda labels: _selects(rc, labels))
    yield from found.actions
    active = [pod for pod in found.ours if is_active(pod)]
    if rc.metadata.deletion_timestamp is None:
        template = rc.spec.template or PodTemplateSpec()
        yield from scale(Crowd(REPLICATIONCONTROLLER, rc, wanted(rc.spec.replicas), template), active, {}, view.now)
    status = _status(rc, active, view)
    if status != rc.status:
        yield Replace(REPLICATIONCONTROLLER, replace(rc, status=status), subresource="status")
    if (wait := until_next_available(rc.spec.min_ready_seconds, active, view.now)) is not None:
        yield Requeue(wait, "minReadySeconds")


def _status(rc: ReplicationController, active: Sequence[Pod], view: View) -> ReplicationControllerStatus:
    labels = (rc.spec.template or PodTemplateSpec()).metadata.labels.items()
    missing = wanted(rc.spec.replicas) - len(active)
    found = rc.status.conditions
    if view.last_error is None or missing == 0:
        found = conditions.remove(found, "ReplicaFailure")
    elif not any(known.type == "ReplicaFailure" for known in found):
        reason = "FailedCreate" if missing > 0 else "FailedDelete"
        failure = ReplicationControllerCondition(
            type="ReplicaFailure", status="True", reason=reason, message=str(view.last_error)
        )
        found = conditions.put(found, failure, time_at(view.now))
    return replace(
        rc.status,
        replicas=len(active),
        fully_labeled_replicas=sum(labels <= pod.metadata.labels.items() for pod in active),
        ready_replicas=sum(map(is_ready, active)),
        available_replicas=sum(is_available(pod, rc.spec.min_ready_seconds, view.now) for pod in active),
        observed_generation=rc.metadata.generation,
        conditions=found,
    )


def _selects(rc: ReplicationController, labels: Mapping[str, str]) -> bool:
    return bool(rc.spec.selector) and rc.spec.selector.items() <= labels.items()


CONTROLLER = Controller(
    "replicationcontroller",
    REPLICATIONCONTROLLER,
    plan,
    owns=(POD,),
    watches=(strays(POD, REPLICATIONCONTROLLER, _selects),),
    component="replication-controller",
)
