"""batch/v1 CronJob: what the API adds to its schema (`wherry.api.types.batch`)."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from wherry.api.batch.job import default_template_of, spec_warnings
from wherry.api.batch.job_validation import job_spec, not_selected
from wherry.api.batch.schedule import parse, zone
from wherry.api.checks import Errors, nonnegative, one_of
from wherry.api.columns import AGE, boolean, workload_columns
from wherry.api.core.pod_warnings import name_warning
from wherry.api.declare import declare
from wherry.api.defaulting import fill, within
from wherry.api.types.batch import CronJob
from wherry.machinery.resource import Column
from wherry.machinery.table import age
from wherry.machinery.validation import invalid, required

COLUMNS: tuple[Column[CronJob], ...] = (
    Column("Schedule", lambda c, _: c.spec.schedule),
    Column("Timezone", lambda c, _: "<none>" if c.spec.time_zone is None else c.spec.time_zone),
    Column("Suspend", lambda c, _: boolean(c.spec.suspend), type="boolean"),
    Column("Active", lambda c, _: len(c.status.active), type="integer"),
    Column(
        "Last Schedule",
        lambda c, now: age(c.status.last_schedule_time, now) if c.status.last_schedule_time else "<none>",
    ),
    AGE,
    *workload_columns(lambda c: c.spec.job_template.spec.template, lambda c: c.spec.job_template.spec.selector),
)


def default(cron: CronJob) -> CronJob:
    """Runs may overlap; the last three successes and the last failure are kept."""
    spec = fill(
        cron.spec,
        concurrency_policy="Allow",
        suspend=False,
        successful_jobs_history_limit=3,
        failed_jobs_history_limit=1,
    )
    return replace(cron, spec=within(spec, job_template=lambda t: within(t, spec=default_template_of)))


def validate(new: CronJob, old: CronJob | None) -> Errors:
    """A schedule that can be read, in a time zone that exists, of Jobs that can be made."""
    spec = new.spec
    if spec.schedule:
        yield from _schedule("spec.schedule", spec.schedule, spec.time_zone, old.spec.schedule if old else "")
    else:
        yield required("spec.schedule")
    yield from nonnegative("spec.startingDeadlineSeconds", spec.starting_deadline_seconds)
    if old is None or old.spec.time_zone != spec.time_zone:
        yield from _zone("spec.timeZone", spec.time_zone)
    yield from one_of("spec.concurrencyPolicy", spec.concurrency_policy, ("Allow", "Forbid", "Replace"))
    yield from job_spec("spec.jobTemplate.spec", spec.job_template.spec)
    yield from not_selected("spec.jobTemplate.spec", spec.job_template.spec)
    yield from nonnegative("spec.successfulJobsHistoryLimit", spec.successful_jobs_history_limit)
    yield from nonnegative("spec.failedJobsHistoryLimit", spec.failed_jobs_history_limit)
    if old is None and len(new.metadata.name) > 52:
        yield invalid("metadata.name", new.metadata.name, "must be no more than 52 characters")


def _schedule(path: str, text: str, zone_name: str | None, before: str) -> Errors:
    own_zone = text.startswith(("TZ=", "CRON_TZ="))
    try:
        parse(text.partition(" ")[2] if own_zone else text)
    except ValueError as problem:
        yield invalid(path, text, str(problem))
    if "TZ" not in text:
        return
    if "TZ" not in before:
        yield invalid(path, text, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead")
    elif zone_name is not None:
        yield invalid(path, text, "cannot use both timeZone field and TZ or CRON_TZ in schedule")


def _zone(path: str, name: str | None) -> Errors:
    if name is None:
        return
    if not name:
        yield invalid(path, name, "timeZone must be nil or non-empty string")
        return
    if name.lower() == "local":
        why = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        yield invalid(path, name, why)
        return
    try:
        zone(name)
    except ValueError as problem:
        yield invalid(path, name, str(problem))


def warn(new: CronJob, old: CronJob | None) -> Iterator[str]:
    """Names that make poor host names, and what is odd about the template."""
    if old is None:
        yield from name_warning(new.metadata.name)
    if old is None or old.spec != new.spec:
        yield from spec_warnings(
            "spec.jobTemplate.spec", new.spec.job_template.spec, old.spec.job_template.spec if old else None
        )


CRONJOB = declare(CronJob, columns=COLUMNS, default=default, validate=validate, warn=warn)
