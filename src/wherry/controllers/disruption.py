"""Disruption controller: how many pods of a PodDisruptionBudget may be evicted now.

Wakes on: PodDisruptionBudget; Pod (through selectors); the workloads whose replicas are the whole.
Writes:   PodDisruptionBudget/status; Event CalculateExpectedPodCountFailed.
Upstream: https://kubernetes.io/docs/concepts/workloads/pods/disruptions/

Invariants (checked in tests/unit/controllers/test_small_ones.py):
- disruptionsAllowed is never more than healthy pods beyond the desired ones;
- an eviction that was granted counts as disruption until the pod is seen to go, for at most two minutes;
- when the whole cannot be known, nothing may be evicted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from msgspec.structs import replace

from wherry.api.apps.deployment import DEPLOYMENT
from wherry.api.apps.replicaset import REPLICASET
from wherry.api.apps.statefulset import STATEFULSET
from wherry.api.core.pod import POD, condition, is_ready, is_terminal
from wherry.api.core.replicationcontroller import REPLICATIONCONTROLLER
from wherry.api.policy.poddisruptionbudget import ALLOWED, PODDISRUPTIONBUDGET
from wherry.api.types.core import Pod
from wherry.api.types.policy import PodDisruptionBudget, PodDisruptionBudgetStatus
from wherry.controllers.crowd import wanted
from wherry.controllers.portions import portion
from wherry.machinery import conditions
from wherry.machinery.meta import Condition, Key, Object, controller_of, key_of
from wherry.machinery.selectors import compile_selector, matches
from wherry.machinery.time import seconds, time_at
from wherry.reconcile.actions import Action, Emit, Replace, Requeue
from wherry.reconcile.controller import Controller, Watch
from wherry.reconcile.view import View

GRANTED = 120.0
"""Seconds for which a granted eviction counts although its pod is still there."""


class _Unknown(Exception):
    """The number of pods that there should be cannot be known."""


def plan(view: View, key: Key) -> Iterator[Action]:
    """One run for one PodDisruptionBudget."""
    budget = view.get(PODDISRUPTIONBUDGET, key)
    if budget is None or budget.metadata.deletion_timestamp is not None:
        return
    selects = compile_selector(budget.spec.selector)
    pods = [pod for pod in view.list(POD, key.namespace) if selects(pod.metadata.labels)]
    try:
        expected, desired = _whole(view, budget, pods)
    except _Unknown as why:
        text = f"Failed to calculate the number of expected pods: {why}"
        yield Emit(budget, "Warning", "CalculateExpectedPodCountFailed", text)
        status = _failed(budget, str(why), view.now)
    else:
        status = _status(budget, pods, expected, desired, view.now)
    if status != budget.status:
        yield Replace(PODDISRUPTIONBUDGET, replace(budget, status=status), subresource="status")
    if status.disrupted_pods:
        oldest = min(seconds(at) for at in status.disrupted_pods.values())
        yield Requeue(max(1.0, oldest + GRANTED - view.now), "granted evictions")


def _status(
    budget: PodDisruptionBudget, pods: Sequence[Pod], expected: int, desired: int, now: float
) -> PodDisruptionBudgetStatus:
    names = {pod.metadata.name: pod for pod in pods}
    granted = {
        name: at
        for name, at in budget.status.disrupted_pods.items()
        if name in names and names[name].metadata.deletion_timestamp is None and seconds(at) + GRANTED > now
    }
    healthy = sum(_healthy(pod) and pod.metadata.name not in granted for pod in pods)
    allowed = max(0, healthy - desired) if expected > 0 else 0
    enough = allowed > 0
    said = Condition(
        type=ALLOWED,
        status="True" if enough else "False",
        reason="SufficientPods" if enough else "InsufficientPods",
        observed_generation=budget.metadata.generation,
    )
    return PodDisruptionBudgetStatus(
        conditions=conditions.put(budget.status.conditions, said, time_at(now)),
        current_healthy=healthy,
        desired_healthy=desired,
        disrupted_pods=granted,
        disruptions_allowed=allowed,
        expected_pods=expected,
        observed_generation=budget.metadata.generation,
    )


def _healthy(pod: Pod) -> bool:
    return pod.metadata.deletion_timestamp is None and not is_terminal(pod) and is_ready(pod)


def _failed(budget: PodDisruptionBudget, why: str, now: float) -> PodDisruptionBudgetStatus:
    said = Condition(
        type=ALLOWED,
        status="False",
        reason="SyncFailed",
        message=why,
        observed_generation=budget.metadata.generation,
    )
    found = conditions.put(budget.status.conditions, said, time_at(now))
    generation = budget.metadata.generation
    return replace(budget.status, disruptions_allowed=0, conditions=found, observed_generation=generation)


# --- The whole ---


def _whole(view: View, budget: PodDisruptionBudget, pods: Sequence[Pod]) -> tuple[int, int]:
    """(expected, desired healthy) pods."""
    spec = budget.spec
    if spec.max_unavailable is not None:
        expected = _scales(view, pods)
        return expected, max(0, expected - portion(spec.max_unavailable, expected, up=True))
    if isinstance(spec.min_available, str):
        expected = _scales(view, pods)
        return expected, portion(spec.min_available, expected, up=True)
    return len(pods), spec.min_available or 0


def _scales(view: View, pods: Sequence[Pod]) -> int:
    """Sum of the replicas of everything that owns these pods."""
    found: dict[str, int] = {}
    for pod in pods:
        ref = controller_of(pod)
        if ref is None:
            raise _Unknown(f"found no controllers for pod {pod.metadata.name!r}".replace("'", '"'))
        if ref.uid not in found:
            owner, replicas = _scale(view, Key(pod.metadata.namespace, ref.name), ref.kind, ref.uid)
            found.pop(ref.uid, None)
            found[owner] = replicas
    return sum(found.values())


def _scale(view: View, key: Key, kind: str, uid: str) -> tuple[str, int]:
    """(uid, replicas) of the workload that decides; a ReplicaSet's Deployment decides for it."""
    look = _WORKLOADS.get(kind)
    owner = look(view, key) if look is not None else None
    if owner is None or owner[0].metadata.uid != uid:
        raise _Unknown(f"{kind}.apps does not implement the scale subresource" if look is None else f"no {kind} {key}")
    above = controller_of(owner[0])
    if kind == REPLICASET.kind and above is not None and above.kind == DEPLOYMENT.kind:
        deployment = view.get(DEPLOYMENT, Key(key.namespace, above.name))
        if deployment is not None and deployment.metadata.uid == above.uid:
            return above.uid, wanted(deployment.spec.replicas)
    return uid, owner[1]


def _replicaset(view: View, key: Key) -> tuple[Object, int] | None:
    found = view.get(REPLICASET, key)
    return None if found is None else (found, wanted(found.spec.replicas))


def _statefulset(view: View, key: Key) -> tuple[Object, int] | None:
    found = view.get(STATEFULSET, key)
    return None if found is None else (found, wanted(found.spec.replicas))


def _replicationcontroller(view: View, key: Key) -> tuple[Object, int] | None:
    found = view.get(REPLICATIONCONTROLLER, key)
    return None if found is None else (found, wanted(found.spec.replicas))


_WORKLOADS: dict[str, Callable[[View, Key], tuple[Object, int] | None]] = {
    "ReplicaSet": _replicaset,
    "StatefulSet": _statefulset,
    "ReplicationController": _replicationcontroller,
}


# --- What wakes it ---


def _of_pod(view: View, pod: Pod) -> Iterator[Key]:
    for budget in view.list(PODDISRUPTIONBUDGET, pod.metadata.namespace):
        if matches(budget.spec.selector, pod.metadata.labels):
            yield key_of(budget)


def _of_workload(view: View, workload: Object) -> Iterator[Key]:
    return (key_of(budget) for budget in view.list(PODDISRUPTIONBUDGET, workload.metadata.namespace))


def _pod_matters(old: Pod, new: Pod) -> bool:
    return _visible(old) != _visible(new)


def _visible(pod: Pod) -> tuple[object, ...]:
    ready = condition(pod, "Ready")
    dying = pod.metadata.deletion_timestamp is not None
    return pod.metadata.labels, pod.status.phase, dying, ready is not None and ready.status


def _generation_moved(old: Object, new: Object) -> bool:
    return old.metadata.generation != new.metadata.generation


CONTROLLER = Controller(
    "disruption",
    PODDISRUPTIONBUDGET,
    plan,
    watches=(
        Watch(POD, _of_pod, _pod_matters),
        *(
            Watch(resource, _of_workload, _generation_moved)
            for resource in (REPLICASET, DEPLOYMENT, STATEFULSET, REPLICATIONCONTROLLER)
        ),
    ),
    component="controllermanager",
)
