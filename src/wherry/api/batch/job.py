"""batch/v1 Job: what the API adds to its schema (`wherry.api.types.batch`)."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from wherry.api.batch.job_validation import host_name, job_spec, job_status, job_update, own_selector
from wherry.api.checks import Errors
from wherry.api.columns import AGE, workload_columns
from wherry.api.core.pod_warnings import name_warning, template_warnings
from wherry.api.core.podspec_defaults import default_template
from wherry.api.declare import declare
from wherry.api.defaulting import each, fill, within
from wherry.api.types.batch import Job, JobSpec, PodFailurePolicy, PodFailurePolicyRule
from wherry.machinery.conditions import is_true
from wherry.machinery.meta import LabelSelector
from wherry.machinery.resource import Column
from wherry.machinery.table import duration
from wherry.machinery.time import seconds


def state(job: Job) -> str:
    """One word for where the Job stands."""
    for finished in ("Complete", "Failed"):
        if is_true(job.status.conditions, finished):
            return finished
    if job.metadata.deletion_timestamp is not None:
        return "Terminating"
    pending = (c for c in ("Suspended", "FailureTarget", "SuccessCriteriaMet") if is_true(job.status.conditions, c))
    return next(pending, "Running")


def _completions(job: Job, _: float) -> str:
    done, parallelism = job.status.succeeded, job.spec.parallelism or 0
    if job.spec.completions is not None:
        return f"{done}/{job.spec.completions}"
    return f"{done}/1 of {parallelism}" if parallelism > 1 else f"{done}/1"


def _duration(job: Job, now: float) -> str:
    if job.status.start_time is None:
        return ""
    end = seconds(job.status.completion_time) if job.status.completion_time else now
    return duration(end - seconds(job.status.start_time))


COLUMNS: tuple[Column[Job], ...] = (
    Column("Status", lambda job, _: state(job)),
    Column("Completions", _completions),
    Column("Duration", _duration),
    AGE,
    *workload_columns(lambda job: job.spec.template, lambda job: job.spec.selector),
)


def default_spec(spec: JobSpec) -> JobSpec:
    """The spec of a Job, also inside a CronJob's template."""
    if spec.completions is None and spec.parallelism is None:
        spec = replace(spec, completions=1)
    spec = fill(
        spec,
        parallelism=1,
        backoff_limit=6 if spec.backoff_limit_per_index is None else 2**31 - 1,
        completion_mode="NonIndexed",
        suspend=False,
        pod_replacement_policy="TerminatingOrFailed" if spec.pod_failure_policy is None else "Failed",
        manual_selector=False,
    )
    return default_template_of(spec)


def default_template_of(spec: JobSpec) -> JobSpec:
    """What is filled in even where a Job is only a template: the pod template and the failure policy."""
    return within(spec, template=default_template, pod_failure_policy=_default_failure_policy)


def _default_failure_policy(policy: PodFailurePolicy) -> PodFailurePolicy:
    return within(policy, rules=each(_default_rule))


def _default_rule(rule: PodFailurePolicyRule) -> PodFailurePolicyRule:
    return within(rule, on_pod_conditions=each(lambda pattern: fill(pattern, status="True")))


def default(job: Job) -> Job:
    """One completion, six retries; labels are those of the template."""
    return within(_labelled(job), spec=default_spec)


def _labelled(job: Job) -> Job:
    labels = job.spec.template.metadata.labels
    if labels and not job.metadata.labels:
        return replace(job, metadata=replace(job.metadata, labels=labels))
    return job


UID_LABEL = "batch.kubernetes.io/controller-uid"
NAME_LABEL = "batch.kubernetes.io/job-name"
LEGACY_UID_LABEL = "controller-uid"
LEGACY_NAME_LABEL = "job-name"


def prepare(new: Job, old: Job | None) -> Job:
    """A new Job gets labels for its pods and a selector for them, unless it brings its own selector."""
    if old is not None or new.spec.manual_selector:
        return new
    meta, template = new.metadata, new.spec.template
    labels = {
        LEGACY_NAME_LABEL: meta.name,
        NAME_LABEL: meta.name,
        LEGACY_UID_LABEL: meta.uid,
        UID_LABEL: meta.uid,
        **template.metadata.labels,
    }
    selector = new.spec.selector or LabelSelector()
    spec = replace(
        new.spec,
        template=replace(template, metadata=replace(template.metadata, labels=labels)),
        selector=replace(selector, match_labels={UID_LABEL: meta.uid, **selector.match_labels}),
    )
    return _labelled(replace(new, spec=spec))


def _own_labels(job: Job) -> dict[str, str]:
    meta = job.metadata
    return {
        LEGACY_UID_LABEL: meta.uid,
        LEGACY_NAME_LABEL: meta.name,
        UID_LABEL: meta.uid,
        NAME_LABEL: meta.name,
    }


def validate(new: Job, old: Job | None) -> Errors:
    """A new Job, or what may change in one."""
    yield from own_selector(new, _own_labels(new), new=old is None)
    yield from job_spec("spec", new.spec)
    yield from host_name(new)
    if old is not None:
        yield from job_update(new, old)


def validate_status(new: Job, old: Job | None) -> Errors:
    """Counts that can be true together, and ends that stay ends."""
    return job_status(new.status, old.status if old else None)


_MANY = (
    "In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes "
    "might not be able to track completedIndexes when a big number of indexes fail"
)


def spec_warnings(path: str, new: JobSpec, old: JobSpec | None) -> Iterator[str]:
    """About a Job's spec, also inside a CronJob."""
    if new.completion_mode == "Indexed" and (new.completions or 0) > 100_000 and (new.parallelism or 0) > 10_000:
        yield f"{path}: {_MANY}"
    yield from template_warnings(f"{path}.template", new.template, old.template if old else None)


def warn(new: Job, old: Job | None) -> Iterator[str]:
    """Names that make poor host names, and what is odd about the template."""
    if old is None:
        yield from name_warning(new.metadata.name)
    if old is None or old.spec != new.spec:
        yield from spec_warnings("spec", new.spec, old.spec if old else None)


JOB = declare(
    Job,
    columns=COLUMNS,
    fields={"status.successful": lambda job: str(job.status.succeeded)},
    default=default,
    prepare=prepare,
    validate=validate,
    validate_status=validate_status,
    warn=warn,
)
