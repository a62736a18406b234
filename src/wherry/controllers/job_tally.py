"""Tally: counting a Job's finished pods exactly once, whatever is deleted or restarted in between.

Every pod carries the finalizer `batch.kubernetes.io/job-tracking`. A finished one is first written into
status.uncountedTerminatedPods (or, indexed and successful, into completedIndexes); then its finalizer goes; then it
moves from the list to the counter. Each step is a write of its own that has been seen before the next is planned.
https://kubernetes.io/docs/concepts/workloads/controllers/job/#job-tracking-with-finalizers
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from wherry.api.types.batch import Job, UncountedTerminatedPods
from wherry.api.types.core import Pod
from wherry.controllers.job_failure import failed_by_policy, index_failures, judge
from wherry.controllers.job_indexes import index_of, parse

FINALIZER = "batch.kubernetes.io/job-tracking"
MAX_UNCOUNTED = 500


@dataclass(slots=True)
class Tally:
    """What is known of a Job's pods."""

    job: Job
    active: list[Pod] = field(default_factory=list)
    terminating: list[Pod] = field(default_factory=list)
    good: list[Pod] = field(default_factory=list)
    bad: list[Pod] = field(default_factory=list)
    succeeded: int = 0
    failed: int = 0
    uncounted: UncountedTerminatedPods = field(default_factory=UncountedTerminatedPods)
    release: list[Pod] = field(default_factory=list)  # their finalizer may go
    done: frozenset[int] = frozenset()  # indexes
    given_up: frozenset[int] = frozenset()  # indexes
    failures: dict[int, int] = field(default_factory=dict)  # by index

    @property
    def all_succeeded(self) -> int:
        """Counted or about to be."""
        return len(self.done) if indexed(self.job) else self.succeeded + len(self.uncounted.succeeded)

    @property
    def all_failed(self) -> int:
        """Counted or about to be."""
        return self.failed + len(self.uncounted.failed)

    @property
    def settled(self) -> bool:
        """Nothing is left to count."""
        return not self.uncounted.succeeded and not self.uncounted.failed and not self.release


def indexed(job: Job) -> bool:
    """completionMode Indexed."""
    return job.spec.completion_mode == "Indexed"


def only_failed_are_replaced(job: Job) -> bool:
    """A terminating pod is waited for, and only counts when it has ended."""
    return job.spec.pod_replacement_policy == "Failed"


def tally(job: Job, pods: Sequence[Pod]) -> Tally:
    """Count."""
    found = Tally(job, succeeded=job.status.succeeded, failed=job.status.failed)
    for pod in pods:
        _sort(found, pod)
    if indexed(job):
        _by_index(found)
    _count(found)
    return found


def _sort(found: Tally, pod: Pod) -> None:
    phase, dying = pod.status.phase, pod.metadata.deletion_timestamp is not None
    if phase == "Succeeded":
        found.good.append(pod)
    elif phase == "Failed":
        found.bad.append(pod)
    elif dying:
        found.terminating.append(pod)
        if not only_failed_are_replaced(found.job) and FINALIZER in pod.metadata.finalizers:
            found.bad.append(pod)
    else:
        found.active.append(pod)


def _by_index(found: Tally) -> None:
    job = found.job
    completions = job.spec.completions or 0
    new = (index for pod in found.good if (index := index_of(pod)) is not None and index < completions)
    found.done = parse(job.status.completed_indexes, completions) | frozenset(new)
    if job.spec.backoff_limit_per_index is not None:
        found.failures = index_failures(job, found.bad)
        limit = job.spec.backoff_limit_per_index
        over = (index for index, count in found.failures.items() if count > limit)
        lost = parse(job.status.failed_indexes, completions) | {*over, *failed_by_policy(job, found.bad)}
        found.given_up = frozenset(lost) - found.done


def _count(found: Tally) -> None:
    """Move uids along: new ones onto the lists, released ones into the counters."""
    before = found.job.status.uncounted_terminated_pods or UncountedTerminatedPods()
    good = [pod for pod in found.good if FINALIZER in pod.metadata.finalizers]
    bad = [pod for pod in found.bad if FINALIZER in pod.metadata.finalizers]
    waiting_good = _waiting(before.succeeded, good)
    waiting_bad = _waiting(before.failed, bad)
    found.failed += len(before.failed) - len(waiting_bad)
    room = MAX_UNCOUNTED - len(waiting_good) - len(waiting_bad)
    ignored = [pod for pod in bad if judge(found.job, pod).action == "Ignore"]
    found.release += [pod for pod in bad if pod in ignored or pod.metadata.uid in waiting_bad]
    new_bad = [p.metadata.uid for p in bad if p not in ignored and p.metadata.uid not in waiting_bad][:room]
    if indexed(found.job):
        found.succeeded = len(found.done)
        counted = parse(found.job.status.completed_indexes, found.job.spec.completions or 0)
        found.release += [pod for pod in good if index_of(pod) in counted or index_of(pod) not in found.done]
        new_good: list[str] = []
    else:
        found.succeeded += len(before.succeeded) - len(waiting_good)
        found.release += [pod for pod in good if pod.metadata.uid in waiting_good]
        new_good = [p.metadata.uid for p in good if p.metadata.uid not in waiting_good][: room - len(new_bad)]
    found.uncounted = UncountedTerminatedPods(succeeded=(*waiting_good, *new_good), failed=(*waiting_bad, *new_bad))


def _waiting(listed: Sequence[str], marked: Sequence[Pod]) -> list[str]:
    """Those on the list whose finalizer has not gone yet."""
    uids = {pod.metadata.uid for pod in marked}
    return [uid for uid in listed if uid in uids]
