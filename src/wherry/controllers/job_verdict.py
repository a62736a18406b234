"""Verdict: whether a Job has succeeded or failed, and why, in upstream's order and words.

https://kubernetes.io/docs/concepts/workloads/controllers/job/#job-termination-and-cleanup
"""

from __future__ import annotations

from typing import NamedTuple

from wherry.api.types.batch import SuccessPolicyRule
from wherry.controllers.job_failure import judge, restarts
from wherry.controllers.job_indexes import parse
from wherry.controllers.job_tally import Tally, indexed
from wherry.machinery import conditions
from wherry.machinery.time import seconds


class Verdict(NamedTuple):
    """`interim` until all pods are gone, then `final`."""

    interim: str
    final: str
    reason: str
    message: str


def _failed(reason: str, message: str) -> Verdict:
    return Verdict("FailureTarget", "Failed", reason, message)


def _succeeded(reason: str, message: str) -> Verdict:
    return Verdict("SuccessCriteriaMet", "Complete", reason, message)


def judge_job(found: Tally, now: float) -> Verdict | None:
    """What was decided before stands; then failures, then successes."""
    status = found.job.status.conditions
    for kind, make in (("SuccessCriteriaMet", _succeeded), ("FailureTarget", _failed)):
        said = conditions.get(status, kind)
        if said is not None and said.status == "True":
            return make(said.reason, said.message)
    return _by_policy(found) or _by_limits(found, now) or _by_indexes(found) or _by_completions(found)


def _by_policy(found: Tally) -> Verdict | None:
    for pod in found.bad:
        match = judge(found.job, pod)
        if match.action == "FailJob":
            return _failed("PodFailurePolicy", match.message)
    return None


def _by_limits(found: Tally, now: float) -> Verdict | None:
    spec, status = found.job.spec, found.job.status
    limit = 6 if spec.backoff_limit is None else spec.backoff_limit
    over = found.all_failed > limit
    if spec.template.spec.restart_policy == "OnFailure":
        again = restarts((*found.active, *found.terminating))
        over = over or (again > 0 if limit == 0 else again >= limit)
    if over:
        return _failed("BackoffLimitExceeded", "Job has reached the specified backoff limit")
    if spec.active_deadline_seconds is None or status.start_time is None or spec.suspend:
        return None
    if now - seconds(status.start_time) >= spec.active_deadline_seconds:
        return _failed("DeadlineExceeded", "Job was active longer than specified deadline")
    return None


def _by_indexes(found: Tally) -> Verdict | None:
    spec = found.job.spec
    if not indexed(found.job):
        return None
    lost, completions = len(found.given_up), spec.completions or 0
    if spec.max_failed_indexes is not None and lost > spec.max_failed_indexes:
        return _failed("MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes")
    if lost and lost + len(found.done) >= completions:
        return _failed("FailedIndexes", "Job has failed indexes")
    for number, rule in enumerate(spec.success_policy.rules if spec.success_policy is not None else ()):
        if found.done and _met(rule, found.done, completions):
            return _succeeded("SuccessPolicy", f"Matched rules at index {number}")
    return None


def _met(rule: SuccessPolicyRule, done: frozenset[int], completions: int) -> bool:
    if rule.succeeded_indexes is None:
        return rule.succeeded_count is not None and len(done) >= rule.succeeded_count
    named = parse(rule.succeeded_indexes, completions)
    if not named:
        return False
    return named <= done or (rule.succeeded_count is not None and len(named & done) >= rule.succeeded_count)


def _by_completions(found: Tally) -> Verdict | None:
    wanted = found.job.spec.completions
    if found.active:
        return None
    if found.all_succeeded > 0 if wanted is None else found.all_succeeded >= wanted:
        return _succeeded("CompletionsReached", "Reached expected number of succeeded pods")
    return None
