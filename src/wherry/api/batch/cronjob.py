"""batch/v1 CronJob: what the API adds to its schema (`wherry.api.types.batch`)."""

from __future__ import annotations

from msgspec.structs import replace

from wherry.api.batch.job import default_template_of
from wherry.api.columns import AGE, boolean, workload_columns
from wherry.api.declare import declare
from wherry.api.defaulting import fill, within
from wherry.api.types.batch import CronJob
from wherry.machinery.resource import Column
from wherry.machinery.table import age

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


CRONJOB = declare(CronJob, columns=COLUMNS, default=default)
