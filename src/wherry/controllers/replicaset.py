"""ReplicaSet controller: keep `spec.replicas` active pods alive.

Wakes on: ReplicaSet; Pod (through its controller reference, or by selector if it has none).
Writes:   Pod (create, delete, adopt, release); ReplicaSet/status; Events SuccessfulCreate, FailedCreate,
          SuccessfulDelete, FailedDelete.
Upstream: https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/

Invariants (checked in tests/unit/controllers/test_replicaset.py):
- pods being deleted or finished never count towards `spec.replicas`;
- a plan never both creates and deletes pods;
- carrying out plans reaches a fixed point: soon a plan writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from wherry.api.apps.replicaset import REPLICASET
from wherry.api.core.pod import POD, is_active, is_available, is_ready
from wherry.api.types.apps import ReplicaSet, ReplicaSetCondition, ReplicaSetStatus
from wherry.api.types.core import Pod
from wherry.controllers.crowd import Crowd, scale, until_next_available, wanted
from wherry.machinery import conditions
from wherry.machinery.errors import APIError
from wherry.machinery.meta import Key, controller_of
from wherry.machinery.selectors import compile_selector, matches
from wherry.machinery.time import time_at
from wherry.reconcile.actions import Action, Replace, Requeue
from wherry.reconcile.controller import Controller
from wherry.reconcile.ownership import claim, strays
from wherry.reconcile.view import View


def plan(view: View, key: Key) -> Iterator[Action]:
    """One run for one ReplicaSet."""
    rs = view.get(REPLICASET, key)
    if rs is None:
        return
    found = claim(view, POD, rs, REPLICASET, compile_selector(rs.spec.selector))
    yield from found.actions
    active = [pod for pod in found.ours if is_active(pod)]
    if rs.metadata.deletion_timestamp is None:
        crowd = Crowd(REPLICASET, rs, wanted(rs.spec.replicas), rs.spec.template)
        near = _neighbours(view, rs) if len(active) > crowd.replicas else {}
        yield from scale(crowd, active, near, view.now)
    status = _status(rs, found.ours, view)
    if status != rs.status:
        yield Replace(REPLICASET, replace(rs, status=status), subresource="status")
    if (wait := until_next_available(rs.spec.min_ready_seconds, active, view.now)) is not None:
        yield Requeue(wait, "minReadySeconds")


def _neighbours(view: View, rs: ReplicaSet) -> Mapping[str, int]:
    """How many active pods of all ReplicaSets of the same owner each node has: the fullest loses one first."""
    ref = controller_of(rs)
    family: tuple[ReplicaSet, ...] = (rs,)
    if ref is not None:
        family = tuple(o for o in view.list(REPLICASET, rs.metadata.namespace) if _same_owner(o, ref.uid)) or family
    count: dict[str, int] = {}
    for member in family:
        for pod in view.owned(POD, member):
            if is_active(pod) and pod.spec.node_name:
                count[pod.spec.node_name] = count.get(pod.spec.node_name, 0) + 1
    return count


def _same_owner(rs: ReplicaSet, uid: str) -> bool:
    ref = controller_of(rs)
    return ref is not None and ref.uid == uid


# --- Status ---


def _status(rs: ReplicaSet, ours: Sequence[Pod], view: View) -> ReplicaSetStatus:
    active = [pod for pod in ours if is_active(pod)]
    labels = rs.spec.template.metadata.labels.items()
    terminating = sum(pod.metadata.deletion_timestamp is not None for pod in ours)
    return replace(
        rs.status,
        replicas=len(active),
        fully_labeled_replicas=sum(labels <= pod.metadata.labels.items() for pod in active),
        ready_replicas=sum(map(is_ready, active)),
        available_replicas=sum(is_available(pod, rs.spec.min_ready_seconds, view.now) for pod in active),
        terminating_replicas=terminating,
        observed_generation=rs.metadata.generation,
        conditions=_conditions(rs, len(active), view.now, view.last_error),
    )


def _conditions(rs: ReplicaSet, active: int, now: float, error: APIError | None) -> tuple[ReplicaSetCondition, ...]:
    missing = wanted(rs.spec.replicas) - active
    if error is None or missing == 0:
        return conditions.remove(rs.status.conditions, "ReplicaFailure")
    if any(known.type == "ReplicaFailure" for known in rs.status.conditions):
        return (
            rs.status.conditions
        )  # every refusal names another pod: telling each would be a write that causes the next
    reason = "FailedCreate" if missing > 0 else "FailedDelete"
    failure = ReplicaSetCondition(type="ReplicaFailure", status="True", reason=reason, message=str(error))
    return conditions.put(rs.status.conditions, failure, time_at(now))


def _selects(rs: ReplicaSet, labels: Mapping[str, str]) -> bool:
    return matches(rs.spec.selector, labels)


CONTROLLER = Controller(
    "replicaset", REPLICASET, plan, owns=(POD,), watches=(strays(POD, REPLICASET, _selects),), concurrency=16
)
