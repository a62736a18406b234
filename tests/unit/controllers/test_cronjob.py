"""The CronJob plan as time goes by."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from tests.support.view import FakeView
from wherry.api.batch.cronjob import CRONJOB
from wherry.api.batch.job import JOB
from wherry.api.types.batch import CronJob, CronJobSpec, Job, JobCondition, JobSpec, JobTemplateSpec
from wherry.controllers.cronjob import plan
from wherry.machinery.meta import Key, ObjectMeta
from wherry.machinery.time import time_at

TICK = Key("default", "tick")
MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC).timestamp()


def world(schedule: str = "*/10 * * * *", **spec: Any) -> FakeView:
    made = CronJob(
        metadata=ObjectMeta(name="tick", namespace="default", uid="c-1", creation_timestamp=time_at(MIDNIGHT)),
        spec=CronJobSpec(schedule=schedule, job_template=JobTemplateSpec(spec=JobSpec()), **spec),
    )
    return FakeView(now=MIDNIGHT).put(CRONJOB, CRONJOB.default(made))


def at(view: FakeView, minutes: float) -> list[str]:
    """Let it work at this time; returns the names of running Jobs."""
    view.now = MIDNIGHT + minutes * 60
    view.settle(plan, TICK)
    return sorted(job.metadata.name for job in view.list(JOB) if not job.status.conditions)


def finish(view: FakeView, name: str, kind: str = "Complete") -> None:
    job = view.get(JOB, Key("default", name))
    assert job is not None
    done = (JobCondition(type=kind, status="True"),)
    status = replace(job.status, conditions=done, completion_time=time_at(view.now), start_time=time_at(view.now))
    view.put(JOB, replace(job, status=status))


def name(minutes: int) -> str:
    return f"tick-{int(MIDNIGHT) // 60 + minutes}"


def get(view: FakeView) -> CronJob:
    found = view.get(CRONJOB, TICK)
    assert found is not None
    return found


def test_makes_a_job_when_it_is_time() -> None:
    view = world()
    assert at(view, 9.9) == []
    assert at(view, 10) == [name(10)]
    (job,) = view.list(JOB)
    assert job.metadata.annotations["batch.kubernetes.io/cronjob-scheduled-timestamp"] == "2026-03-01T00:10:00Z"
    status = get(view).status
    assert status.last_schedule_time == time_at(MIDNIGHT + 600)
    assert [ref.name for ref in status.active] == [name(10)]
    assert at(view, 11) == [name(10)]


def test_makes_up_only_for_the_last_missed_time() -> None:
    view = world()
    assert at(view, 95) == [name(90)]


def test_is_too_late_after_the_deadline() -> None:
    view = world("0 * * * *", starting_deadline_seconds=60)
    assert at(view, 62) == []
    assert at(view, 120.5) == [name(120)]


@pytest.mark.parametrize(("policy", "expected"), [("Allow", [10, 20]), ("Forbid", [10]), ("Replace", [20])], ids=str)
def test_concurrency(policy: str, expected: list[int]) -> None:
    view = world(concurrency_policy=policy)
    at(view, 10)
    assert at(view, 20) == [name(n) for n in expected]


def test_forbidden_time_is_made_up_for_when_the_job_ends() -> None:
    view = world(concurrency_policy="Forbid")
    at(view, 10)
    at(view, 20)
    finish(view, name(10))
    assert at(view, 23) == [name(20)]


def test_suspended() -> None:
    view = world(suspend=True)
    assert at(view, 60) == []


def test_keeps_a_short_history() -> None:
    view = world(successful_jobs_history_limit=2, failed_jobs_history_limit=1)
    for n in range(1, 8):
        at(view, n * 10)
        finish(view, name(n * 10), "Failed" if n % 2 else "Complete")
    at(view, 75)
    kept = sorted(job.metadata.name for job in view.list(JOB))
    assert kept == [name(40), name(60), name(70)]
    assert get(view).status.last_successful_time == time_at(MIDNIGHT + 3600)
    assert get(view).status.active == ()


def test_time_zone() -> None:
    view = world("30 9 * * *", time_zone="Asia/Tokyo")  # 00:30 in UTC
    assert at(view, 29) == []
    assert at(view, 30) == [name(30)]


def test_restart_before_the_status_was_written_makes_no_second_job() -> None:
    view = world()
    at(view, 10)
    view.put(CRONJOB, replace(get(view), status=replace(get(view).status, last_schedule_time=None, active=())))
    assert at(view, 11) == [name(10)]
    assert get(view).status.last_schedule_time == time_at(MIDNIGHT + 600)


def test_the_template_is_passed_on() -> None:
    view = world()
    labelled = JobTemplateSpec(metadata=ObjectMeta(labels={"a": "b"}), spec=JobSpec(parallelism=3))
    view.put(CRONJOB, CRONJOB.default(replace(get(view), spec=replace(get(view).spec, job_template=labelled))))
    at(view, 10)
    job: Job = view.list(JOB)[0]
    assert (job.metadata.labels, job.spec.parallelism) == ({"a": "b"}, 3)
