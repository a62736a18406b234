"""Generated from the Kubernetes API schema by hack/generate_types.py: apps. Do not edit."""

from __future__ import annotations

from typing import Any

from msgspec import field

from wherry.api.types.core import PersistentVolumeClaim, PodTemplateSpec
from wherry.machinery.meta import LabelSelector, Model, Object, empty_text, no_time, shown, zero
from wherry.machinery.time import Time


class ControllerRevision(Object, frozen=True):
    """io.k8s.api.apps.v1.ControllerRevision"""

    kind: str = field(default_factory=lambda: "ControllerRevision")
    api_version: str = field(default_factory=lambda: "apps/v1")
    data: Any = None
    revision: int = field(default_factory=zero)


class DaemonSetStatus(Model, frozen=True):
    """io.k8s.api.apps.v1.DaemonSetStatus"""

    collision_count: int | None = None
    conditions: tuple[DaemonSetCondition, ...] = ()
    current_number_scheduled: int = field(default_factory=zero)
    desired_number_scheduled: int = field(default_factory=zero)
    number_available: int = 0
    number_misscheduled: int = field(default_factory=zero)
    number_ready: int = field(default_factory=zero)
    number_unavailable: int = 0
    observed_generation: int = 0
    updated_number_scheduled: int = 0


class DaemonSetCondition(Model, frozen=True):
    """io.k8s.api.apps.v1.DaemonSetCondition"""

    last_transition_time: Time | None = field(default_factory=no_time)
    message: str = ""
    reason: str = ""
    status: str = field(default_factory=empty_text)
    type: str = field(default_factory=empty_text)


class DaemonSetUpdateStrategy(Model, frozen=True):
    """io.k8s.api.apps.v1.DaemonSetUpdateStrategy"""

    rolling_update: RollingUpdateDaemonSet | None = None
    type: str = ""


class DeploymentStatus(Model, frozen=True):
    """io.k8s.api.apps.v1.DeploymentStatus"""

    available_replicas: int = 0
    collision_count: int | None = None
    conditions: tuple[DeploymentCondition, ...] = ()
    observed_generation: int = 0
    ready_replicas: int = 0
    replicas: int = 0
    terminating_replicas: int | None = None
    unavailable_replicas: int = 0
    updated_replicas: int = 0


class DeploymentCondition(Model, frozen=True):
    """io.k8s.api.apps.v1.DeploymentCondition"""

    last_transition_time: Time | None = field(default_factory=no_time)
    last_update_time: Time | None = field(default_factory=no_time)
    message: str = ""
    reason: str = ""
    status: str = field(default_factory=empty_text)
    type: str = field(default_factory=empty_text)


class DeploymentStrategy(Model, frozen=True):
    """io.k8s.api.apps.v1.DeploymentStrategy"""

    rolling_update: RollingUpdateDeployment | None = None
    type: str = ""


class ReplicaSetSpec(Model, frozen=True):
    """io.k8s.api.apps.v1.ReplicaSetSpec"""

    min_ready_seconds: int = 0
    replicas: int | None = None
    selector: LabelSelector | None = None
    template: PodTemplateSpec = field(default_factory=shown(PodTemplateSpec))


class ReplicaSetStatus(Model, frozen=True):
    """io.k8s.api.apps.v1.ReplicaSetStatus"""

    available_replicas: int = 0
    conditions: tuple[ReplicaSetCondition, ...] = ()
    fully_labeled_replicas: int = 0
    observed_generation: int = 0
    ready_replicas: int = 0
    replicas: int = field(default_factory=zero)
    terminating_replicas: int | None = None


class ReplicaSetCondition(Model, frozen=True):
    """io.k8s.api.apps.v1.ReplicaSetCondition"""

    last_transition_time: Time | None = field(default_factory=no_time)
    message: str = ""
    reason: str = ""
    status: str = field(default_factory=empty_text)
    type: str = field(default_factory=empty_text)


class RollingUpdateDaemonSet(Model, frozen=True):
    """io.k8s.api.apps.v1.RollingUpdateDaemonSet"""

    max_surge: int | str | None = None
    max_unavailable: int | str | None = None


class RollingUpdateDeployment(Model, frozen=True):
    """io.k8s.api.apps.v1.RollingUpdateDeployment"""

    max_surge: int | str | None = None
    max_unavailable: int | str | None = None


class RollingUpdateStatefulSetStrategy(Model, frozen=True):
    """io.k8s.api.apps.v1.RollingUpdateStatefulSetStrategy"""

    max_unavailable: int | str | None = None
    partition: int | None = None


class StatefulSetStatus(Model, frozen=True):
    """io.k8s.api.apps.v1.StatefulSetStatus"""

    available_replicas: int = field(default_factory=zero)
    collision_count: int | None = None
    conditions: tuple[StatefulSetCondition, ...] = ()
    current_replicas: int = 0
    current_revision: str = ""
    observed_generation: int = 0
    ready_replicas: int = 0
    replicas: int = field(default_factory=zero)
    update_revision: str = ""
    updated_replicas: int = 0


class StatefulSetCondition(Model, frozen=True):
    """io.k8s.api.apps.v1.StatefulSetCondition"""

    last_transition_time: Time | None = field(default_factory=no_time)
    message: str = ""
    reason: str = ""
    status: str = field(default_factory=empty_text)
    type: str = field(default_factory=empty_text)


class StatefulSetOrdinals(Model, frozen=True):
    """io.k8s.api.apps.v1.StatefulSetOrdinals"""

    start: int = field(default_factory=zero)


class StatefulSetPersistentVolumeClaimRetentionPolicy(Model, frozen=True):
    """io.k8s.api.apps.v1.StatefulSetPersistentVolumeClaimRetentionPolicy"""

    when_deleted: str = ""
    when_scaled: str = ""


class StatefulSetUpdateStrategy(Model, frozen=True):
    """io.k8s.api.apps.v1.StatefulSetUpdateStrategy"""

    rolling_update: RollingUpdateStatefulSetStrategy | None = None
    type: str = ""


class DaemonSetSpec(Model, frozen=True):
    """io.k8s.api.apps.v1.DaemonSetSpec"""

    min_ready_seconds: int = 0
    revision_history_limit: int | None = None
    selector: LabelSelector | None = None
    template: PodTemplateSpec = field(default_factory=shown(PodTemplateSpec))
    update_strategy: DaemonSetUpdateStrategy = field(default_factory=shown(DaemonSetUpdateStrategy))


class DeploymentSpec(Model, frozen=True):
    """io.k8s.api.apps.v1.DeploymentSpec"""

    min_ready_seconds: int = 0
    paused: bool = False
    progress_deadline_seconds: int | None = None
    replicas: int | None = None
    revision_history_limit: int | None = None
    selector: LabelSelector | None = None
    strategy: DeploymentStrategy = field(default_factory=shown(DeploymentStrategy))
    template: PodTemplateSpec = field(default_factory=shown(PodTemplateSpec))


class ReplicaSet(Object, frozen=True):
    """io.k8s.api.apps.v1.ReplicaSet"""

    kind: str = field(default_factory=lambda: "ReplicaSet")
    api_version: str = field(default_factory=lambda: "apps/v1")
    spec: ReplicaSetSpec = field(default_factory=shown(ReplicaSetSpec))
    status: ReplicaSetStatus = field(default_factory=shown(ReplicaSetStatus))


class StatefulSetSpec(Model, frozen=True):
    """io.k8s.api.apps.v1.StatefulSetSpec"""

    min_ready_seconds: int = 0
    ordinals: StatefulSetOrdinals | None = None
    persistent_volume_claim_retention_policy: StatefulSetPersistentVolumeClaimRetentionPolicy | None = None
    pod_management_policy: str = ""
    replicas: int | None = None
    revision_history_limit: int | None = None
    selector: LabelSelector | None = None
    service_name: str = field(default_factory=empty_text)
    template: PodTemplateSpec = field(default_factory=shown(PodTemplateSpec))
    update_strategy: StatefulSetUpdateStrategy = field(default_factory=shown(StatefulSetUpdateStrategy))
    volume_claim_templates: tuple[PersistentVolumeClaim, ...] = ()


class DaemonSet(Object, frozen=True):
    """io.k8s.api.apps.v1.DaemonSet"""

    kind: str = field(default_factory=lambda: "DaemonSet")
    api_version: str = field(default_factory=lambda: "apps/v1")
    spec: DaemonSetSpec = field(default_factory=shown(DaemonSetSpec))
    status: DaemonSetStatus = field(default_factory=shown(DaemonSetStatus))


class Deployment(Object, frozen=True):
    """io.k8s.api.apps.v1.Deployment"""

    kind: str = field(default_factory=lambda: "Deployment")
    api_version: str = field(default_factory=lambda: "apps/v1")
    spec: DeploymentSpec = field(default_factory=shown(DeploymentSpec))
    status: DeploymentStatus = field(default_factory=shown(DeploymentStatus))


class StatefulSet(Object, frozen=True):
    """io.k8s.api.apps.v1.StatefulSet"""

    kind: str = field(default_factory=lambda: "StatefulSet")
    api_version: str = field(default_factory=lambda: "apps/v1")
    spec: StatefulSetSpec = field(default_factory=shown(StatefulSetSpec))
    status: StatefulSetStatus = field(default_factory=shown(StatefulSetStatus))
