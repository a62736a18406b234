"""The Job plan, with pods that succeed, fail, hang or vanish."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support.view import FakeView
from wherry.api.batch.job import JOB
from wherry.api.core.pod import POD
from wherry.api.types.batch import (
    Job,
    JobSpec,
    PodFailurePolicy,
    PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyRule,
    SuccessPolicy,
    SuccessPolicyRule,
)
from wherry.api.types.core import (
    Container,
    ContainerState,
    ContainerStateTerminated,
    ContainerStatus,
    Pod,
    PodSpec,
    PodTemplateSpec,
)
from wherry.controllers.job import plan
from wherry.controllers.job_indexes import parse, show
from wherry.machinery import conditions
from wherry.machinery.meta import Key, ObjectMeta
from wherry.machinery.time import time_at

SUM = Key("default", "sum")


def job(**spec: Any) -> Job:
    template = PodTemplateSpec(spec=PodSpec(containers=(Container(name="c", image="i"),), restart_policy="Never"))
    made = Job(
        metadata=ObjectMeta(name="sum", namespace="default", uid="j-1", generation=1),
        spec=JobSpec(template=template, **spec),
    )
    return JOB.prepare(JOB.default(made), None)


def world(made: Job) -> FakeView:
    return FakeView().put(JOB, made)


def get(view: FakeView) -> Job:
    found = view.get(JOB, SUM)
    assert found is not None
    return found


def active(view: FakeView) -> list[Pod]:
    return [p for p in view.list(POD) if p.status.phase in ("", "Pending") and p.metadata.deletion_timestamp is None]


def finish(view: FakeView, pod: Pod, code: int) -> None:
    ended = ContainerStateTerminated(exit_code=code, finished_at=time_at(view.now))
    container = ContainerStatus(name="c", state=ContainerState(terminated=ended))
    phase = "Failed" if code else "Succeeded"
    view.put(POD, replace(pod, status=replace(pod.status, phase=phase, container_statuses=(container,))))


def settle(view: FakeView) -> None:
    view.settle(plan, SUM, rounds=30)


def told(view: FakeView) -> dict[str, tuple[str, str]]:
    return {c.type: (c.status, c.reason) for c in get(view).status.conditions}


def drive(view: FakeView, code: int, steps: int = 40) -> None:
    """Every pod ends with `code` until nothing is active any more."""
    for _ in range(steps):
        settle(view)
        for pod in active(view):
            finish(view, pod, code)
        view.now += 700
    settle(view)


def test_runs_to_completion() -> None:
    view = world(job(completions=5, parallelism=2))
    settle(view)
    assert len(active(view)) == 2
    pod = active(view)[0]
    assert pod.metadata.labels["batch.kubernetes.io/job-name"] == "sum"
    assert pod.metadata.finalizers == ("batch.kubernetes.io/job-tracking",)
    drive(view, 0)
    status = get(view).status
    assert (status.succeeded, status.failed, status.active) == (5, 0, 0)
    assert told(view) == {
        "SuccessCriteriaMet": ("True", "CompletionsReached"),
        "Complete": ("True", "CompletionsReached"),
    }
    assert status.completion_time is not None
    assert all(p.metadata.finalizers == () for p in view.list(POD))
    assert [e.message for e in view.emitted if e.reason == "Completed"] == ["Job completed"]


def test_gives_up_after_the_backoff_limit() -> None:
    view = world(job(backoff_limit=2))
    drive(view, 1)
    assert told(view)["Failed"] == ("True", "BackoffLimitExceeded")
    assert get(view).status.failed == 3


def test_failures_are_backed_off() -> None:
    view = world(job())
    settle(view)
    finish(view, active(view)[0], 1)
    settle(view)
    assert active(view) == []
    view.now += 10
    settle(view)
    assert len(active(view)) == 1


def test_a_work_queue_ends_with_its_last_pod() -> None:
    view = world(job(parallelism=3))
    settle(view)
    first, *rest = active(view)
    finish(view, first, 0)
    settle(view)
    assert len(active(view)) == 2, "no new ones once one has succeeded"
    for pod in rest:
        finish(view, pod, 0)
    settle(view)
    assert told(view)["Complete"] == ("True", "CompletionsReached")


def test_indexed_pods_know_their_index() -> None:
    view = world(job(completions=3, parallelism=3, completion_mode="Indexed"))
    settle(view)
    pods = {p.metadata.annotations["batch.kubernetes.io/job-completion-index"]: p for p in active(view)}
    assert sorted(pods) == ["0", "1", "2"]
    assert pods["1"].spec.hostname == "sum-1"
    assert pods["1"].spec.containers[0].env[0].name == "JOB_COMPLETION_INDEX"
    finish(view, pods["1"], 0)
    settle(view)
    assert get(view).status.completed_indexes == "1"
    finish(view, pods["0"], 1)
    view.now += 11
    settle(view)
    again = [p.metadata.annotations["batch.kubernetes.io/job-completion-index"] for p in active(view)]
    assert sorted(again) == ["0", "2"]
    drive(view, 0)
    assert get(view).status.completed_indexes == "0-2"
    assert told(view)["Complete"] == ("True", "CompletionsReached")


def test_backoff_limit_per_index() -> None:
    view = world(job(completions=2, parallelism=2, completion_mode="Indexed", backoff_limit_per_index=1))
    for _ in range(10):
        settle(view)
        for pod in active(view):
            finish(view, pod, 1 if pod.metadata.annotations["batch.kubernetes.io/job-completion-index"] == "1" else 0)
        view.now += 700
    settle(view)
    status = get(view).status
    assert (status.completed_indexes, status.failed_indexes) == ("0", "1")
    assert told(view)["Failed"] == ("True", "FailedIndexes")


@pytest.mark.parametrize(
    ("action", "reason", "failed"), [("FailJob", "PodFailurePolicy", 1), ("Ignore", "CompletionsReached", 0)]
)
def test_pod_failure_policy(action: str, reason: str, failed: int) -> None:
    codes = PodFailurePolicyOnExitCodesRequirement(operator="In", values=(42,))
    policy = PodFailurePolicy(rules=(PodFailurePolicyRule(action=action, on_exit_codes=codes),))
    view = world(job(pod_failure_policy=policy, backoff_limit=0))
    settle(view)
    finish(view, active(view)[0], 42)
    view.now += 20
    settle(view)
    drive(view, 0)
    assert reason in {r for _, r in told(view).values()}
    assert get(view).status.failed == failed


def test_success_policy_ends_the_job_early() -> None:
    rule = SuccessPolicyRule(succeeded_indexes="0", succeeded_count=1)
    view = world(
        job(completions=3, parallelism=3, completion_mode="Indexed", success_policy=SuccessPolicy(rules=(rule,)))
    )
    settle(view)
    leader = next(p for p in active(view) if p.metadata.annotations["batch.kubernetes.io/job-completion-index"] == "0")
    finish(view, leader, 0)
    settle(view)
    assert active(view) == []
    for pod in view.list(POD):
        if pod.metadata.deletion_timestamp is not None:
            finish(view, pod, 137)
    settle(view)
    assert told(view)["Complete"] == ("True", "SuccessPolicy")


def test_deadline() -> None:
    view = world(job(active_deadline_seconds=60))
    settle(view)
    view.now += 60
    settle(view)
    assert told(view)["FailureTarget"] == ("True", "DeadlineExceeded")


def test_suspend_and_resume() -> None:
    view = world(job(suspend=True))
    settle(view)
    assert active(view) == []
    assert told(view) == {"Suspended": ("True", "JobSuspended")}
    assert get(view).status.start_time is None
    view.put(JOB, replace(get(view), spec=replace(get(view).spec, suspend=False)))
    settle(view)
    assert told(view) == {"Suspended": ("False", "JobResumed")}
    assert len(active(view)) == 1
    view.put(JOB, replace(get(view), spec=replace(get(view).spec, suspend=True)))
    settle(view)
    assert view.list(POD) == () or all(p.metadata.deletion_timestamp for p in view.list(POD))
    assert get(view).status.failed == 0


def test_finished_jobs_expire() -> None:
    view = world(job(ttl_seconds_after_finished=100))
    settle(view)
    finish(view, active(view)[0], 0)
    settle(view)
    assert view.get(JOB, SUM) is not None
    view.now += 100
    view.carry_out(plan(view, SUM))
    assert view.get(JOB, SUM) is None


def test_adopts_what_it_selects_and_lets_go_of_what_it_does_not() -> None:
    view = world(job(parallelism=2, completions=4))
    settle(view)
    first, second = active(view)
    view.put(POD, replace(first, metadata=replace(first.metadata, owner_references=(), finalizers=())))
    view.put(POD, replace(second, metadata=replace(second.metadata, labels={})))
    settle(view)
    pods = {pod.metadata.name: pod for pod in view.list(POD)}
    adopted, released = pods[first.metadata.name], pods[second.metadata.name]
    assert [ref.uid for ref in adopted.metadata.owner_references] == ["j-1"]
    assert adopted.metadata.finalizers == first.metadata.finalizers
    assert released.metadata.owner_references == ()
    assert released.metadata.finalizers == ()
    assert len(active(view)) == 3  # the one that was let go, and two of ours


def test_pods_of_a_job_that_is_gone_are_let_go() -> None:
    view = world(job())
    settle(view)
    del view.objects[JOB, SUM]
    settle(view)
    assert [p.metadata.finalizers for p in view.list(POD)] == [()]


@settings(max_examples=40, deadline=None)
@given(
    completions=st.integers(1, 5),
    parallelism=st.integers(1, 4),
    mode=st.sampled_from(["NonIndexed", "Indexed"]),
    codes=st.lists(st.integers(0, 1), max_size=8),
)
def test_every_pod_counts_once(completions: int, parallelism: int, mode: str, codes: list[int]) -> None:
    view = world(job(completions=completions, parallelism=parallelism, completion_mode=mode, backoff_limit=1000))
    ended: list[int] = []
    for _ in range(30):
        settle(view)
        running = active(view)
        assert len(running) <= parallelism
        for pod in running:
            ended.append(codes.pop() if codes else 0)
            finish(view, pod, ended[-1])
        view.now += 700
    status = get(view).status
    assert (status.succeeded, status.failed) == (completions, sum(ended))
    assert len(ended) == completions + sum(ended)


@given(st.sets(st.integers(0, 30)))
def test_index_sets_round_trip(indexes: set[int]) -> None:
    assert parse(show(indexes), 31) == indexes


def test_index_sets_look_like_upstreams() -> None:
    assert show([0, 1, 2, 5, 7, 8]) == "0-2,5,7,8"
    assert conditions.is_true((), "Complete") is False
