"""batch/v1 CronJob: what the API adds to its schema (`wherry.api.types.batch`)."""

from __future__ import annotations

from wherry.api.declare import declare
from wherry.api.types.batch import CronJob

CRONJOB = declare(CronJob)
