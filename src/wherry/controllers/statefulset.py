"""StatefulSet controller: members with names, made in order, each with claims of its own.

Wakes on: StatefulSet; Pod, ControllerRevision (through controller reference or selector); PersistentVolumeClaim.
Writes:   Pod (create, delete, adopt, release), PersistentVolumeClaim (create, owner references), ControllerRevision,
          StatefulSet/status; Events SuccessfulCreate, FailedCreate, SuccessfulDelete, FailedDelete,
          RecreatingFailedPod.
Upstream: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/

Invariants (checked in tests/unit/controllers/test_statefulset.py):
- never two pods of one ordinal: a member is made only when no pod of its name is there, not even a dying one;
- OrderedReady: a member is made when all before it are available, and taken away when all after it are gone;
- an update takes members from the highest ordinal down to `partition`, waiting for each to become available;
- a member that cannot start and is of a revision nobody wants any more does not stop the others (upstream's does);
- claims are never deleted here; by retention policy they get owners, and the garbage collector does the rest.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from msgspec.structs import replace

from wherry.api.apps.controllerrevision import CONTROLLERREVISION
from wherry.api.apps.statefulset import STATEFULSET
from wherry.api.core.persistentvolumeclaim import PERSISTENTVOLUMECLAIM
from wherry.api.core.pod import POD, is_available, is_ready, is_terminal
from wherry.api.types.apps import ControllerRevision, StatefulSet, StatefulSetStatus
from wherry.api.types.core import PersistentVolumeClaim, Pod
from wherry.controllers.crowd import until_next_available, wanted
from wherry.controllers.portions import portion
from wherry.controllers.revisions import POD_HASH, Subject, history, named, superfluous
from wherry.controllers.statefulset_pod import claim_keys, claims, new_pod, ordinal
from wherry.machinery.meta import Key, OwnerReference, key_of
from wherry.machinery.selectors import compile_selector, matches
from wherry.reconcile.actions import Action, Adopt, Create, Delete, Emit, Replace, Requeue
from wherry.reconcile.controller import Controller, Watch
from wherry.reconcile.ownership import claim, reference, strays
from wherry.reconcile.view import View

Step: TypeAlias = Generator[Action, None, bool]
"""Actions, and at last whether the next step may be taken."""


_HOPELESS = {"CrashLoopBackOff", "ImagePullBackOff", "ErrImagePull", "InvalidImageName", "CreateContainerConfigError"}


@dataclass(frozen=True, slots=True)
class State:
    """One StatefulSet with its pods by ordinal, and the revisions between which it moves."""

    s: StatefulSet
    pods: Mapping[int, Pod]
    current: ControllerRevision
    update: ControllerRevision
    now: float

    @property
    def first(self) -> int:
        """The lowest ordinal."""
        return self.s.spec.ordinals.start if self.s.spec.ordinals is not None else 0

    @property
    def members(self) -> range:
        """The ordinals there should be."""
        return range(self.first, self.first + wanted(self.s.spec.replicas))

    @property
    def ordered(self) -> bool:
        """One after the other?"""
        return self.s.spec.pod_management_policy != "Parallel"

    @property
    def partition(self) -> int:
        """Members below this ordinal keep the current revision."""
        rolling = self.s.spec.update_strategy.rolling_update
        return self.first + (rolling.partition or 0) if rolling is not None else self.first

    def healthy(self, pod: Pod) -> bool:
        """Running, available, and not on its way out."""
        return (
            pod.status.phase == "Running"
            and pod.metadata.deletion_timestamp is None
            and is_available(pod, self.s.spec.min_ready_seconds, self.now)
        )

    def is_stuck(self, number: int, pod: Pod) -> bool:
        """Of a revision that is wanted no more, and never going to work: it may go at once, or nothing ever moves."""
        if self.s.spec.update_strategy.type == "OnDelete" or pod.metadata.deletion_timestamp is not None:
            return False
        statuses = (*pod.status.init_container_statuses, *pod.status.container_statuses)
        waiting = (status.state.waiting for status in statuses if status.state.waiting is not None)
        hopeless = any(w.reason in _HOPELESS for w in waiting)
        return hopeless and pod.metadata.labels.get(POD_HASH) != self.revision_for(number).metadata.name

    def revision_for(self, number: int) -> ControllerRevision:
        """Of which revision a member that is made now has to be."""
        rolling = self.s.spec.update_strategy.type != "OnDelete"
        return self.current if rolling and number < self.partition else self.update


def plan(view: View, key: Key) -> Iterator[Action]:
    """One run for one StatefulSet."""
    s = view.get(STATEFULSET, key)
    if s is None:
        return
    found = claim(view, POD, s, STATEFULSET, compile_selector(s.spec.selector))
    yield from (a for a in found.actions if isinstance(a, Replace) or _is_member(s, a))
    pods = {number: pod for pod in found.ours if (number := ordinal(s, pod.metadata.name)) is not None}
    subject = Subject(
        STATEFULSET, s, s.spec.template, s.spec.selector, s.status.collision_count, s.spec.revision_history_limit
    )
    past = history(view, subject)
    current = named(view, key.namespace, s.status.current_revision) or past.update
    state = State(s, pods, current, past.update, view.now)
    if past.collided:
        status = replace(s.status, collision_count=(s.status.collision_count or 0) + 1)
        yield Replace(STATEFULSET, replace(s, status=status), subresource="status")
        return
    yield from past.actions
    if s.metadata.deletion_timestamp is None:
        yield from _retention(view, state)
        yield from _steps(view, state)
        live = {current.metadata.name, *(pod.metadata.labels.get(POD_HASH, "") for pod in pods.values())}
        yield from superfluous(past, live, s.spec.revision_history_limit)
    status = _status(state)
    if status != s.status:
        yield Replace(STATEFULSET, replace(s, status=status), subresource="status")
    if (wait := until_next_available(s.spec.min_ready_seconds, tuple(pods.values()), view.now)) is not None:
        yield Requeue(wait, "minReadySeconds")


def _is_member(s: StatefulSet, action: Action) -> bool:
    """Pods whose names are none of ours are never adopted."""
    return isinstance(action, Adopt) and ordinal(s, action.obj.metadata.name) is not None


# --- Steps ---


def _steps(view: View, state: State) -> Iterator[Action]:
    """Make what is missing, take what is too many, then update; in order, one step at a time."""
    done = yield from _make(view, state)
    if not done:
        return
    done = yield from _take(state)
    if done and state.s.spec.update_strategy.type != "OnDelete":
        yield from _update(state)


def _make(view: View, state: State) -> Step:
    """Missing and failed members. Returns whether the next kind of step may be taken."""
    for number in state.members:
        pod = state.pods.get(number)
        if pod is None:
            if not (yield from _create(view, state, number)) or state.ordered:
                return False
        elif is_terminal(pod) and pod.metadata.deletion_timestamp is None:
            s = state.s
            text = f"StatefulSet {s.metadata.namespace}/{s.metadata.name} is recreating failed Pod {pod.metadata.name}"
            yield Emit(s, "Warning", "RecreatingFailedPod", text)
            yield _delete(state, pod)
            if state.ordered:
                return False
        elif not state.healthy(pod):
            yield from _missing_claims(view, state, number)
            if state.is_stuck(number, pod):
                yield _delete(state, pod)
            if state.ordered:
                return False
    return True


def _create(view: View, state: State, number: int) -> Step:
    """A member and its claims; not while one of its claims is being deleted."""
    for at in claim_keys(state.s, number):
        found = view.get(PERSISTENTVOLUMECLAIM, at)
        if found is not None and found.metadata.deletion_timestamp is not None:
            return False
    yield from _missing_claims(view, state, number)
    s, name = state.s, f"{state.s.metadata.name}-{number}"
    yield Create(
        POD,
        new_pod(s, number, state.revision_for(number)),
        done=Emit(s, "Normal", "SuccessfulCreate", f"create Pod {name} in StatefulSet {s.metadata.name} successful"),
        failed=Emit(
            s, "Warning", "FailedCreate", f"create Pod {name} in StatefulSet {s.metadata.name} failed error: {{error}}"
        ),
    )
    return True


def _missing_claims(view: View, state: State, number: int) -> Iterator[Action]:
    s = state.s
    for made in claims(s, number):
        if view.get(PERSISTENTVOLUMECLAIM, key_of(made)) is None:
            what = f"create Claim {made.metadata.name} Pod {s.metadata.name}-{number} in StatefulSet {s.metadata.name}"
            yield Create(
                PERSISTENTVOLUMECLAIM,
                made,
                done=Emit(s, "Normal", "SuccessfulCreate", f"{what} success"),
                failed=Emit(s, "Warning", "FailedCreate", f"{what} failed error: {{error}}"),
            )


def _take(state: State) -> Step:
    """Members beyond the wanted ones, highest first. Returns whether there are none left."""
    condemned = sorted((n for n in state.pods if n not in state.members), reverse=True)
    ill = min((n for n, pod in state.pods.items() if not state.healthy(pod)), default=None)
    for number in condemned:
        pod = state.pods[number]
        if state.ordered and not state.healthy(pod) and number != ill:
            return False  # nobody goes while one before it is ill
        if pod.metadata.deletion_timestamp is None:
            yield _delete(state, pod)
        if state.ordered:
            return False
    return not condemned


def _update(state: State) -> Iterator[Action]:
    """Take old members, from the highest down to the partition; they come back with the new revision."""
    rolling = state.s.spec.update_strategy.rolling_update
    limit = portion(rolling.max_unavailable, len(state.members), up=True) if rolling is not None else 1
    targets = [n for n in reversed(state.members) if n >= state.partition and n in state.pods]
    unavailable = sum(not state.healthy(state.pods[n]) for n in targets)
    budget = max(1, limit) - unavailable
    for number in targets:
        pod = state.pods[number]
        old = pod.metadata.labels.get(POD_HASH) != state.update.metadata.name
        if not state.healthy(pod):
            if budget <= 0:
                return
        elif old:
            if budget <= 0:
                return
            budget -= 1
            yield _delete(state, pod)


def _delete(state: State, pod: Pod) -> Delete:
    s = state.s
    what = f"delete Pod {pod.metadata.name} in StatefulSet {s.metadata.name}"
    return Delete(
        POD,
        key_of(pod),
        pod.metadata.uid,
        done=Emit(s, "Normal", "SuccessfulDelete", f"{what} successful"),
        failed=Emit(s, "Warning", "FailedDelete", f"{what} failed error: {{error}}"),
    )


# --- Claims ---


def _retention(view: View, state: State) -> Iterator[Action]:
    """Owner references that make claims go with the set, or with a member that is scaled away."""
    policy = state.s.spec.persistent_volume_claim_retention_policy
    if policy is None:
        return
    with_set, with_member = policy.when_deleted == "Delete", policy.when_scaled == "Delete"
    numbers = [*state.members, *(n for n in state.pods if n not in state.members)]
    for number in numbers:
        pod = state.pods.get(number)
        condemned = number not in state.members
        for at in claim_keys(state.s, number):
            found = view.get(PERSISTENTVOLUMECLAIM, at)
            if found is None or found.metadata.deletion_timestamp is not None:
                continue
            refs = [r for r in found.metadata.owner_references if not _is_ours(state, r, pod)]
            if condemned and with_member and pod is not None:
                refs.append(_owner(reference(POD, pod)))
            elif with_set and not (condemned and with_member):
                refs.append(_owner(reference(STATEFULSET, state.s)))
            if tuple(refs) != found.metadata.owner_references:
                meta = replace(found.metadata, owner_references=tuple(refs))
                yield Replace(PERSISTENTVOLUMECLAIM, replace(found, metadata=meta))


def _owner(ref: OwnerReference) -> OwnerReference:
    return replace(ref, controller=None, block_owner_deletion=None) if ref.kind == "Pod" else ref


def _is_ours(state: State, ref: OwnerReference, pod: Pod | None) -> bool:
    member = pod is not None and ref.uid == pod.metadata.uid
    return member or ref.uid == state.s.metadata.uid or (ref.kind == "Pod" and ordinal(state.s, ref.name) is not None)


# --- Status ---


def _status(state: State) -> StatefulSetStatus:
    s, update = state.s, state.update.metadata.name
    pods = [pod for pod in state.pods.values() if not is_terminal(pod)]
    alive = [pod for pod in pods if pod.metadata.deletion_timestamp is None]
    ready = [pod for pod in alive if pod.status.phase == "Running" and is_ready(pod)]
    status = replace(
        s.status,
        observed_generation=s.metadata.generation,
        replicas=len(pods),
        ready_replicas=len(ready),
        available_replicas=sum(map(state.healthy, alive)),
        current_replicas=_of(alive, state.current.metadata.name),
        updated_replicas=_of(alive, update),
        current_revision=state.current.metadata.name,
        update_revision=update,
    )
    n = wanted(s.spec.replicas)
    complete = (status.updated_replicas, status.ready_replicas, status.replicas) == (n, n, n)
    if complete and s.spec.update_strategy.type != "OnDelete":
        status = replace(status, current_replicas=n, current_revision=update)
    return status


def _of(pods: Sequence[Pod], revision: str) -> int:
    return sum(pod.metadata.labels.get(POD_HASH) == revision for pod in pods)


# --- What wakes it ---


def _selects(s: StatefulSet, labels: Mapping[str, str]) -> bool:
    return matches(s.spec.selector, labels)


def _of_claim(view: View, found: PersistentVolumeClaim) -> Iterator[Key]:
    """The end of a claim lets a member be made."""
    for s in view.list(STATEFULSET, found.metadata.namespace):
        if any(
            found.metadata.name.startswith(f"{t.metadata.name}-{s.metadata.name}-")
            for t in s.spec.volume_claim_templates
        ):
            yield key_of(s)


CONTROLLER = Controller(
    "statefulset",
    STATEFULSET,
    plan,
    owns=(POD, CONTROLLERREVISION),
    watches=(strays(POD, STATEFULSET, _selects), Watch(PERSISTENTVOLUMECLAIM, _of_claim)),
)
