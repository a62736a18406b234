"""batch/v1 CronJob: what the API adds to its schema (`wherry.api.types.batch`)."""

from __future__ import annotations

from wherry.api.columns import AGE, boolean, workload_columns
from wherry.api.declare import declare
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

CRONJOB = declare(CronJob, columns=COLUMNS)
