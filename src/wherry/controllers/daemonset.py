"""DaemonSet controller: one pod on every node that fits.

Wakes on: DaemonSet; Pod, ControllerRevision (through controller reference or selector); Node (labels, taints).
Writes:   Pod (create, delete, adopt, release), ControllerRevision, DaemonSet/status; Events SuccessfulCreate,
          FailedCreate, SuccessfulDelete, FailedDelete, FailedDaemonPod, SucceededDaemonPod.
Upstream: https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/

Invariants (checked in tests/unit/controllers/test_daemonset.py):
- at most one pod per node, but for one new one beside an old one where maxSurge allows it;
- an update takes available pods on at most maxUnavailable nodes at a time, then waits until new ones are available;
- a pod on a node where it does not belong is deleted, unless only a NoSchedule taint stands against it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from wherry.api.apps.controllerrevision import CONTROLLERREVISION
from wherry.api.apps.daemonset import DAEMONSET
from wherry.api.core.node import NODE
from wherry.api.core.pod import POD, is_available, is_ready, is_terminal
from wherry.api.types.apps import DaemonSet, DaemonSetStatus
from wherry.api.types.core import Node, Pod
from wherry.controllers.crowd import until_next_available
from wherry.controllers.daemonset_pod import belongs, new_pod, node_of
from wherry.controllers.portions import surge_and_unavailable
from wherry.controllers.revisions import POD_HASH, Subject, hash_of, history, superfluous
from wherry.machinery.meta import Key, key_of
from wherry.machinery.selectors import compile_selector, matches
from wherry.reconcile.actions import Action, Create, Delete, Emit, Replace, Requeue
from wherry.reconcile.controller import Controller, Watch
from wherry.reconcile.ownership import claim, strays
from wherry.reconcile.view import View

BURST = 250


@dataclass(frozen=True, slots=True)
class State:
    """A DaemonSet, the nodes where it should run and may stay, and its pods by node, oldest first."""

    ds: DaemonSet
    hash: str
    wanted: Mapping[str, Node]
    tolerated: frozenset[str]
    pods: Mapping[str, Sequence[Pod]]
    now: float

    def is_new(self, pod: Pod) -> bool:
        """Of the present revision."""
        return pod.metadata.labels.get(POD_HASH) == self.hash

    def available(self, pod: Pod) -> bool:
        """Ready for long enough and not on its way out."""
        fine = is_available(pod, self.ds.spec.min_ready_seconds, self.now)
        return fine and pod.metadata.deletion_timestamp is None

    def limits(self) -> tuple[int, int]:
        """(maxSurge, maxUnavailable) in nodes."""
        rolling = self.ds.spec.update_strategy.rolling_update
        if rolling is None:
            return 0, 1
        return surge_and_unavailable(rolling.max_surge, rolling.max_unavailable, len(self.wanted))


def plan(view: View, key: Key) -> Iterator[Action]:
    """One run for one DaemonSet."""
    ds = view.get(DAEMONSET, key)
    if ds is None:
        return
    found = claim(view, POD, ds, DAEMONSET, compile_selector(ds.spec.selector))
    yield from found.actions
    limit = ds.spec.revision_history_limit
    subject = Subject(DAEMONSET, ds, ds.spec.template, ds.spec.selector, ds.status.collision_count, limit, POD_HASH)
    past = history(view, subject)
    if past.collided:
        status = replace(ds.status, collision_count=(ds.status.collision_count or 0) + 1)
        yield Replace(DAEMONSET, replace(ds, status=status), subresource="status")
        return
    yield from past.actions
    state = _state(view, ds, hash_of(past.update), found.ours)
    if ds.metadata.deletion_timestamp is None:
        steps = list(_place(state))
        yield from steps
        if not steps and ds.spec.update_strategy.type != "OnDelete":
            yield from _roll(state)
        hashes = {pod.metadata.labels.get(POD_HASH, "") for pod in found.ours}
        live = (r.metadata.name for r in past.known if hash_of(r) in hashes)
        yield from superfluous(past, live, limit)
    status = _status(state)
    if status != ds.status:
        yield Replace(DAEMONSET, replace(ds, status=status), subresource="status")
    if (wait := until_next_available(ds.spec.min_ready_seconds, found.ours, view.now)) is not None:
        yield Requeue(wait, "minReadySeconds")


def _state(view: View, ds: DaemonSet, hash_: str, pods: Sequence[Pod]) -> State:
    wanted, tolerated = {}, set()
    for node in view.list(NODE):
        should, may = belongs(ds, node)
        if should:
            wanted[node.metadata.name] = node
        if may:
            tolerated.add(node.metadata.name)
    by_node: dict[str, list[Pod]] = {}
    for pod in sorted(pods, key=lambda p: (p.metadata.creation_timestamp or "", p.metadata.name)):
        by_node.setdefault(node_of(pod), []).append(pod)
    return State(ds, hash_, wanted, frozenset(tolerated), by_node, view.now)


# --- One on every node ---


def _place(state: State) -> Iterator[Action]:
    """Make what is missing and remove what is too many; finished pods first make room."""
    made = 0
    for name, node in state.wanted.items():
        pods = [pod for pod in state.pods.get(name, ()) if pod.metadata.deletion_timestamp is None]
        ended = [pod for pod in pods if is_terminal(pod)]
        for pod in ended:
            yield from _replace_ended(state, pod, name)
        alive = [pod for pod in pods if not is_terminal(pod)]
        if (not state.pods.get(name) and made < BURST) or (
            not alive and not ended and made < BURST and _may_overlap(state, name)
        ):
            made += 1
            yield _create(state, node)
        yield from _remove_extra(state, alive)
    for name, present in state.pods.items():
        if name not in state.wanted:
            yield from _leave(state, name, present)


def _may_overlap(state: State, name: str) -> bool:
    """All pods there are on their way out: with surge, the next one need not wait for that."""
    return state.limits()[0] > 0


def _replace_ended(state: State, pod: Pod, name: str) -> Iterator[Action]:
    ds, where = state.ds, f"{pod.metadata.namespace}/{pod.metadata.name} on node {name}"
    if pod.status.phase == "Failed":
        yield Emit(ds, "Warning", "FailedDaemonPod", f"Found failed daemon pod {where}, will try to kill it")
    else:
        yield Emit(ds, "Normal", "SucceededDaemonPod", f"Found succeeded daemon pod {where}, will try to delete it")
    yield _delete(ds, pod)


def _remove_extra(state: State, alive: Sequence[Pod]) -> Iterator[Action]:
    """Of several of one revision the oldest stays; an old one beside an available new one goes."""
    new = [pod for pod in alive if state.is_new(pod)]
    old = [pod for pod in alive if not state.is_new(pod)]
    for pod in new[1:]:
        yield _delete(state.ds, pod)
    keep_old = 0 if new and (state.available(new[0]) or state.limits()[0] == 0) else 1
    for pod in old[keep_old:]:
        yield _delete(state.ds, pod)


def _leave(state: State, name: str, pods: Sequence[Pod]) -> Iterator[Action]:
    if name in state.tolerated:
        return  # only a NoSchedule taint: what runs may go on
    for pod in pods:
        if pod.metadata.deletion_timestamp is None:
            yield _delete(state.ds, pod)


# --- Rolling update ---


def _roll(state: State) -> Iterator[Action]:
    surge, unavailable = state.limits()
    if surge > 0:
        yield from _roll_with_surge(state, surge)
        return
    budget, candidates = unavailable, []
    for name in state.wanted:
        pods = [pod for pod in state.pods.get(name, ()) if pod.metadata.deletion_timestamp is None]
        working = [pod for pod in pods if state.available(pod)]
        old = [pod for pod in pods if not state.is_new(pod)]
        if not working:
            budget -= 1
            yield from (_delete(state.ds, pod) for pod in old)  # it does not work anyway
        else:
            candidates += old
    for pod in candidates[: max(0, budget)]:
        yield _delete(state.ds, pod)


def _roll_with_surge(state: State, surge: int) -> Iterator[Action]:
    waiting = []
    for name, node in state.wanted.items():
        pods = [pod for pod in state.pods.get(name, ()) if pod.metadata.deletion_timestamp is None]
        old = [pod for pod in pods if not state.is_new(pod)]
        new = [pod for pod in pods if state.is_new(pod)]
        if new and not state.available(new[0]):
            surge -= 1
        elif old and not new:
            waiting.append(node)
    for node in waiting[: max(0, surge)]:
        yield _create(state, node)


def _create(state: State, node: Node) -> Create:
    ds = state.ds
    return Create(
        POD,
        new_pod(ds, node, state.hash),
        done=Emit(ds, "Normal", "SuccessfulCreate", "Created pod: {name}"),
        failed=Emit(ds, "Warning", "FailedCreate", "Error creating: {error}"),
    )


def _delete(ds: DaemonSet, pod: Pod) -> Delete:
    return Delete(
        POD,
        key_of(pod),
        pod.metadata.uid,
        done=Emit(ds, "Normal", "SuccessfulDelete", "Deleted pod: {name}"),
        failed=Emit(ds, "Warning", "FailedDelete", "Error deleting: {error}"),
    )


# --- Status ---


def _status(state: State) -> DaemonSetStatus:
    ds = state.ds
    scheduled = ready = available = updated = misplaced = 0
    for name in {*state.wanted, *state.pods}:
        pods = [pod for pod in state.pods.get(name, ()) if not is_terminal(pod)]
        if name not in state.wanted:
            misplaced += bool(pods)
        elif pods:
            scheduled += 1
            ready += any(is_ready(pod) for pod in pods)
            available += any(state.available(pod) for pod in pods)
            updated += any(state.is_new(pod) and pod.metadata.deletion_timestamp is None for pod in pods)
    return replace(
        ds.status,
        current_number_scheduled=scheduled,
        desired_number_scheduled=len(state.wanted),
        number_misscheduled=misplaced,
        number_ready=ready,
        number_available=available,
        number_unavailable=len(state.wanted) - available,
        updated_number_scheduled=updated,
        observed_generation=ds.metadata.generation,
    )


# --- What wakes it ---


def _selects(ds: DaemonSet, labels: Mapping[str, str]) -> bool:
    return matches(ds.spec.selector, labels)


def _of_node(view: View, node: Node) -> Iterator[Key]:
    return (key_of(ds) for ds in view.list(DAEMONSET))


def _matters(old: Node, new: Node) -> bool:
    return old.metadata.labels != new.metadata.labels or old.spec.taints != new.spec.taints


CONTROLLER = Controller(
    "daemonset",
    DAEMONSET,
    plan,
    owns=(POD, CONTROLLERREVISION),
    watches=(strays(POD, DAEMONSET, _selects), Watch(NODE, _of_node, _matters)),
)
