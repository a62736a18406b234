"""ReplicaSet controller: keep `spec.replicas` active pods alive.

Wakes on: ReplicaSet; Pod (through its controller reference, or by selector if it has none).
Writes:   Pod (create, delete, adopt, release); ReplicaSet/status; Events SuccessfulCreate, FailedCreate,
          SuccessfulDelete, FailedDelete.
Upstream: https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/

Invariants (checked in tests/unit/controllers/test_replicaset.py):
- pods being deleted or finished never count towards `spec.replicas`;
- a plan never both creates and deletes pods;
- carrying out plans reaches a fixed point: soon a plan writes nothing.

`scale` and `workload_status` also serve the ReplicationController, which is the same thing with a plainer selector.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from wherry.api.apps.replicaset import REPLICASET
from wherry.api.core.pod import POD, is_active, is_available, is_ready, ready_since
from wherry.api.types.apps import ReplicaSet, ReplicaSetCondition, ReplicaSetStatus
from wherry.api.types.core import Pod, PodTemplateSpec
from wherry.machinery import conditions
from wherry.machinery.errors import APIError
from wherry.machinery.meta import Key, Object, ObjectMeta, controller_of, key_of
from wherry.machinery.resource import Resource
from wherry.machinery.selectors import compile_selector, matches
from wherry.machinery.time import seconds, time_at
from wherry.reconcile.actions import Action, Create, Delete, Emit, Replace, Requeue
from wherry.reconcile.controller import Controller
from wherry.reconcile.ownership import claim, reference, strays
from wherry.reconcile.view import View

BURST = 500
"""Upper bound on pods created or deleted in one run, so one huge ReplicaSet cannot starve the rest."""

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


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
        near = neighbours(view, rs) if len(active) > crowd.replicas else {}
        yield from scale(crowd, active, near, view.now)
    status = _status(rs, found.ours, view)
    if status != rs.status:
        yield Replace(REPLICASET, replace(rs, status=status), subresource="status")
    if (wait := until_next_available(rs.spec.min_ready_seconds, active, view.now)) is not None:
        yield Requeue(wait, "minReadySeconds")


def wanted(replicas: int | None) -> int:
    """`spec.replicas`, which is 1 if absent."""
    return 1 if replicas is None else replicas


# --- Scaling ---


@dataclass(frozen=True, slots=True)
class Crowd:
    """An owner of interchangeable pods."""

    resource: Resource[Any]
    owner: Object
    replicas: int
    template: PodTemplateSpec


def scale(crowd: Crowd, active: Sequence[Pod], near: Mapping[str, int], now: float) -> Iterator[Action]:
    """Create or delete pods until there are `crowd.replicas`. `near`: node -> pods of the same application there."""
    owner = crowd.owner
    missing = crowd.replicas - len(active)
    for _ in range(min(missing, BURST)):
        yield Create(
            POD,
            new_pod(crowd),
            done=Emit(owner, "Normal", "SuccessfulCreate", "Created pod: {name}"),
            failed=Emit(owner, "Warning", "FailedCreate", "Error creating: {error}"),
        )
    if missing < 0:
        victims = sorted(active, key=lambda pod: _keep_worth(pod, near, now))
        for pod in victims[: min(-missing, BURST)]:
            yield Delete(
                POD,
                key_of(pod),
                pod.metadata.uid,
                done=Emit(owner, "Normal", "SuccessfulDelete", "Deleted pod: {name}"),
                failed=Emit(owner, "Warning", "FailedDelete", "Error deleting: {error}"),
            )


def neighbours(view: View, rs: ReplicaSet) -> Mapping[str, int]:
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


def _keep_worth(pod: Pod, near: Mapping[str, int], now: float) -> tuple[float, ...]:
    """Sort key: the pods that are cheapest to lose come first.

    Unscheduled; pending; not ready; lower deletion cost; more neighbours on the node; ready for a shorter time; more
    restarts; newer.
    """
    since, created = ready_since(pod), pod.metadata.creation_timestamp
    restarts = max((status.restart_count for status in pod.status.container_statuses), default=0)
    return (
        bool(pod.spec.node_name),
        _PHASES.get(pod.status.phase, 0),
        since is not None,
        _cost(pod),
        -near.get(pod.spec.node_name, 0),
        0.0 if since is None else now - since,
        -restarts,
        now - seconds(created) if created else 0.0,
    )


def _cost(pod: Pod) -> int:
    text = pod.metadata.annotations.get(DELETION_COST, "0")
    try:
        return int(text)
    except ValueError:
        return 0


def new_pod(crowd: Crowd) -> Pod:
    """A pod of the template, owned."""
    template, owner = crowd.template, crowd.owner
    meta = ObjectMeta(
        generate_name=f"{owner.metadata.name}-",
        namespace=owner.metadata.namespace,
        labels=template.metadata.labels,
        annotations=template.metadata.annotations,
        finalizers=template.metadata.finalizers,
        owner_references=(reference(crowd.resource, owner),),
    )
    return Pod(metadata=meta, spec=template.spec)


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
    reason = "FailedCreate" if missing > 0 else "FailedDelete"
    failure = ReplicaSetCondition(type="ReplicaFailure", status="True", reason=reason, message=str(error))
    return conditions.put(rs.status.conditions, failure, time_at(now))


def until_next_available(min_ready_seconds: int, active: Sequence[Pod], now: float) -> float | None:
    """Seconds until a ready pod becomes available: time passing raises no watch event."""
    waits = [since + min_ready_seconds - now for pod in active if (since := ready_since(pod)) is not None]
    return min((wait for wait in waits if wait > 0), default=None)


def _selects(rs: ReplicaSet, labels: Mapping[str, str]) -> bool:
    return matches(rs.spec.selector, labels)


CONTROLLER = Controller(
    "replicaset", REPLICASET, plan, owns=(POD,), watches=(strays(POD, REPLICASET, _selects),), concurrency=16
)
