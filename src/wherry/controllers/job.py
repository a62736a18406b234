"""Job controller: run pods until enough of them have succeeded, or too many have failed.

Wakes on: Job; Pod (through controller reference, also of Jobs that are gone, and through selectors).
Writes:   Pod (create, delete, adopt, release, finalizer), Job/status, Job (delete after its time to live); Events
          SuccessfulCreate, FailedCreate, SuccessfulDelete, Completed, Suspended, Resumed, and the reason of a failure.
Upstream: https://kubernetes.io/docs/concepts/workloads/controllers/job/

Invariants (checked in tests/unit/controllers/test_job.py):
- active pods never exceed parallelism, nor what is left to complete;
- every finished pod is counted exactly once (see `job_tally`);
- Complete and Failed come only when no pod is active or terminating and all have been counted; before that,
  SuccessCriteriaMet or FailureTarget says what it will be; a finished Job never changes again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from functools import partial

from msgspec.structs import replace

from wherry.api.batch.job import JOB
from wherry.api.core.pod import POD, is_ready
from wherry.api.types.batch import Job, JobCondition, JobStatus
from wherry.api.types.core import Pod
from wherry.controllers.job_failure import delay, index_delay
from wherry.controllers.job_indexes import index_of, show
from wherry.controllers.job_pod import new_pod
from wherry.controllers.job_tally import FINALIZER, Tally, indexed, only_failed_are_replaced, tally
from wherry.controllers.job_verdict import Verdict, judge_job
from wherry.machinery import conditions
from wherry.machinery.meta import Key, controller_of, key_of
from wherry.machinery.selectors import matches
from wherry.machinery.time import seconds, time_at
from wherry.reconcile.actions import Action, Adopt, Create, Delete, Emit, Replace, Requeue
from wherry.reconcile.controller import Controller
from wherry.reconcile.ownership import claim, strays
from wherry.reconcile.view import Index, View

BURST = 500
OURS = "kubernetes.io/job-controller"


def plan(view: View, key: Key) -> Iterator[Action]:
    """One run for one Job."""
    job = view.get(JOB, key)
    for pod in view.indexed(_PODS, str(key)):  # pods of a Job that is no more
        ref = controller_of(pod)
        if FINALIZER in pod.metadata.finalizers and (job is None or (ref and ref.uid != job.metadata.uid)):
            yield _released(pod)
    if job is None or (job.spec.managed_by or OURS) != OURS:
        return
    if is_finished(job):
        yield from (_released(pod) for pod in view.owned(POD, job) if FINALIZER in pod.metadata.finalizers)
        yield from _expire(job, view.now)
        return
    claimed = claim(view, POD, job, JOB, partial(_selects, job))
    yield from map(_untracked, claimed.actions)
    if any(isinstance(action, Adopt) for action in claimed.actions):
        return  # who is there is counted before anybody is made
    yield from (_tracked(pod) for pod in claimed.ours if _is_stray(pod))
    found = tally(job, claimed.ours)
    verdict = judge_job(found, view.now)
    if verdict is not None:
        yield from _remove(job, found.active)
    elif job.metadata.deletion_timestamp is None:
        yield from _suspend(job, found) if job.spec.suspend else _run(job, found, view.now)
    yield from (_released(pod) for pod in found.release)
    yield from _report(job, found, verdict, view.now)
    if job.spec.active_deadline_seconds is not None and job.status.start_time and not job.spec.suspend:
        left = seconds(job.status.start_time) + job.spec.active_deadline_seconds - view.now
        if left > 0:
            yield Requeue(left, "activeDeadlineSeconds")


def is_finished(job: Job) -> bool:
    """Complete or Failed."""
    return any(conditions.is_true(job.status.conditions, kind) for kind in ("Complete", "Failed"))


# --- Pods ---


def _selects(job: Job, labels: Mapping[str, str]) -> bool:
    return job.spec.selector is not None and matches(job.spec.selector, labels)


def _untracked(action: Action) -> Action:
    """A pod that is let go is not counted any more either."""
    if not isinstance(action, Replace):
        return action
    meta = action.obj.metadata
    kept = tuple(name for name in meta.finalizers if name != FINALIZER)
    return dataclasses.replace(action, obj=replace(action.obj, metadata=replace(meta, finalizers=kept)))


def _is_stray(pod: Pod) -> bool:
    """Adopted, and not marked to be counted yet."""
    meta = pod.metadata
    alive = pod.status.phase not in ("Succeeded", "Failed") and meta.deletion_timestamp is None
    return alive and FINALIZER not in meta.finalizers


def _tracked(pod: Pod) -> Replace:
    meta = pod.metadata
    return Replace(POD, replace(pod, metadata=replace(meta, finalizers=(*meta.finalizers, FINALIZER))))


def _run(job: Job, found: Tally, now: float) -> Iterator[Action]:
    """As many active pods as may work now."""
    wanted = _wanted(job, found)
    excess = len(found.active) - wanted
    if excess > 0:
        worth = sorted(found.active, key=lambda p: (is_ready(p), p.status.phase == "Running", _age(p, now)))
        yield from _drop(job, worth[:excess])
        return
    missing = wanted - len(found.active)
    if only_failed_are_replaced(job):
        missing -= len(found.terminating)
    if missing <= 0:
        return
    if indexed(job):
        yield from _make_indexed(job, found, min(missing, BURST), now)
    elif (wait := delay(found.bad, found.good, now)) > 0:
        yield Requeue(wait, "back-off after failures")
    else:
        yield from (_create(job, None, 0) for _ in range(min(missing, BURST)))


def _wanted(job: Job, found: Tally) -> int:
    parallelism = 1 if job.spec.parallelism is None else job.spec.parallelism
    if job.spec.completions is None:
        return min(len(found.active), parallelism) if found.all_succeeded else parallelism
    return max(0, min(parallelism, job.spec.completions - found.all_succeeded - len(found.given_up)))


def _make_indexed(job: Job, found: Tally, missing: int, now: float) -> Iterator[Action]:
    busy = {index_of(pod) for pod in found.active}
    if only_failed_are_replaced(job):
        busy |= {index_of(pod) for pod in found.terminating}
    per_index = job.spec.backoff_limit_per_index is not None
    if not per_index and (wait := delay(found.bad, found.good, now)) > 0:
        yield Requeue(wait, "back-off after failures")
        return
    for index in range(job.spec.completions or 0):
        if missing == 0:
            return
        if index in busy or index in found.done or index in found.given_up:
            continue
        failures = found.failures.get(index, 0)
        wait = index_delay((p for p in found.bad if index_of(p) == index), failures, now) if per_index else 0.0
        if wait > 0:
            yield Requeue(wait, "back-off of an index")
            continue
        missing -= 1
        yield _create(job, index, failures)


def _create(job: Job, index: int | None, failures: int) -> Create:
    return Create(
        POD,
        new_pod(job, index, failures),
        done=Emit(job, "Normal", "SuccessfulCreate", "Created pod: {name}"),
        failed=Emit(job, "Warning", "FailedCreate", "Error creating: {error}"),
    )


def _suspend(job: Job, found: Tally) -> Iterator[Action]:
    yield from _drop(job, found.active)


def _drop(job: Job, pods: list[Pod]) -> Iterator[Action]:
    """Delete pods that count neither as success nor as failure."""
    yield from (_released(pod) for pod in pods if FINALIZER in pod.metadata.finalizers)
    yield from _remove(job, pods)


def _remove(job: Job, pods: list[Pod]) -> Iterator[Action]:
    for pod in pods:
        yield Delete(
            POD,
            key_of(pod),
            pod.metadata.uid,
            done=Emit(job, "Normal", "SuccessfulDelete", "Deleted pod: {name}"),
            failed=Emit(job, "Warning", "FailedDelete", "Error deleting: {error}"),
        )


def _released(pod: Pod) -> Replace:
    kept = tuple(name for name in pod.metadata.finalizers if name != FINALIZER)
    return Replace(POD, replace(pod, metadata=replace(pod.metadata, finalizers=kept)))


def _age(pod: Pod, now: float) -> float:
    created = pod.metadata.creation_timestamp
    return now - seconds(created) if created else 0.0


# --- Status ---


def _report(job: Job, found: Tally, verdict: Verdict | None, now: float) -> Iterator[Action]:
    old, moment = job.status, time_at(now)
    status = replace(
        old,
        active=len(found.active),
        ready=sum(map(is_ready, found.active)),
        terminating=len(found.terminating),
        succeeded=found.succeeded,
        failed=found.failed,
        uncounted_terminated_pods=found.uncounted,
        start_time=old.start_time or (None if job.spec.suspend else moment),
    )
    if indexed(job):
        given_up = show(found.given_up) if job.spec.backoff_limit_per_index is not None else None
        status = replace(status, completed_indexes=show(found.done), failed_indexes=given_up)
    if verdict is None:
        status, events = _suspended(job, status, now)
        yield from events
    else:
        status = _put(status, verdict.interim, verdict, now)
        if not found.active and not found.terminating and found.settled:
            status = _put(status, verdict.final, verdict, now)
            if verdict.final == "Complete":
                status = replace(status, completion_time=moment)
    if status != old:
        yield Replace(JOB, replace(job, status=status), subresource="status")
    if verdict is not None and conditions.is_true(status.conditions, verdict.final):
        if verdict.final == "Complete":
            yield Emit(job, "Normal", "Completed", "Job completed")
        else:
            yield Emit(job, "Warning", verdict.reason, verdict.message)


def _suspended(job: Job, status: JobStatus, now: float) -> tuple[JobStatus, tuple[Emit, ...]]:
    was = conditions.is_true(status.conditions, "Suspended")
    if job.spec.suspend and not was:
        found = JobCondition(type="Suspended", status="True", reason="JobSuspended", message="Job suspended")
        status = replace(status, conditions=_dated(status, found, now), start_time=None)
        return status, (Emit(job, "Normal", "Suspended", "Job suspended"),)
    if not job.spec.suspend and was:
        found = JobCondition(type="Suspended", status="False", reason="JobResumed", message="Job resumed")
        status = replace(status, conditions=_dated(status, found, now), start_time=time_at(now))
        return status, (Emit(job, "Normal", "Resumed", "Job resumed"),)
    return status, ()


def _put(status: JobStatus, kind: str, verdict: Verdict, now: float) -> JobStatus:
    wanted = JobCondition(type=kind, status="True", reason=verdict.reason, message=verdict.message)
    if conditions.is_true(status.conditions, kind):
        return status
    return replace(status, conditions=_dated(status, wanted, now))


def _dated(status: JobStatus, wanted: JobCondition, now: float) -> tuple[JobCondition, ...]:
    moment = time_at(now)
    return conditions.put(status.conditions, replace(wanted, last_probe_time=moment), moment)


def _expire(job: Job, now: float) -> Iterator[Action]:
    """ttlSecondsAfterFinished."""
    ttl = job.spec.ttl_seconds_after_finished
    if ttl is None or job.metadata.deletion_timestamp is not None:
        return
    ends = [c.last_transition_time for c in job.status.conditions if c.type in ("Complete", "Failed")]
    end = next((seconds(at) for at in ends if at), now)
    if end + ttl <= now:
        yield Delete(JOB, key_of(job), job.metadata.uid, propagation="Foreground")
    else:
        yield Requeue(end + ttl - now, "ttlSecondsAfterFinished")


# --- What wakes it ---


def _job_name(pod: Pod) -> Iterator[str]:
    ref = controller_of(pod)
    if ref is not None and ref.kind == JOB.kind:
        yield str(Key(pod.metadata.namespace, ref.name))


_PODS = Index(POD, _job_name)


CONTROLLER = Controller("job", JOB, plan, owns=(POD,), watches=(strays(POD, JOB, _selects),))
