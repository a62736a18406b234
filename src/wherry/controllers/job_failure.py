"""What a failed pod means for its Job: the pod failure policy, and how long to wait before the next try.

https://kubernetes.io/docs/concepts/workloads/controllers/job/#handling-pod-and-container-failures
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from wherry.api.core.pod import condition
from wherry.api.types.batch import Job, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyRule
from wherry.api.types.core import Pod
from wherry.controllers.job_indexes import index_of
from wherry.machinery.time import seconds

FIRST_DELAY, LONGEST_DELAY = 10.0, 600.0
FAILURE_COUNT = "batch.kubernetes.io/job-index-failure-count"
IGNORED_COUNT = "batch.kubernetes.io/job-index-ignored-failure-count"


class Match(NamedTuple):
    """What the policy says about one failed pod. `action`: FailJob, FailIndex, Ignore or Count."""

    action: str
    message: str = ""


COUNT = Match("Count")


def judge(job: Job, pod: Pod) -> Match:
    """The first rule that matches; without one the failure counts."""
    policy = job.spec.pod_failure_policy
    for number, rule in enumerate(policy.rules if policy is not None else ()):
        what = _by_exit_code(rule, pod) or _by_condition(rule, pod)
        if what:
            return Match(rule.action, f"{what} matching {rule.action} rule at index {number}")
    return COUNT


def _by_exit_code(rule: PodFailurePolicyRule, pod: Pod) -> str:
    wanted = rule.on_exit_codes
    if wanted is None:
        return ""
    for status in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        ended = status.state.terminated
        if wanted.container_name in (None, status.name) and ended is not None and _fits(wanted, ended.exit_code):
            where = f"{pod.metadata.namespace}/{pod.metadata.name}"
            return f"Container {status.name} for pod {where} failed with exit code {ended.exit_code}"
    return ""


def _fits(wanted: PodFailurePolicyOnExitCodesRequirement, code: int) -> bool:
    if code == 0:
        return False
    return (code in wanted.values) == (wanted.operator == "In")


def _by_condition(rule: PodFailurePolicyRule, pod: Pod) -> str:
    for pattern in rule.on_pod_conditions:
        found = condition(pod, pattern.type)
        if found is not None and found.status == (pattern.status or "True"):
            return f"Pod {pod.metadata.namespace}/{pod.metadata.name} has condition {pattern.type}"
    return ""


def restarts(pods: Iterable[Pod]) -> int:
    """Container restarts of pods that restart in place (restartPolicy OnFailure)."""
    return sum(
        status.restart_count
        for pod in pods
        if pod.status.phase in ("Running", "Pending")
        for status in (*pod.status.init_container_statuses, *pod.status.container_statuses)
    )


def ended_at(pod: Pod, now: float) -> float:
    """Epoch seconds of a pod's end, as well as they are known."""
    ends = [seconds(s.state.terminated.finished_at) for s in pod.status.container_statuses
            if s.state.terminated is not None and s.state.terminated.finished_at]  # fmt: skip
    if ends:
        return max(ends)
    ready = condition(pod, "Ready")
    known = (ready.last_transition_time if ready is not None else None) or pod.metadata.deletion_timestamp
    return seconds(known) if known else now


def delay(failed: Sequence[Pod], succeeded: Sequence[Pod], now: float) -> float:
    """Seconds until a new pod may be made: 10, 20, 40... after the last of the failures since the last success."""
    good = max((ended_at(pod, now) for pod in succeeded), default=float("-inf"))
    bad = [at for pod in failed if (at := ended_at(pod, now)) > good]
    if not bad:
        return 0.0
    return max(0.0, max(bad) + _backoff(len(bad)) - now)


def _backoff(failures: int) -> float:
    return min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(failures - 1, 16))


def index_failures(job: Job, failed: Iterable[Pod]) -> dict[int, int]:
    """How often each index has failed, by the count that its last pod carries."""
    counts: dict[int, int] = {}
    for pod in failed:
        index = index_of(pod)
        if index is not None:
            ignored = judge(job, pod).action == "Ignore"
            text = pod.metadata.annotations.get(FAILURE_COUNT, "0")
            before = int(text) if text.isdecimal() else 0
            counts[index] = max(counts.get(index, 0), before + (not ignored))
    return counts


def failed_by_policy(job: Job, failed: Iterable[Pod]) -> Iterator[int]:
    """Indexes that a FailIndex rule gives up."""
    for pod in failed:
        index = index_of(pod)
        if index is not None and judge(job, pod).action == "FailIndex":
            yield index


def index_delay(pods: Iterable[Pod], count: int, now: float) -> float:
    """Seconds until an index that failed `count` times may be tried again."""
    last = max((ended_at(pod, now) for pod in pods), default=float("-inf"))
    return max(0.0, last + _backoff(count) - now) if count else 0.0
