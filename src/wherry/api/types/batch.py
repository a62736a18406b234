"""Generated from the Kubernetes API schema by hack/generate_types.py: batch. Do not edit."""

from __future__ import annotations

from msgspec import field

from wherry.api.types.core import ObjectReference, PodTemplateSpec
from wherry.api.types.scheduling_v1alpha3 import (
    WorkloadPodGroupDisruptionMode,
    WorkloadPodGroupResourceClaim,
    WorkloadPodGroupSchedulingConstraints,
    WorkloadPodGroupSchedulingPolicy,
)
from wherry.machinery.meta import LabelSelector, Model, Object, ObjectMeta, empty_text, no_items, no_time, shown
from wherry.machinery.time import Time


class CronJobStatus(Model, frozen=True):
    """io.k8s.api.batch.v1.CronJobStatus"""

    active: tuple[ObjectReference, ...] = ()
    last_schedule_time: Time | None = None
    last_successful_time: Time | None = None


class JobSpec(Model, frozen=True):
    """io.k8s.api.batch.v1.JobSpec"""

    active_deadline_seconds: int | None = None
    backoff_limit: int | None = None
    backoff_limit_per_index: int | None = None
    completion_mode: str | None = None
    completions: int | None = None
    managed_by: str | None = None
    manual_selector: bool | None = None
    max_failed_indexes: int | None = None
    parallelism: int | None = None
    pod_failure_policy: PodFailurePolicy | None = None
    pod_replacement_policy: str | None = None
    scheduling: JobSchedulingConfiguration | None = None
    selector: LabelSelector | None = None
    success_policy: SuccessPolicy | None = None
    suspend: bool | None = None
    template: PodTemplateSpec = field(default_factory=shown(PodTemplateSpec))
    ttl_seconds_after_finished: int | None = None


class JobStatus(Model, frozen=True):
    """io.k8s.api.batch.v1.JobStatus"""

    active: int = 0
    completed_indexes: str = ""
    completion_time: Time | None = None
    conditions: tuple[JobCondition, ...] = ()
    failed: int = 0
    failed_indexes: str | None = None
    ready: int | None = None
    start_time: Time | None = None
    succeeded: int = 0
    terminating: int | None = None
    uncounted_terminated_pods: UncountedTerminatedPods | None = None


class JobCondition(Model, frozen=True):
    """io.k8s.api.batch.v1.JobCondition"""

    last_probe_time: Time | None = field(default_factory=no_time)
    last_transition_time: Time | None = field(default_factory=no_time)
    message: str = ""
    reason: str = ""
    status: str = field(default_factory=empty_text)
    type: str = field(default_factory=empty_text)


class JobSchedulingConfiguration(Model, frozen=True):
    """io.k8s.api.batch.v1.JobSchedulingConfiguration"""

    disruption_mode: WorkloadPodGroupDisruptionMode | None = None
    resource_claims: tuple[WorkloadPodGroupResourceClaim, ...] = ()
    scheduling_constraints: WorkloadPodGroupSchedulingConstraints | None = None
    scheduling_policy: WorkloadPodGroupSchedulingPolicy | None = None


class PodFailurePolicy(Model, frozen=True):
    """io.k8s.api.batch.v1.PodFailurePolicy"""

    rules: tuple[PodFailurePolicyRule, ...] = field(default_factory=no_items)


class PodFailurePolicyOnExitCodesRequirement(Model, frozen=True):
    """io.k8s.api.batch.v1.PodFailurePolicyOnExitCodesRequirement"""

    container_name: str | None = None
    operator: str = field(default_factory=empty_text)
    values: tuple[int, ...] = field(default_factory=no_items)


class PodFailurePolicyOnPodConditionsPattern(Model, frozen=True):
    """io.k8s.api.batch.v1.PodFailurePolicyOnPodConditionsPattern"""

    status: str = field(default_factory=empty_text)
    type: str = field(default_factory=empty_text)


class PodFailurePolicyRule(Model, frozen=True):
    """io.k8s.api.batch.v1.PodFailurePolicyRule"""

    action: str = field(default_factory=empty_text)
    on_exit_codes: PodFailurePolicyOnExitCodesRequirement | None = None
    on_pod_conditions: tuple[PodFailurePolicyOnPodConditionsPattern, ...] = ()


class SuccessPolicy(Model, frozen=True):
    """io.k8s.api.batch.v1.SuccessPolicy"""

    rules: tuple[SuccessPolicyRule, ...] = field(default_factory=no_items)


class SuccessPolicyRule(Model, frozen=True):
    """io.k8s.api.batch.v1.SuccessPolicyRule"""

    succeeded_count: int | None = None
    succeeded_indexes: str | None = None


class UncountedTerminatedPods(Model, frozen=True):
    """io.k8s.api.batch.v1.UncountedTerminatedPods"""

    failed: tuple[str, ...] = ()
    succeeded: tuple[str, ...] = ()


class JobTemplateSpec(Model, frozen=True):
    """io.k8s.api.batch.v1.JobTemplateSpec"""

    metadata: ObjectMeta = field(default_factory=shown(ObjectMeta))
    spec: JobSpec = field(default_factory=shown(JobSpec))


class Job(Object, frozen=True):
    """io.k8s.api.batch.v1.Job"""

    kind: str = field(default_factory=lambda: "Job")
    api_version: str = field(default_factory=lambda: "batch/v1")
    spec: JobSpec = field(default_factory=shown(JobSpec))
    status: JobStatus = field(default_factory=shown(JobStatus))


class CronJobSpec(Model, frozen=True):
    """io.k8s.api.batch.v1.CronJobSpec"""

    concurrency_policy: str = ""
    failed_jobs_history_limit: int | None = None
    job_template: JobTemplateSpec = field(default_factory=shown(JobTemplateSpec))
    schedule: str = field(default_factory=empty_text)
    starting_deadline_seconds: int | None = None
    successful_jobs_history_limit: int | None = None
    suspend: bool | None = None
    time_zone: str | None = None


class CronJob(Object, frozen=True):
    """io.k8s.api.batch.v1.CronJob"""

    kind: str = field(default_factory=lambda: "CronJob")
    api_version: str = field(default_factory=lambda: "batch/v1")
    spec: CronJobSpec = field(default_factory=shown(CronJobSpec))
    status: CronJobStatus = field(default_factory=shown(CronJobStatus))
