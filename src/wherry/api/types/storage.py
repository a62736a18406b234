"""Generated from the Kubernetes API schema by hack/generate_types.py: storage. Do not edit."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import field

from wherry.api.types.core import PersistentVolumeSpec, TopologySelectorTerm
from wherry.machinery.meta import LabelSelector, Model, Object, empty_text, no, no_items, no_time, shown
from wherry.machinery.quantity import Quantity
from wherry.machinery.time import Time


class CSIDriverSpec(Model, frozen=True):
    """io.k8s.api.storage.v1.CSIDriverSpec"""

    attach_required: bool | None = None
    fs_group_policy: str | None = None
    node_allocatable_update_period_seconds: int | None = None
    pod_info_on_mount: bool | None = None
    prevent_pod_scheduling_if_missing: bool | None = None
    requires_republish: bool | None = None
    se_linux_mount: bool | None = None
    service_account_token_in_secrets: bool | None = None
    storage_capacity: bool | None = None
    token_requests: tuple[TokenRequest, ...] = ()
    volume_lifecycle_modes: tuple[str, ...] = ()


class CSINodeSpec(Model, frozen=True):
    """io.k8s.api.storage.v1.CSINodeSpec"""

    drivers: tuple[CSINodeDriver, ...] = field(default_factory=no_items)


class CSINodeStatus(Model, frozen=True):
    """io.k8s.api.storage.v1.CSINodeStatus"""

    storage_health: tuple[StorageHealth, ...] = ()


class CSINodeDriver(Model, frozen=True):
    """io.k8s.api.storage.v1.CSINodeDriver"""

    allocatable: VolumeNodeResources | None = None
    name: str = field(default_factory=empty_text)
    node_id: str = field(default_factory=empty_text, name="nodeID")
    topology_keys: tuple[str, ...] = field(default_factory=no_items)


class CSIStorageCapacity(Object, frozen=True):
    """io.k8s.api.storage.v1.CSIStorageCapacity"""

    kind: str = field(default_factory=lambda: "CSIStorageCapacity")
    api_version: str = field(default_factory=lambda: "storage.k8s.io/v1")
    capacity: Quantity | None = None
    maximum_volume_size: Quantity | None = None
    node_topology: LabelSelector | None = None
    storage_class_name: str = field(default_factory=empty_text)


class StorageClass(Object, frozen=True):
    """io.k8s.api.storage.v1.StorageClass"""

    kind: str = field(default_factory=lambda: "StorageClass")
    api_version: str = field(default_factory=lambda: "storage.k8s.io/v1")
    allow_volume_expansion: bool | None = None
    allowed_topologies: tuple[TopologySelectorTerm, ...] = ()
    mount_options: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    provisioner: str = field(default_factory=empty_text)
    reclaim_policy: str | None = None
    volume_binding_mode: str | None = None


class StorageHealth(Model, frozen=True):
    """io.k8s.api.storage.v1.StorageHealth"""

    health_conditions: tuple[StorageHealthCondition, ...] = ()
    name: str = field(default_factory=empty_text)


class StorageHealthCondition(Model, frozen=True):
    """io.k8s.api.storage.v1.StorageHealthCondition"""

    access_mode: str | None = None
    last_transition_time: Time | None = field(default_factory=no_time)
    message: str = ""
    reason: str = field(default_factory=empty_text)
    status: str = field(default_factory=empty_text)
    volume_mode: str | None = None


class TokenRequest(Model, frozen=True):
    """io.k8s.api.storage.v1.TokenRequest"""

    audience: str = field(default_factory=empty_text)
    expiration_seconds: int | None = None


class VolumeAttachmentStatus(Model, frozen=True):
    """io.k8s.api.storage.v1.VolumeAttachmentStatus"""

    attach_error: VolumeError | None = None
    attached: bool = field(default_factory=no)
    attachment_metadata: Mapping[str, str] = field(default_factory=dict)
    detach_error: VolumeError | None = None


class VolumeAttachmentSource(Model, frozen=True):
    """io.k8s.api.storage.v1.VolumeAttachmentSource"""

    inline_volume_spec: PersistentVolumeSpec | None = None
    persistent_volume_name: str | None = None


class VolumeAttributesClass(Object, frozen=True):
    """io.k8s.api.storage.v1.VolumeAttributesClass"""

    kind: str = field(default_factory=lambda: "VolumeAttributesClass")
    api_version: str = field(default_factory=lambda: "storage.k8s.io/v1")
    driver_name: str = field(default_factory=empty_text)
    parameters: Mapping[str, str] = field(default_factory=dict)


class VolumeError(Model, frozen=True):
    """io.k8s.api.storage.v1.VolumeError"""

    error_code: int | None = None
    message: str = ""
    time: Time | None = field(default_factory=no_time)


class VolumeNodeResources(Model, frozen=True):
    """io.k8s.api.storage.v1.VolumeNodeResources"""

    count: int | None = None


class CSIDriver(Object, frozen=True):
    """io.k8s.api.storage.v1.CSIDriver"""

    kind: str = field(default_factory=lambda: "CSIDriver")
    api_version: str = field(default_factory=lambda: "storage.k8s.io/v1")
    spec: CSIDriverSpec = field(default_factory=shown(CSIDriverSpec))


class CSINode(Object, frozen=True):
    """io.k8s.api.storage.v1.CSINode"""

    kind: str = field(default_factory=lambda: "CSINode")
    api_version: str = field(default_factory=lambda: "storage.k8s.io/v1")
    spec: CSINodeSpec = field(default_factory=shown(CSINodeSpec))
    status: CSINodeStatus = field(default_factory=shown(CSINodeStatus))


class VolumeAttachmentSpec(Model, frozen=True):
    """io.k8s.api.storage.v1.VolumeAttachmentSpec"""

    attacher: str = field(default_factory=empty_text)
    node_name: str = field(default_factory=empty_text)
    source: VolumeAttachmentSource = field(default_factory=shown(VolumeAttachmentSource))


class VolumeAttachment(Object, frozen=True):
    """io.k8s.api.storage.v1.VolumeAttachment"""

    kind: str = field(default_factory=lambda: "VolumeAttachment")
    api_version: str = field(default_factory=lambda: "storage.k8s.io/v1")
    spec: VolumeAttachmentSpec = field(default_factory=shown(VolumeAttachmentSpec))
    status: VolumeAttachmentStatus = field(default_factory=shown(VolumeAttachmentStatus))
