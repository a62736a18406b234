"""Questions about a pod's state that controllers, the scheduler and the agent must answer alike.

https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
"""

from __future__ import annotations

from wherry.api.types.core import Pod, PodCondition
from wherry.machinery.conditions import get
from wherry.machinery.time import seconds

DEFAULT_GRACE = 30


def is_terminal(pod: Pod) -> bool:
    """Whether all its containers have ended for good (Succeeded or Failed)."""
    return pod.status.phase in ("Succeeded", "Failed")


def is_active(pod: Pod) -> bool:
    """Neither finished nor being deleted: it counts towards a controller's replicas."""
    return not is_terminal(pod) and pod.metadata.deletion_timestamp is None


def condition(pod: Pod, type_: str) -> PodCondition | None:
    """The pod's condition of this type, if it has one."""
    return get(pod.status.conditions, type_)


def is_ready(pod: Pod) -> bool:
    """Whether its Ready condition is True."""
    ready = condition(pod, "Ready")
    return ready is not None and ready.status == "True"


def ready_since(pod: Pod) -> float | None:
    """Epoch seconds since when it has been Ready; None while it is not."""
    ready = condition(pod, "Ready")
    if ready is None or ready.status != "True":
        return None
    return seconds(ready.last_transition_time) if ready.last_transition_time else 0.0


def is_available(pod: Pod, min_ready_seconds: int, now: float) -> bool:
    """Whether it has been Ready for `min_ready_seconds` (epoch seconds `now`)."""
    since = ready_since(pod)
    return since is not None and (min_ready_seconds == 0 or (since > 0 and now - since >= min_ready_seconds))


def grace(pod: Pod, asked: int | None) -> int:
    """Seconds a deletion grants: what was asked, else what the spec says; none if nothing runs on a node."""
    period = pod.spec.termination_grace_period_seconds
    wanted = asked if asked is not None else DEFAULT_GRACE if period is None else period
    if not pod.spec.node_name or is_terminal(pod):
        return 0
    return max(wanted, 1) if wanted < 0 else wanted
