"""CronJob controller: make a Job whenever its schedule says so.

Wakes on: CronJob; Job (through controller reference); time.
Writes:   Job (create, delete beyond the history limits or when replaced), CronJob/status; Events SuccessfulCreate,
          FailedCreate, SuccessfulDelete, SawCompletedJob, MissingJob, UnexpectedJob, MissSchedule, JobAlreadyActive,
          TooManyMissedTimes, UnknownTimeZone, UnparseableSchedule.
Upstream: https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/

Invariants (checked in tests/unit/controllers/test_cronjob.py):
- one scheduled time makes at most one Job: its name is made of the time;
- of several missed times only the last one is made up for, and only within startingDeadlineSeconds;
- Forbid never has two active Jobs of the CronJob; Replace deletes the old one first.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from typing import TypeAlias

from msgspec.structs import replace

from wherry.api.batch.cronjob import CRONJOB
from wherry.api.batch.job import JOB
from wherry.api.batch.schedule import Schedule, parse, zone
from wherry.api.types.batch import CronJob, CronJobStatus, Job
from wherry.api.types.core import ObjectReference
from wherry.machinery import conditions
from wherry.machinery.meta import Key, ObjectMeta, key_of
from wherry.machinery.time import seconds, time_at
from wherry.reconcile.actions import Action, Create, Delete, Emit, Replace, Requeue
from wherry.reconcile.controller import Controller
from wherry.reconcile.ownership import reference
from wherry.reconcile.view import View

SCHEDULED_AT = "batch.kubernetes.io/cronjob-scheduled-timestamp"
Rewritten: TypeAlias = Generator[Action, None, CronJobStatus]
"""Actions, and at last the status as it has to be written."""

TOO_MANY = 100
"""Missed times beyond which users are told to look at their clocks."""


def plan(view: View, key: Key) -> Iterator[Action]:
    """One run for one CronJob."""
    cron = view.get(CRONJOB, key)
    if cron is None:
        return
    jobs = sorted(view.owned(JOB, cron), key=lambda job: (_start(job), job.metadata.name))
    status, said = _status(cron, jobs)
    yield from said
    if cron.metadata.deletion_timestamp is None:
        yield from _tidy(cron, jobs)
        status = yield from _start_next(cron, jobs, status, view.now)
    if status != cron.status:
        yield Replace(CRONJOB, replace(cron, status=status), subresource="status")


def outcome(job: Job) -> str:
    """Complete, Failed, or "" while it runs."""
    return next((kind for kind in ("Complete", "Failed") if conditions.is_true(job.status.conditions, kind)), "")


# --- What is there ---


def _status(cron: CronJob, jobs: Sequence[Job]) -> tuple[CronJobStatus, list[Emit]]:
    """The status by the Jobs there are, and what users should hear about the difference."""
    said: list[Emit] = []
    running = {job.metadata.uid: job for job in jobs if not outcome(job)}
    ended = {job.metadata.uid: job for job in jobs if outcome(job)}
    known = {ref.uid for ref in cron.status.active}
    last = cron.status.last_successful_time or ""
    for ref in cron.status.active:
        if ref.uid in ended:
            job = ended[ref.uid]
            text = f"Saw completed job: {ref.name}, condition: {outcome(job)}"
            said.append(Emit(cron, "Normal", "SawCompletedJob", text))
        elif ref.uid not in running:
            said.append(Emit(cron, "Normal", "MissingJob", f"Active job went missing: {ref.name}"))
    last = max([last, *(job.status.completion_time or "" for job in ended.values() if outcome(job) == "Complete")])
    for job in running.values():
        if job.metadata.uid not in known and not _is_ours(cron, job):
            text = f"Saw a job that the controller did not create or forgot: {job.metadata.name}"
            said.append(Emit(cron, "Warning", "UnexpectedJob", text))
    active = tuple(_reference(job) for job in running.values() if job.metadata.uid in known or _is_ours(cron, job))
    moment = time_at(seconds(last)) if last else None
    return replace(cron.status, active=active, last_successful_time=moment), said


def _is_ours(cron: CronJob, job: Job) -> bool:
    return job.metadata.name.startswith(f"{cron.metadata.name}-") and SCHEDULED_AT in job.metadata.annotations


def _reference(job: Job) -> ObjectReference:
    meta = job.metadata
    return ObjectReference(
        api_version=JOB.api_version, kind=JOB.kind, namespace=meta.namespace, name=meta.name, uid=meta.uid,
        resource_version="",
    )  # fmt: skip


def _start(job: Job) -> str:
    return job.status.start_time or job.metadata.creation_timestamp or ""


def _tidy(cron: CronJob, jobs: Sequence[Job]) -> Iterator[Action]:
    """Delete finished Jobs beyond the history limits, oldest first."""
    for kind, limit in (
        ("Complete", cron.spec.successful_jobs_history_limit),
        ("Failed", cron.spec.failed_jobs_history_limit),
    ):
        ended = [job for job in jobs if outcome(job) == kind and job.metadata.deletion_timestamp is None]
        if limit is not None:
            yield from (_delete(cron, job) for job in ended[: max(0, len(ended) - limit)])


def _delete(cron: CronJob, job: Job) -> Delete:
    return Delete(
        JOB,
        key_of(job),
        job.metadata.uid,
        propagation="Background",
        done=Emit(cron, "Normal", "SuccessfulDelete", "Deleted job {name}"),
        failed=Emit(cron, "Warning", "FailedDelete", "Deleted job: {error}"),
    )


# --- What comes next ---


def _start_next(cron: CronJob, jobs: Sequence[Job], status: CronJobStatus, now: float) -> Rewritten:
    """The Job that is due, if one is; and when to look again. Returns the status with it."""
    if cron.spec.suspend:
        return status
    try:
        place = zone(cron.spec.time_zone) if cron.spec.time_zone else UTC
    except ValueError as error:
        text = f'invalid timeZone: "{cron.spec.time_zone}": {error}'
        yield Emit(cron, "Warning", "UnknownTimeZone", text)
        return status
    try:
        schedule = parse(cron.spec.schedule)
    except ValueError as error:
        text = f'unparseable schedule: "{cron.spec.schedule}" : {error}'
        yield Emit(cron, "Warning", "UnparseableSchedule", text)
        return status
    due, missed = due_time(cron, schedule, place, now)
    if missed > TOO_MANY:
        text = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
        yield Emit(cron, "Warning", "TooManyMissedTimes", text)
    following = schedule.next(now, place)
    if following is not None:
        yield Requeue(following - now + 0.1, "schedule")
    if due is None or cron.status.last_schedule_time == time_at(due):
        return status
    return (yield from _due(cron, jobs, status, due, place, now))


def _due(cron: CronJob, jobs: Sequence[Job], status: CronJobStatus, due: float, place: tzinfo, now: float) -> Rewritten:
    """Make the Job of the time `due`, unless something stands against it."""
    deadline = cron.spec.starting_deadline_seconds
    if deadline is not None and due + deadline < now:
        moment = datetime.fromtimestamp(due, UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")
        yield Emit(cron, "Warning", "MissSchedule", f"Missed scheduled time to start a job: {moment}")
        return status
    name = f"{cron.metadata.name}-{int(due) // 60}"
    if any(job.metadata.name == name for job in jobs):  # made before, but the status was not written
        return replace(status, last_schedule_time=time_at(due))
    if cron.spec.concurrency_policy == "Forbid" and status.active:
        text = "Not starting job because prior execution is running and concurrency policy is Forbid"
        yield Emit(cron, "Normal", "JobAlreadyActive", text)
        return status
    if cron.spec.concurrency_policy == "Replace":
        uids = {ref.uid for ref in status.active}
        yield from (_delete(cron, job) for job in jobs if job.metadata.uid in uids)
        status = replace(status, active=())
    template = cron.spec.job_template
    scheduled = datetime.fromtimestamp(due, place).isoformat().replace("+00:00", "Z")
    meta = ObjectMeta(
        name=name,
        namespace=cron.metadata.namespace,
        labels=template.metadata.labels,
        annotations={**template.metadata.annotations, SCHEDULED_AT: scheduled},
        owner_references=(reference(CRONJOB, cron),),
    )
    yield Create(
        JOB,
        Job(metadata=meta, spec=template.spec),
        done=Emit(cron, "Normal", "SuccessfulCreate", "Created job {name}"),
        failed=Emit(cron, "Warning", "FailedCreate", "Error creating job: {error}"),
    )
    return status


def due_time(cron: CronJob, schedule: Schedule, place: tzinfo, now: float) -> tuple[float | None, int]:
    """(the last scheduled time that has passed and not been served, how many have been missed, roughly)."""
    since = cron.status.last_schedule_time or cron.metadata.creation_timestamp
    earliest = seconds(since) if since else now
    if cron.spec.starting_deadline_seconds is not None:
        earliest = max(earliest, now - cron.spec.starting_deadline_seconds)
    first = schedule.next(earliest, place)
    if first is None or first > now:
        return None, 0
    second = schedule.next(first, place)
    if second is None or second > now:
        return first, 0
    between = max(1.0, second - first)
    missed = int((now - first) // between) + 1
    # Start the search close to now; steps differ in length, so go back by two of them.
    latest = first
    moment = schedule.next(max(first - 1, first + (missed - 2) * between), place)
    while moment is not None and moment <= now:
        latest, moment = moment, schedule.next(moment, place)
    return latest, missed


CONTROLLER = Controller("cronjob", CRONJOB, plan, owns=(JOB,))
