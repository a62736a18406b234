"""Crowd: an owner of interchangeable pods, and how it gains and loses members (ReplicaSet, ReplicationController).

A plan never both creates and deletes; pods that are cheapest to lose go first:
https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#scaling-a-replicaset
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wherry.api.core.pod import POD, ready_since
from wherry.api.types.core import Pod, PodTemplateSpec
from wherry.machinery.meta import Object, ObjectMeta, key_of
from wherry.machinery.resource import Resource
from wherry.machinery.time import seconds
from wherry.reconcile.actions import Action, Create, Delete, Emit
from wherry.reconcile.ownership import reference

BURST = 500
"""Upper bound on pods created or deleted in one run, so one huge owner cannot starve the rest."""

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def wanted(replicas: int | None) -> int:
    """`spec.replicas`, which is 1 if absent."""
    return 1 if replicas is None else replicas


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


def until_next_available(min_ready_seconds: int, active: Sequence[Pod], now: float) -> float | None:
    """Seconds until a ready pod becomes available: time passing raises no watch event."""
    waits = [since + min_ready_seconds - now for pod in active if (since := ready_since(pod)) is not None]
    return min((wait for wait in waits if wait > 0), default=None)
