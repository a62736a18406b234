"""Validation of Jobs and of the Jobs that CronJobs make.

https://kubernetes.io/docs/concepts/workloads/controllers/job/
"""

from __future__ import annotations

from msgspec.structs import replace

from wherry.api.batch.indexes import parse_indexes
from wherry.api.checks import Errors, immutable, named, nonnegative, selector, unsupported
from wherry.api.core.template_validation import template
from wherry.api.types.batch import (
    Job,
    JobSpec,
    JobStatus,
    PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyRule,
    SuccessPolicyRule,
)
from wherry.api.types.core import Affinity, Container, PodSpec, PodTemplateSpec
from wherry.machinery.conditions import is_true
from wherry.machinery.names import dns_label, qualified_name
from wherry.machinery.selectors import matches
from wherry.machinery.validation import FieldError, duplicate, invalid, required, too_long, too_many

ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
MANY_COMPLETIONS = 100_000
MANY_LIMIT = 10_000
_STATUSES = ("False", "True", "Unknown")
_INDEXED = "requires indexed completion mode"


def job_spec(path: str, spec: JobSpec) -> Errors:
    """What holds for a Job and for a CronJob's template."""
    for field, value in (
        ("parallelism", spec.parallelism),
        ("completions", spec.completions),
        ("activeDeadlineSeconds", spec.active_deadline_seconds),
        ("backoffLimit", spec.backoff_limit),
        ("ttlSecondsAfterFinished", spec.ttl_seconds_after_finished),
        ("backoffLimitPerIndex", spec.backoff_limit_per_index),
        ("maxFailedIndexes", spec.max_failed_indexes),
    ):
        yield from nonnegative(f"{path}.{field}", value)
    if spec.max_failed_indexes is not None and spec.backoff_limit_per_index is None:
        yield required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified")
    if spec.managed_by is not None:
        yield from _managed_by(f"{path}.managedBy", spec.managed_by)
    yield from _completion_mode(path, spec)
    yield from _policies(path, spec)
    yield from template(f"{path}.template", spec.template)
    yield from _restart_policy(f"{path}.template.spec.restartPolicy", spec)


def _managed_by(path: str, name: str) -> Errors:
    prefix, slash, rest = name.partition("/")
    if not slash or not prefix or not rest:
        yield invalid(path, name, 'must be a domain-prefixed path (such as "acme.io/foo")')
    if len(name) > 63:
        yield too_long(path, 63)


def _completion_mode(path: str, spec: JobSpec) -> Errors:
    mode = spec.completion_mode
    if mode not in (None, "NonIndexed", "Indexed"):
        yield unsupported(f"{path}.completionMode", mode, ("NonIndexed", "Indexed"))
    if mode == "Indexed":
        yield from _indexed(path, spec)
    elif mode in (None, "NonIndexed"):
        if spec.backoff_limit_per_index is not None:
            yield invalid(f"{path}.backoffLimitPerIndex", spec.backoff_limit_per_index, _INDEXED)
        if spec.max_failed_indexes is not None:
            yield invalid(f"{path}.maxFailedIndexes", spec.max_failed_indexes, _INDEXED)


def _indexed(path: str, spec: JobSpec) -> Errors:
    completions, parallelism, failed = spec.completions, spec.parallelism or 0, spec.max_failed_indexes
    if completions is None:
        yield required(f"{path}.completions", "when completion mode is Indexed")
    if parallelism > MANY_COMPLETIONS:
        why = f"must be less than or equal to {MANY_COMPLETIONS} when completion mode is Indexed"
        yield invalid(f"{path}.parallelism", parallelism, why)
    if completions is not None and failed is not None and failed > completions:
        yield invalid(f"{path}.maxFailedIndexes", failed, "must be less than or equal to completions")
    if failed is not None and failed > MANY_COMPLETIONS:
        yield invalid(f"{path}.maxFailedIndexes", failed, f"must be less than or equal to {MANY_COMPLETIONS}")
    if completions is None or completions <= MANY_COMPLETIONS or spec.backoff_limit_per_index is None:
        return
    why = (
        f"must be less than or equal to {MANY_LIMIT} when completions are above {MANY_COMPLETIONS} "
        "and used with backoff limit per index"
    )
    if failed is None:
        yield required(f"{path}.maxFailedIndexes", f"must be specified when completions is above {MANY_COMPLETIONS}")
    elif failed > MANY_LIMIT:
        yield invalid(f"{path}.maxFailedIndexes", failed, why)
    if parallelism > MANY_LIMIT:
        yield invalid(f"{path}.parallelism", parallelism, why)


def _restart_policy(path: str, spec: JobSpec) -> Errors:
    policy = spec.template.spec.restart_policy
    if policy in ("Always", ""):
        yield required(path, 'valid values: "OnFailure", "Never"')
    elif policy not in ("OnFailure", "Never"):
        yield unsupported(path, policy, ("OnFailure", "Never"))
    elif spec.pod_failure_policy is not None and policy != "Never":
        yield invalid(path, policy, 'only "Never" is supported when podFailurePolicy is specified')


# --- Policies ---


def _policies(path: str, spec: JobSpec) -> Errors:
    failure, success, replacement = spec.pod_failure_policy, spec.success_policy, spec.pod_replacement_policy
    if failure is not None:
        if len(failure.rules) > 20:
            yield too_many(f"{path}.podFailurePolicy.rules", len(failure.rules), 20)
        for index, rule in enumerate(failure.rules):
            yield from _failure_rule(f"{path}.podFailurePolicy.rules[{index}]", rule, spec)
    if success is not None and spec.completion_mode != "Indexed":
        yield invalid(f"{path}.successPolicy", success, _INDEXED)
    elif success is not None:
        if not success.rules:
            why = "at least one rules must be specified when the successPolicy is specified"
            yield required(f"{path}.successPolicy.rules", why)
        if len(success.rules) > 20:
            yield too_many(f"{path}.successPolicy.rules", len(success.rules), 20)
        for index, good in enumerate(success.rules):
            yield from _success_rule(f"{path}.successPolicy.rules[{index}]", good, spec.completions or 0)
    allowed = ("Failed", "TerminatingOrFailed") if failure is None else ("Failed",)
    if replacement is not None and replacement not in allowed:
        yield unsupported(f"{path}.podReplacementPolicy", replacement, allowed)


def _failure_rule(path: str, rule: PodFailurePolicyRule, spec: JobSpec) -> Errors:
    if not rule.action:
        listed = " ".join(f'"{action}"' for action in ACTIONS)
        yield required(f"{path}.action", f"valid values: [{listed}]")
    elif rule.action not in ACTIONS:
        yield unsupported(f"{path}.action", rule.action, ACTIONS)
    elif rule.action == "FailIndex" and spec.backoff_limit_per_index is None:
        yield invalid(f"{path}.action", rule.action, "requires the backoffLimitPerIndex to be set")
    if rule.on_exit_codes is not None:
        yield from _exit_codes(f"{path}.onExitCodes", rule.on_exit_codes, spec.template.spec)
    if len(rule.on_pod_conditions) > 20:
        yield too_many(f"{path}.onPodConditions", len(rule.on_pod_conditions), 20)
    for index, pattern in enumerate(rule.on_pod_conditions):
        yield from named(f"{path}.onPodConditions[{index}].type", pattern.type, qualified_name)
        if pattern.status not in _STATUSES:
            yield unsupported(f"{path}.onPodConditions[{index}].status", pattern.status, _STATUSES)
    if rule.on_exit_codes is not None and rule.on_pod_conditions:
        yield _omitted(path, "specifying both OnExitCodes and OnPodConditions is not supported")
    if rule.on_exit_codes is None and not rule.on_pod_conditions:
        yield _omitted(path, "specifying one of OnExitCodes and OnPodConditions is required")


def _omitted(path: str, why: str) -> FieldError:
    return FieldError(path, "FieldValueInvalid", f"Invalid value: {why}")


def _exit_codes(path: str, own: PodFailurePolicyOnExitCodesRequirement, pod: PodSpec) -> Errors:
    if not own.operator:
        yield required(f"{path}.operator", 'valid values: ["In" "NotIn"]')
    elif own.operator not in ("In", "NotIn"):
        yield unsupported(f"{path}.operator", own.operator, ("In", "NotIn"))
    names = {container.name for container in (*pod.containers, *pod.init_containers)}
    if own.container_name is not None and own.container_name not in names:
        why = "must be one of the container or initContainer names in the pod template"
        yield invalid(f"{path}.containerName", own.container_name, why)
    if not own.values:
        yield invalid(f"{path}.values", own.values, "at least one value is required")
    elif len(own.values) > 255:
        yield too_many(f"{path}.values", len(own.values), 255)
    seen: set[int] = set()
    for index, code in enumerate(own.values):
        if own.operator == "In" and code == 0:
            yield invalid(f"{path}.values[{index}]", code, "must not be 0 for the In operator")
        if code in seen:
            yield duplicate(f"{path}.values[{index}]", code)
        seen.add(code)
    if list(own.values) != sorted(own.values):
        yield invalid(f"{path}.values", own.values, "must be ordered")


def _success_rule(path: str, rule: SuccessPolicyRule, completions: int) -> Errors:
    count, indexes = rule.succeeded_count, rule.succeeded_indexes
    if count is None and indexes is None:
        yield required(path, "at least one of succeededCount or succeededIndexes must be specified")
    total = 0
    if indexes is not None:
        if len(indexes) > 64 * 1024:
            yield too_long(f"{path}.succeededIndexes", 64 * 1024)
        try:
            total = len(parse_indexes(indexes, completions))
        except ValueError as problem:
            yield invalid(f"{path}.succeededIndexes", indexes, f"error parsing succeededIndexes: {problem}")
    if count is None:
        return
    yield from nonnegative(f"{path}.succeededCount", count)
    less = "must be less than or equal to"
    if count > completions:
        yield invalid(f"{path}.succeededCount", count, f"{less} {completions} (the number of specified completions)")
    if indexes is not None and count > total:
        why = f"{less} {total} (the number of indexes in the specified succeededIndexes field)"
        yield invalid(f"{path}.succeededCount", count, why)


# --- Jobs ---


def own_selector(job: Job, labels: dict[str, str], *, new: bool) -> Errors:
    """The selector of a Job, made for it unless it says otherwise. `labels`: those its pods must have."""
    spec = job.spec
    pod_labels, unfit = spec.template.metadata.labels, "`selector` does not match template `labels`"
    if spec.selector is None:
        yield required("spec.selector")
        yield invalid("spec.template.metadata.labels", pod_labels or None, unfit)
        return
    generated = not spec.manual_selector and new
    if generated:
        for key, value in labels.items():
            found = spec.template.metadata.labels.get(key)
            at = f"spec.template.metadata.labels[{key}]"
            if found is None:
                yield required(at, f"must be '{value}'")
            elif found != value:
                yield invalid(at, spec.template.metadata.labels, f"must be '{value}'")
    yield from selector("spec.selector", spec.selector)
    try:
        if generated and not matches(spec.selector, labels):
            yield invalid("spec.selector", spec.selector, "`selector` not auto-generated")
        if not matches(spec.selector, spec.template.metadata.labels):
            yield invalid("spec.template.metadata.labels", pod_labels or None, unfit)
    except ValueError:  # an unknown operator, refused above
        return


def host_name(job: Job) -> Errors:
    """The pods of an indexed Job are named after it."""
    completions = job.spec.completions or 0
    if job.spec.completion_mode == "Indexed" and completions > 0:
        last = f"{job.metadata.name}-{completions - 1}"
        if dns_label(last):
            why = f"will not able to create pod with invalid DNS label: {last}"
            yield invalid("metadata.name", job.metadata.name, why)


def job_update(new: Job, old: Job) -> Errors:
    """What stays in a Job that is there."""
    mine, theirs = new.spec, old.spec
    if mine.completion_mode != "Indexed":
        yield from immutable("spec.completions", mine.completions, theirs.completions)
    elif mine.completions not in (theirs.completions, None) and mine.completions != mine.parallelism:
        yield invalid("spec.completions", mine.completions, "can only be modified in tandem with spec.parallelism")
    yield from immutable("spec.selector", mine.selector, theirs.selector)
    yield from _template_update(new, old)
    yield from immutable("spec.completionMode", mine.completion_mode, theirs.completion_mode)
    yield from immutable("spec.podFailurePolicy", mine.pod_failure_policy, theirs.pod_failure_policy)
    yield from immutable("spec.backoffLimitPerIndex", mine.backoff_limit_per_index, theirs.backoff_limit_per_index)
    yield from immutable("spec.managedBy", mine.managed_by, theirs.managed_by)
    yield from immutable("spec.successPolicy", mine.success_policy, theirs.success_policy)


def _template_update(new: Job, old: Job) -> Errors:
    """A suspended Job without pods may still be placed elsewhere and be given other resources."""
    mine, theirs = new.spec.template, old.spec.template
    idle = old.status.start_time is None or is_true(old.status.conditions, "Suspended")
    if old.spec.suspend and idle and not old.status.active:
        theirs = _as_placed(theirs, mine)
    yield from immutable("spec.template", mine, theirs)


def _as_placed(old: PodTemplateSpec, new: PodTemplateSpec) -> PodTemplateSpec:
    node = new.spec.affinity.node_affinity if new.spec.affinity else None
    affinity: Affinity | None = replace(old.spec.affinity or Affinity(), node_affinity=node)
    if affinity == Affinity() and new.spec.affinity is None:
        affinity = None
    spec = replace(
        old.spec,
        affinity=affinity,
        node_selector=new.spec.node_selector,
        tolerations=new.spec.tolerations,
        scheduling_gates=new.spec.scheduling_gates,
        containers=_with_resources(old.spec.containers, new.spec.containers),
        init_containers=_with_resources(old.spec.init_containers, new.spec.init_containers),
    )
    meta = replace(old.metadata, labels=new.metadata.labels, annotations=new.metadata.annotations)
    return PodTemplateSpec(metadata=meta, spec=spec)


def _with_resources(old: tuple[Container, ...], new: tuple[Container, ...]) -> tuple[Container, ...]:
    if [c.name for c in old] != [c.name for c in new]:
        return old
    return tuple(replace(mine, resources=theirs.resources) for mine, theirs in zip(old, new, strict=True))


# --- Status ---


def job_status(new: JobStatus, old: JobStatus | None) -> Errors:
    """Counts that are none negative, and ends that stay ends."""
    for field, value in (
        ("active", new.active),
        ("succeeded", new.succeeded),
        ("failed", new.failed),
        ("ready", new.ready),
        ("terminating", new.terminating),
    ):
        yield from nonnegative(f"status.{field}", value)
    complete, failed = is_true(new.conditions, "Complete"), is_true(new.conditions, "Failed")
    if complete and failed:
        yield _omitted("status.conditions", "cannot set Complete=True and Failed=true conditions")
    if (complete or failed) and new.active > 0:
        yield invalid("status.active", new.active, "active>0 is invalid for finished job")
    if complete and new.completion_time is None:
        yield required("status.completionTime", "completionTime is required for Complete jobs")
    if new.completion_time is not None and not complete:
        why = "cannot set completionTime when there is no Complete=True condition"
        yield invalid("status.completionTime", new.completion_time, why)
    for ended in ("Failed", "Complete", "FailureTarget", "SuccessCriteriaMet"):
        if old is not None and is_true(old.conditions, ended) and not is_true(new.conditions, ended):
            word = "" if ended == "SuccessCriteriaMet" else "terminal "
            yield _omitted("status.conditions", f"cannot disable the {word}{ended}=True condition")


def not_selected(path: str, spec: JobSpec) -> Errors:
    """A CronJob's template has no selector: each Job gets its own."""
    if spec.selector is not None:
        yield invalid(f"{path}.selector", spec.selector, "`selector` will be auto-generated")
    if spec.manual_selector:
        yield unsupported(f"{path}.manualSelector", spec.manual_selector, ("nil", "false"))
