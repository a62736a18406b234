"""What a Deployment's status says, given its ReplicaSets: numbers, and the conditions kubectl waits for.

Reasons and messages are upstream's, for clients read them:
https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#deployment-status
"""

from __future__ import annotations

from msgspec.structs import replace

from wherry.api.types.apps import DeploymentCondition, DeploymentStatus
from wherry.controllers.rollout import Rollout, total
from wherry.machinery import conditions
from wherry.machinery.time import Time, seconds, time_at

NO_DEADLINE = 2**31 - 1
Conditions = tuple[DeploymentCondition, ...]


def has_deadline(rollout: Rollout) -> bool:
    """Whether progress is watched at all."""
    return rollout.deployment.spec.progress_deadline_seconds not in (None, NO_DEADLINE)


def counted(rollout: Rollout, now: float) -> DeploymentStatus:
    """Numbers and availability, without a judgement on progress."""
    old, new = rollout.deployment.status, rollout.new
    available = sum(rs.status.available_replicas for rs in rollout.all)
    return DeploymentStatus(
        observed_generation=rollout.deployment.metadata.generation,
        replicas=sum(rs.status.replicas for rs in rollout.all),
        updated_replicas=new.status.replicas if new is not None else 0,
        ready_replicas=sum(rs.status.ready_replicas for rs in rollout.all),
        available_replicas=available,
        unavailable_replicas=max(0, total(rollout.all) - available),
        terminating_replicas=sum(rs.status.terminating_replicas or 0 for rs in rollout.all),
        collision_count=old.collision_count,
        conditions=_put(old.conditions, _availability(rollout, available), time_at(now)),
    )


def judged(rollout: Rollout, status: DeploymentStatus, now: float) -> DeploymentStatus:
    """`status` with its Progressing and ReplicaFailure conditions brought up to date."""
    judge = has_deadline(rollout)
    found = _progress(rollout, status, now) if judge else conditions.remove(status.conditions, "Progressing")
    failure = _failure(rollout)
    rest = conditions.remove(found, "ReplicaFailure") if failure is None else _put(found, failure, time_at(now))
    return replace(status, conditions=rest)


def progressing(status: DeploymentStatus, value: str, reason: str, message: str, now: float) -> DeploymentStatus:
    """`status` with this Progressing condition."""
    wanted = DeploymentCondition(type="Progressing", status=value, reason=reason, message=message)
    return replace(status, conditions=_put(status.conditions, wanted, time_at(now)))


def paused_or_resumed(rollout: Rollout, status: DeploymentStatus, now: float) -> DeploymentStatus:
    """Note pausing and resuming, so that the time in between does not count towards the deadline."""
    found = conditions.get(status.conditions, "Progressing")
    paused = rollout.deployment.spec.paused
    reason = found.reason if found is not None else ""
    if not has_deadline(rollout) or reason == "ProgressDeadlineExceeded":
        return status
    if paused and reason != "DeploymentPaused":
        return progressing(status, "Unknown", "DeploymentPaused", "Deployment is paused", now)
    if not paused and reason == "DeploymentPaused":
        return progressing(status, "Unknown", "DeploymentResumed", "Deployment is resumed", now)
    return status


def is_complete(rollout: Rollout, status: DeploymentStatus) -> bool:
    """Whether all wanted pods are new and available, and no old one is left."""
    n = rollout.replicas
    return (
        status.updated_replicas == n
        and status.replicas == n
        and status.available_replicas == n
        and status.observed_generation >= rollout.deployment.metadata.generation
    )


def until_deadline(rollout: Rollout, status: DeploymentStatus, now: float) -> float | None:
    """Seconds until lack of progress has to be reported, if it may have to be."""
    found = conditions.get(status.conditions, "Progressing")
    if not has_deadline(rollout) or found is None or is_complete(rollout, status):
        return None
    if found.reason in ("ProgressDeadlineExceeded", "NewReplicaSetAvailable") or found.last_update_time is None:
        return None
    limit = rollout.deployment.spec.progress_deadline_seconds or 0
    return max(1.0, seconds(found.last_update_time) + limit + 1 - now)


# --- Conditions ---


def _put(found: Conditions, wanted: DeploymentCondition, now: Time, *, touch: bool = False) -> Conditions:
    """As `conditions.put`, but equal status and reason change nothing unless `touch`, and updates are dated."""
    old = conditions.get(found, wanted.type)
    if old is not None and not touch and (old.status, old.reason) == (wanted.status, wanted.reason):
        return found
    return conditions.put(found, replace(wanted, last_update_time=now), now)


def _availability(rollout: Rollout, available: int) -> DeploymentCondition:
    if available >= rollout.replicas - rollout.unavailable:
        status, reason, text = "True", "MinimumReplicasAvailable", "Deployment has minimum availability."
    else:
        status, reason, text = "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability."
    return DeploymentCondition(type="Available", status=status, reason=reason, message=text)


def _progress(rollout: Rollout, status: DeploymentStatus, now: float) -> Conditions:
    found, moment = status.conditions, time_at(now)
    current = conditions.get(found, "Progressing")
    finished = current is not None and current.reason == "NewReplicaSetAvailable"
    if finished and status.replicas == status.updated_replicas:
        return found
    what = _what(rollout)
    if is_complete(rollout, status):
        return _put(found, _judge("True", "NewReplicaSetAvailable", f"{what} has successfully progressed."), moment)
    if _has_moved(rollout.deployment.status, status):
        wanted = _judge("True", "ReplicaSetUpdated", f"{what} is progressing.")
        return _put(found, wanted, moment, touch=True)
    if current is None and rollout.new is not None:
        name = rollout.new.metadata.name
        return _put(found, _judge("True", "FoundNewReplicaSet", f'Found new replica set "{name}"'), moment)
    if current is not None and _timed_out(rollout, current, now):
        found = _put(found, _judge("False", "ProgressDeadlineExceeded", f"{what} has timed out progressing."), moment)
    return found


def _judge(status: str, reason: str, message: str) -> DeploymentCondition:
    return DeploymentCondition(type="Progressing", status=status, reason=reason, message=message)


def _what(rollout: Rollout) -> str:
    if rollout.new is None:
        return f'Deployment "{rollout.deployment.metadata.name}"'
    return f'ReplicaSet "{rollout.new.metadata.name}"'


def _has_moved(old: DeploymentStatus, new: DeploymentStatus) -> bool:
    return (
        new.updated_replicas > old.updated_replicas
        or new.replicas - new.updated_replicas < old.replicas - old.updated_replicas
        or new.ready_replicas > old.ready_replicas
        or new.available_replicas > old.available_replicas
    )


def _timed_out(rollout: Rollout, current: DeploymentCondition, now: float) -> bool:
    if current.reason == "NewReplicaSetAvailable" or current.last_update_time is None:
        return False
    limit = rollout.deployment.spec.progress_deadline_seconds or 0
    return now - seconds(current.last_update_time) > limit


def _failure(rollout: Rollout) -> DeploymentCondition | None:
    """The first ReplicaFailure, that of the new ReplicaSet before others."""
    candidates = (() if rollout.new is None else (rollout.new,)) + rollout.old
    for rs in candidates:
        found = conditions.get(rs.status.conditions, "ReplicaFailure")
        if found is not None:
            return DeploymentCondition(
                type="ReplicaFailure",
                status=found.status,
                reason=found.reason,
                message=found.message,
                last_transition_time=found.last_transition_time,
            )
    return None
