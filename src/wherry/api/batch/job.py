"""batch/v1 Job: what the API adds to its schema (`wherry.api.types.batch`)."""

from __future__ import annotations

from wherry.api.declare import declare
from wherry.api.types.batch import Job

JOB = declare(Job)
