"""batch/v1 Job: what the API adds to its schema (`wherry.api.types.batch`)."""

from __future__ import annotations

from wherry.api.columns import AGE, workload_columns
from wherry.api.declare import declare
from wherry.api.types.batch import Job
from wherry.machinery.conditions import is_true
from wherry.machinery.resource import Column
from wherry.machinery.table import duration
from wherry.machinery.time import seconds


def state(job: Job) -> str:
    """One word for where the Job stands."""
    for finished in ("Complete", "Failed"):
        if is_true(job.status.conditions, finished):
            return finished
    if job.metadata.deletion_timestamp is not None:
        return "Terminating"
    pending = (c for c in ("Suspended", "FailureTarget", "SuccessCriteriaMet") if is_true(job.status.conditions, c))
    return next(pending, "Running")


def _completions(job: Job, _: float) -> str:
    done, parallelism = job.status.succeeded, job.spec.parallelism or 0
    if job.spec.completions is not None:
        return f"{done}/{job.spec.completions}"
    return f"{done}/1 of {parallelism}" if parallelism > 1 else f"{done}/1"


def _duration(job: Job, now: float) -> str:
    if job.status.start_time is None:
        return ""
    end = seconds(job.status.completion_time) if job.status.completion_time else now
    return duration(end - seconds(job.status.start_time))


COLUMNS: tuple[Column[Job], ...] = (
    Column("Status", lambda job, _: state(job)),
    Column("Completions", _completions),
    Column("Duration", _duration),
    AGE,
    *workload_columns(lambda job: job.spec.template, lambda job: job.spec.selector),
)

JOB = declare(Job, columns=COLUMNS, fields={"status.successful": lambda job: str(job.status.succeeded)})
