"""Generated from the Kubernetes API schema by hack/generate_types.py: core. Do not edit."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import field

from wherry.machinery.meta import (
    Condition,
    LabelSelector,
    Model,
    Object,
    ObjectMeta,
    empty_text,
    no,
    no_items,
    no_time,
    shown,
    zero,
    zero_quantity,
)
from wherry.machinery.quantity import Quantity
from wherry.machinery.time import MicroTime, Time


class AWSElasticBlockStoreVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.AWSElasticBlockStoreVolumeSource"""

    fs_type: str = ""
    partition: int = 0
    read_only: bool = False
    volume_id: str = field(default_factory=empty_text, name="volumeID")


class Affinity(Model, frozen=True):
    """io.k8s.api.core.v1.Affinity"""

    node_affinity: NodeAffinity | None = None
    pod_affinity: PodAffinity | None = None
    pod_anti_affinity: PodAntiAffinity | None = None


class AppArmorProfile(Model, frozen=True):
    """io.k8s.api.core.v1.AppArmorProfile"""

    localhost_profile: str | None = None
    type: str = field(default_factory=empty_text)


class AttachedVolume(Model, frozen=True):
    """io.k8s.api.core.v1.AttachedVolume"""

    device_path: str = field(default_factory=empty_text)
    name: str = field(default_factory=empty_text)


class AzureDiskVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.AzureDiskVolumeSource"""

    caching_mode: str | None = None
    disk_name: str = field(default_factory=empty_text)
    disk_uri: str = field(default_factory=empty_text, name="diskURI")
    fs_type: str | None = None
    kind: str | None = None
    read_only: bool | None = None


class AzureFilePersistentVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.AzureFilePersistentVolumeSource"""

    read_only: bool = False
    secret_name: str = field(default_factory=empty_text)
    secret_namespace: str | None = None
    share_name: str = field(default_factory=empty_text)


class AzureFileVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.AzureFileVolumeSource"""

    read_only: bool = False
    secret_name: str = field(default_factory=empty_text)
    share_name: str = field(default_factory=empty_text)


class ObjectReference(Model, frozen=True):
    """io.k8s.api.core.v1.ObjectReference"""

    api_version: str = ""
    field_path: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""
    resource_version: str = ""
    uid: str = ""


class CSIPersistentVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.CSIPersistentVolumeSource"""

    controller_expand_secret_ref: SecretReference | None = None
    controller_publish_secret_ref: SecretReference | None = None
    driver: str = field(default_factory=empty_text)
    fs_type: str = ""
    node_expand_secret_ref: SecretReference | None = None
    node_publish_secret_ref: SecretReference | None = None
    node_stage_secret_ref: SecretReference | None = None
    read_only: bool = False
    volume_attributes: Mapping[str, str] = field(default_factory=dict)
    volume_handle: str = field(default_factory=empty_text)


class CSIVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.CSIVolumeSource"""

    driver: str = field(default_factory=empty_text)
    fs_type: str | None = None
    node_publish_secret_ref: LocalObjectReference | None = None
    read_only: bool | None = None
    volume_attributes: Mapping[str, str] = field(default_factory=dict)


class Capabilities(Model, frozen=True):
    """io.k8s.api.core.v1.Capabilities"""

    add: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


class CephFSPersistentVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.CephFSPersistentVolumeSource"""

    monitors: tuple[str, ...] = field(default_factory=no_items)
    path: str = ""
    read_only: bool = False
    secret_file: str = ""
    secret_ref: SecretReference | None = None
    user: str = ""


class CephFSVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.CephFSVolumeSource"""

    monitors: tuple[str, ...] = field(default_factory=no_items)
    path: str = ""
    read_only: bool = False
    secret_file: str = ""
    secret_ref: LocalObjectReference | None = None
    user: str = ""


class CinderPersistentVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.CinderPersistentVolumeSource"""

    fs_type: str = ""
    read_only: bool = False
    secret_ref: SecretReference | None = None
    volume_id: str = field(default_factory=empty_text, name="volumeID")


class CinderVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.CinderVolumeSource"""

    fs_type: str = ""
    read_only: bool = False
    secret_ref: LocalObjectReference | None = None
    volume_id: str = field(default_factory=empty_text, name="volumeID")


class ClientIPConfig(Model, frozen=True):
    """io.k8s.api.core.v1.ClientIPConfig"""

    timeout_seconds: int | None = None


class ClusterTrustBundleProjection(Model, frozen=True):
    """io.k8s.api.core.v1.ClusterTrustBundleProjection"""

    label_selector: LabelSelector | None = None
    name: str | None = None
    optional: bool | None = None
    path: str = field(default_factory=empty_text)
    signer_name: str | None = None
    user: int | None = None


class ComponentCondition(Model, frozen=True):
    """io.k8s.api.core.v1.ComponentCondition"""

    error: str = ""
    message: str = ""
    status: str = field(default_factory=empty_text)
    type: str = field(default_factory=empty_text)


class ComponentStatus(Object, frozen=True):
    """io.k8s.api.core.v1.ComponentStatus"""

    kind: str = field(default_factory=lambda: "ComponentStatus")
    api_version: str = field(default_factory=lambda: "v1")
    conditions: tuple[ComponentCondition, ...] = ()


class ConfigMap(Object, frozen=True):
    """io.k8s.api.core.v1.ConfigMap"""

    kind: str = field(default_factory=lambda: "ConfigMap")
    api_version: str = field(default_factory=lambda: "v1")
    binary_data: Mapping[str, bytes] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    immutable: bool | None = None


class ConfigMapEnvSource(Model, frozen=True):
    """io.k8s.api.core.v1.ConfigMapEnvSource"""

    name: str = ""
    optional: bool | None = None


class ConfigMapKeySelector(Model, frozen=True):
    """io.k8s.api.core.v1.ConfigMapKeySelector"""

    key: str = field(default_factory=empty_text)
    name: str = ""
    optional: bool | None = None


class ConfigMapNodeConfigSource(Model, frozen=True):
    """io.k8s.api.core.v1.ConfigMapNodeConfigSource"""

    kubelet_config_key: str = field(default_factory=empty_text)
    name: str = field(default_factory=empty_text)
    namespace: str = field(default_factory=empty_text)
    resource_version: str = ""
    uid: str = ""


class ConfigMapProjection(Model, frozen=True):
    """io.k8s.api.core.v1.ConfigMapProjection"""

    items: tuple[KeyToPath, ...] = ()
    name: str = ""
    optional: bool | None = None


class ConfigMapVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.ConfigMapVolumeSource"""

    default_mode: int | None = None
    default_user: int | None = None
    items: tuple[KeyToPath, ...] = ()
    name: str = ""
    optional: bool | None = None


class ResourceRequirements(Model, frozen=True):
    """io.k8s.api.core.v1.ResourceRequirements"""

    claims: tuple[ResourceClaim, ...] = ()
    limits: Mapping[str, Quantity] = field(default_factory=dict)
    requests: Mapping[str, Quantity] = field(default_factory=dict)


class ContainerExtendedResourceRequest(Model, frozen=True):
    """io.k8s.api.core.v1.ContainerExtendedResourceRequest"""

    container_name: str = field(default_factory=empty_text)
    request_name: str = field(default_factory=empty_text)
    resource_name: str = field(default_factory=empty_text)


class ContainerImage(Model, frozen=True):
    """io.k8s.api.core.v1.ContainerImage"""

    names: tuple[str, ...] = field(default_factory=no_items)
    size_bytes: int = 0


class ContainerPort(Model, frozen=True):
    """io.k8s.api.core.v1.ContainerPort"""

    container_port: int = field(default_factory=zero)
    host_ip: str = field(default="", name="hostIP")
    host_port: int = 0
    name: str = ""
    protocol: str = ""


class ContainerResizePolicy(Model, frozen=True):
    """io.k8s.api.core.v1.ContainerResizePolicy"""

    resource_name: str = field(default_factory=empty_text)
    restart_policy: str = field(default_factory=empty_text)


class ContainerRestartRule(Model, frozen=True):
    """io.k8s.api.core.v1.ContainerRestartRule"""

    action: str = ""
    exit_codes: ContainerRestartRuleOnExitCodes | None = None


class ContainerRestartRuleOnExitCodes(Model, frozen=True):
    """io.k8s.api.core.v1.ContainerRestartRuleOnExitCodes"""

    operator: str = ""
    values: tuple[int, ...] = ()


class ContainerState(Model, frozen=True):
    """io.k8s.api.core.v1.ContainerState"""

    running: ContainerStateRunning | None = None
    terminated: ContainerStateTerminated | None = None
    waiting: ContainerStateWaiting | None = None


class ContainerStateRunning(Model, frozen=True):
    """io.k8s.api.core.v1.ContainerStateRunning"""

    started_at: Time | None = field(default_factory=no_time)


class ContainerStateTerminated(Model, frozen=True):
    """io.k8s.api.core.v1.ContainerStateTerminated"""

    container_id: str = field(default="", name="containerID")
    exit_code: int = field(default_factory=zero)
    finished_at: Time | None = field(default_factory=no_time)
    message: str = ""
    reason: str = ""
    signal: int = 0
    started_at: Time | None = field(default_factory=no_time)


class ContainerStateWaiting(Model, frozen=True):
    """io.k8s.api.core.v1.ContainerStateWaiting"""

    message: str = ""
    reason: str = ""


class ContainerUser(Model, frozen=True):
    """io.k8s.api.core.v1.ContainerUser"""

    linux: LinuxContainerUser | None = None


class DaemonEndpoint(Model, frozen=True):
    """io.k8s.api.core.v1.DaemonEndpoint"""

    port: int = field(default_factory=zero, name="Port")


class DownwardAPIProjection(Model, frozen=True):
    """io.k8s.api.core.v1.DownwardAPIProjection"""

    items: tuple[DownwardAPIVolumeFile, ...] = ()


class DownwardAPIVolumeFile(Model, frozen=True):
    """io.k8s.api.core.v1.DownwardAPIVolumeFile"""

    field_ref: ObjectFieldSelector | None = None
    mode: int | None = None
    path: str = field(default_factory=empty_text)
    resource_field_ref: ResourceFieldSelector | None = None
    user: int | None = None


class DownwardAPIVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.DownwardAPIVolumeSource"""

    default_mode: int | None = None
    default_user: int | None = None
    items: tuple[DownwardAPIVolumeFile, ...] = ()


class EmptyDirVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.EmptyDirVolumeSource"""

    medium: str = ""
    mode: int | None = None
    size_limit: Quantity | None = None


class EndpointAddress(Model, frozen=True):
    """io.k8s.api.core.v1.EndpointAddress"""

    hostname: str = ""
    ip: str = field(default_factory=empty_text)
    node_name: str | None = None
    target_ref: ObjectReference | None = None


class EndpointPort(Model, frozen=True):
    """io.k8s.api.core.v1.EndpointPort"""

    app_protocol: str | None = None
    name: str = ""
    port: int = field(default_factory=zero)
    protocol: str = ""


class EndpointSubset(Model, frozen=True):
    """io.k8s.api.core.v1.EndpointSubset"""

    addresses: tuple[EndpointAddress, ...] = ()
    not_ready_addresses: tuple[EndpointAddress, ...] = ()
    ports: tuple[EndpointPort, ...] = ()


class Endpoints(Object, frozen=True):
    """io.k8s.api.core.v1.Endpoints"""

    kind: str = field(default_factory=lambda: "Endpoints")
    api_version: str = field(default_factory=lambda: "v1")
    subsets: tuple[EndpointSubset, ...] = ()


class EnvFromSource(Model, frozen=True):
    """io.k8s.api.core.v1.EnvFromSource"""

    config_map_ref: ConfigMapEnvSource | None = None
    prefix: str = ""
    secret_ref: SecretEnvSource | None = None


class EnvVar(Model, frozen=True):
    """io.k8s.api.core.v1.EnvVar"""

    name: str = field(default_factory=empty_text)
    value: str = ""
    value_from: EnvVarSource | None = None


class EnvVarSource(Model, frozen=True):
    """io.k8s.api.core.v1.EnvVarSource"""

    config_map_key_ref: ConfigMapKeySelector | None = None
    field_ref: ObjectFieldSelector | None = None
    file_key_ref: FileKeySelector | None = None
    resource_field_ref: ResourceFieldSelector | None = None
    secret_key_ref: SecretKeySelector | None = None


class EphemeralVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.EphemeralVolumeSource"""

    volume_claim_template: PersistentVolumeClaimTemplate | None = None


class EventSource(Model, frozen=True):
    """io.k8s.api.core.v1.EventSource"""

    component: str = ""
    host: str = ""


class EventSeries(Model, frozen=True):
    """io.k8s.api.core.v1.EventSeries"""

    count: int = 0
    last_observed_time: MicroTime | None = field(default_factory=no_time)


class EvictionResponder(Model, frozen=True):
    """io.k8s.api.core.v1.EvictionResponder"""

    name: str = field(default_factory=empty_text)
    priority: int | None = None


class ExecAction(Model, frozen=True):
    """io.k8s.api.core.v1.ExecAction"""

    command: tuple[str, ...] = ()


class FCVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.FCVolumeSource"""

    fs_type: str = ""
    lun: int | None = None
    read_only: bool = False
    target_wwns: tuple[str, ...] = field(default=(), name="targetWWNs")
    wwids: tuple[str, ...] = ()


class FileKeySelector(Model, frozen=True):
    """io.k8s.api.core.v1.FileKeySelector"""

    key: str = field(default_factory=empty_text)
    optional: bool | None = None
    path: str = field(default_factory=empty_text)
    volume_name: str = field(default_factory=empty_text)


class FlexPersistentVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.FlexPersistentVolumeSource"""

    driver: str = field(default_factory=empty_text)
    fs_type: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    read_only: bool = False
    secret_ref: SecretReference | None = None


class FlexVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.FlexVolumeSource"""

    driver: str = field(default_factory=empty_text)
    fs_type: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    read_only: bool = False
    secret_ref: LocalObjectReference | None = None


class FlockerVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.FlockerVolumeSource"""

    dataset_name: str = ""
    dataset_uuid: str = field(default="", name="datasetUUID")


class GCEPersistentDiskVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.GCEPersistentDiskVolumeSource"""

    fs_type: str = ""
    partition: int = 0
    pd_name: str = field(default_factory=empty_text)
    read_only: bool = False


class GRPCAction(Model, frozen=True):
    """io.k8s.api.core.v1.GRPCAction"""

    mode: str | None = None
    port: int = field(default_factory=zero)
    service: str | None = None


class GitRepoVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.GitRepoVolumeSource"""

    directory: str = ""
    repository: str = field(default_factory=empty_text)
    revision: str = ""


class GlusterfsPersistentVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.GlusterfsPersistentVolumeSource"""

    endpoints: str = field(default_factory=empty_text)
    endpoints_namespace: str | None = None
    path: str = field(default_factory=empty_text)
    read_only: bool = False


class GlusterfsVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.GlusterfsVolumeSource"""

    endpoints: str = field(default_factory=empty_text)
    path: str = field(default_factory=empty_text)
    read_only: bool = False


class HTTPGetAction(Model, frozen=True):
    """io.k8s.api.core.v1.HTTPGetAction"""

    host: str = ""
    http_headers: tuple[HTTPHeader, ...] = ()
    path: str = ""
    port: int | str | None = None
    protocol: str | None = None
    scheme: str = ""


class HTTPHeader(Model, frozen=True):
    """io.k8s.api.core.v1.HTTPHeader"""

    name: str = field(default_factory=empty_text)
    value: str = field(default_factory=empty_text)


class HostAlias(Model, frozen=True):
    """io.k8s.api.core.v1.HostAlias"""

    hostnames: tuple[str, ...] = ()
    ip: str = field(default_factory=empty_text)


class HostIP(Model, frozen=True):
    """io.k8s.api.core.v1.HostIP"""

    ip: str = field(default_factory=empty_text)


class HostPathVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.HostPathVolumeSource"""

    path: str = field(default_factory=empty_text)
    type: str | None = None


class ISCSIPersistentVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.ISCSIPersistentVolumeSource"""

    chap_auth_discovery: bool = False
    chap_auth_session: bool = False
    fs_type: str = ""
    initiator_name: str | None = None
    iqn: str = field(default_factory=empty_text)
    iscsi_interface: str = ""
    lun: int = field(default_factory=zero)
    portals: tuple[str, ...] = ()
    read_only: bool = False
    secret_ref: SecretReference | None = None
    target_portal: str = field(default_factory=empty_text)


class ISCSIVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.ISCSIVolumeSource"""

    chap_auth_discovery: bool = False
    chap_auth_session: bool = False
    fs_type: str = ""
    initiator_name: str | None = None
    iqn: str = field(default_factory=empty_text)
    iscsi_interface: str = ""
    lun: int = field(default_factory=zero)
    portals: tuple[str, ...] = ()
    read_only: bool = False
    secret_ref: LocalObjectReference | None = None
    target_portal: str = field(default_factory=empty_text)


class ImageVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.ImageVolumeSource"""

    pull_policy: str = ""
    reference: str = ""


class ImageVolumeStatus(Model, frozen=True):
    """io.k8s.api.core.v1.ImageVolumeStatus"""

    image_ref: str = ""


class KeyToPath(Model, frozen=True):
    """io.k8s.api.core.v1.KeyToPath"""

    key: str = field(default_factory=empty_text)
    mode: int | None = None
    path: str = field(default_factory=empty_text)
    user: int | None = None


class Lifecycle(Model, frozen=True):
    """io.k8s.api.core.v1.Lifecycle"""

    post_start: LifecycleHandler | None = None
    pre_stop: LifecycleHandler | None = None
    stop_signal: str | None = None


class LifecycleHandler(Model, frozen=True):
    """io.k8s.api.core.v1.LifecycleHandler"""

    exec: ExecAction | None = None
    http_get: HTTPGetAction | None = None
    sleep: SleepAction | None = None
    tcp_socket: TCPSocketAction | None = None


class LimitRangeSpec(Model, frozen=True):
    """io.k8s.api.core.v1.LimitRangeSpec"""

    limits: tuple[LimitRangeItem, ...] = field(default_factory=no_items)


class LimitRangeItem(Model, frozen=True):
    """io.k8s.api.core.v1.LimitRangeItem"""

    default: Mapping[str, Quantity] = field(default_factory=dict)
    default_request: Mapping[str, Quantity] = field(default_factory=dict)
    max: Mapping[str, Quantity] = field(default_factory=dict)
    max_limit_request_ratio: Mapping[str, Quantity] = field(default_factory=dict)
    min: Mapping[str, Quantity] = field(default_factory=dict)
    type: str = field(default_factory=empty_text)


class LinuxContainerUser(Model, frozen=True):
    """io.k8s.api.core.v1.LinuxContainerUser"""

    gid: int = field(default_factory=zero)
    supplemental_groups: tuple[int, ...] = ()
    uid: int = field(default_factory=zero)


class LoadBalancerIngress(Model, frozen=True):
    """io.k8s.api.core.v1.LoadBalancerIngress"""

    hostname: str = ""
    ip: str = ""
    ip_mode: str | None = None
    ports: tuple[PortStatus, ...] = ()


class LoadBalancerStatus(Model, frozen=True):
    """io.k8s.api.core.v1.LoadBalancerStatus"""

    ingress: tuple[LoadBalancerIngress, ...] = ()


class LocalObjectReference(Model, frozen=True):
    """io.k8s.api.core.v1.LocalObjectReference"""

    name: str = ""


class LocalVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.LocalVolumeSource"""

    fs_type: str | None = None
    path: str = field(default_factory=empty_text)


class ModifyVolumeStatus(Model, frozen=True):
    """io.k8s.api.core.v1.ModifyVolumeStatus"""

    status: str = field(default_factory=empty_text)
    target_volume_attributes_class_name: str = ""


class NFSVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.NFSVolumeSource"""

    path: str = field(default_factory=empty_text)
    read_only: bool = False
    server: str = field(default_factory=empty_text)


class NamespaceSpec(Model, frozen=True):
    """io.k8s.api.core.v1.NamespaceSpec"""

    finalizers: tuple[str, ...] = ()


class NamespaceStatus(Model, frozen=True):
    """io.k8s.api.core.v1.NamespaceStatus"""

    conditions: tuple[NamespaceCondition, ...] = ()
    phase: str = ""


class NamespaceCondition(Model, frozen=True):
    """io.k8s.api.core.v1.NamespaceCondition"""

    last_transition_time: Time | None = field(default_factory=no_time)
    message: str = ""
    reason: str = ""
    status: str = field(default_factory=empty_text)
    type: str = field(default_factory=empty_text)


class NodeSpec(Model, frozen=True):
    """io.k8s.api.core.v1.NodeSpec"""

    config_source: NodeConfigSource | None = None
    external_id: str = field(default="", name="externalID")
    pod_cidr: str = field(default="", name="podCIDR")
    pod_cidrs: tuple[str, ...] = field(default=(), name="podCIDRs")
    pod_preemption_policy: NodePodPreemptionPolicy | None = None
    provider_id: str = field(default="", name="providerID")
    taints: tuple[Taint, ...] = ()
    unschedulable: bool = False


class NodeAddress(Model, frozen=True):
    """io.k8s.api.core.v1.NodeAddress"""

    address: str = field(default_factory=empty_text)
    type: str = field(default_factory=empty_text)


class NodeAffinity(Model, frozen=True):
    """io.k8s.api.core.v1.NodeAffinity"""

    preferred_during_scheduling_ignored_during_execution: tuple[PreferredSchedulingTerm, ...] = ()
    required_during_scheduling_ignored_during_execution: NodeSelector | None = None


class NodeAllocatableMappedResources(Model, frozen=True):
    """io.k8s.api.core.v1.NodeAllocatableMappedResources"""

    name: str = field(default_factory=empty_text)
    quantity: Quantity | None = None


class NodeAllocatableOverheadResources(Model, frozen=True):
    """io.k8s.api.core.v1.NodeAllocatableOverheadResources"""

    name: str = field(default_factory=empty_text)
    per_container: Quantity | None = None
    per_pod: Quantity | None = None


class NodeAllocatableResourceClaimStatus(Model, frozen=True):
    """io.k8s.api.core.v1.NodeAllocatableResourceClaimStatus"""

    containers: tuple[str, ...] = ()
    mapping: tuple[NodeAllocatableMappedResources, ...] = ()
    overhead: tuple[NodeAllocatableOverheadResources, ...] = ()
    resource_claim_name: str = field(default_factory=empty_text)


class NodeCondition(Model, frozen=True):
    """io.k8s.api.core.v1.NodeCondition"""

    last_heartbeat_time: Time | None = field(default_factory=no_time)
    last_transition_time: Time | None = field(default_factory=no_time)
    message: str = ""
    reason: str = ""
    status: str = field(default_factory=empty_text)
    type: str = field(default_factory=empty_text)


class NodeConfigSource(Model, frozen=True):
    """io.k8s.api.core.v1.NodeConfigSource"""

    config_map: ConfigMapNodeConfigSource | None = None


class NodeConfigStatus(Model, frozen=True):
    """io.k8s.api.core.v1.NodeConfigStatus"""

    active: NodeConfigSource | None = None
    assigned: NodeConfigSource | None = None
    error: str = ""
    last_known_good: NodeConfigSource | None = None


class NodeFeatures(Model, frozen=True):
    """io.k8s.api.core.v1.NodeFeatures"""

    supplemental_groups_policy: bool | None = None


class NodePodPreemptionPolicy(Model, frozen=True):
    """io.k8s.api.core.v1.NodePodPreemptionPolicy"""

    disable_resize_preemption: tuple[str, ...] = ()


class NodeRuntimeHandler(Model, frozen=True):
    """io.k8s.api.core.v1.NodeRuntimeHandler"""

    features: NodeRuntimeHandlerFeatures | None = None
    name: str = field(default_factory=empty_text)


class NodeRuntimeHandlerFeatures(Model, frozen=True):
    """io.k8s.api.core.v1.NodeRuntimeHandlerFeatures"""

    recursive_read_only_mounts: bool | None = None
    user_namespaces: bool | None = None


class NodeSelector(Model, frozen=True):
    """io.k8s.api.core.v1.NodeSelector"""

    node_selector_terms: tuple[NodeSelectorTerm, ...] = field(default_factory=no_items)


class NodeSelectorRequirement(Model, frozen=True):
    """io.k8s.api.core.v1.NodeSelectorRequirement"""

    key: str = field(default_factory=empty_text)
    operator: str = field(default_factory=empty_text)
    values: tuple[str, ...] = ()


class NodeSelectorTerm(Model, frozen=True):
    """io.k8s.api.core.v1.NodeSelectorTerm"""

    match_expressions: tuple[NodeSelectorRequirement, ...] = ()
    match_fields: tuple[NodeSelectorRequirement, ...] = ()


class NodeSystemInfo(Model, frozen=True):
    """io.k8s.api.core.v1.NodeSystemInfo"""

    architecture: str = field(default_factory=empty_text)
    boot_id: str = field(default_factory=empty_text, name="bootID")
    container_runtime_version: str = field(default_factory=empty_text)
    kernel_version: str = field(default_factory=empty_text)
    kube_proxy_version: str = field(default_factory=empty_text)
    kubelet_version: str = field(default_factory=empty_text)
    machine_id: str = field(default_factory=empty_text, name="machineID")
    operating_system: str = field(default_factory=empty_text)
    os_image: str = field(default_factory=empty_text)
    running_in_user_namespace: bool | None = None
    swap: NodeSwapStatus | None = None
    system_uuid: str = field(default_factory=empty_text, name="systemUUID")


class NodeSwapStatus(Model, frozen=True):
    """io.k8s.api.core.v1.NodeSwapStatus"""

    capacity: int | None = None


class ObjectFieldSelector(Model, frozen=True):
    """io.k8s.api.core.v1.ObjectFieldSelector"""

    api_version: str = ""
    field_path: str = field(default_factory=empty_text)


class PersistentVolumeSpec(Model, frozen=True):
    """io.k8s.api.core.v1.PersistentVolumeSpec"""

    access_modes: tuple[str, ...] = ()
    aws_elastic_block_store: AWSElasticBlockStoreVolumeSource | None = None
    azure_disk: AzureDiskVolumeSource | None = None
    azure_file: AzureFilePersistentVolumeSource | None = None
    capacity: Mapping[str, Quantity] = field(default_factory=dict)
    cephfs: CephFSPersistentVolumeSource | None = None
    cinder: CinderPersistentVolumeSource | None = None
    claim_ref: ObjectReference | None = None
    csi: CSIPersistentVolumeSource | None = None
    fc: FCVolumeSource | None = None
    flex_volume: FlexPersistentVolumeSource | None = None
    flocker: FlockerVolumeSource | None = None
    gce_persistent_disk: GCEPersistentDiskVolumeSource | None = None
    glusterfs: GlusterfsPersistentVolumeSource | None = None
    host_path: HostPathVolumeSource | None = None
    iscsi: ISCSIPersistentVolumeSource | None = None
    local: LocalVolumeSource | None = None
    mount_options: tuple[str, ...] = ()
    nfs: NFSVolumeSource | None = None
    node_affinity: VolumeNodeAffinity | None = None
    persistent_volume_reclaim_policy: str = ""
    photon_persistent_disk: PhotonPersistentDiskVolumeSource | None = None
    portworx_volume: PortworxVolumeSource | None = None
    quobyte: QuobyteVolumeSource | None = None
    rbd: RBDPersistentVolumeSource | None = None
    scale_io: ScaleIOPersistentVolumeSource | None = field(default=None, name="scaleIO")
    storage_class_name: str = ""
    storageos: StorageOSPersistentVolumeSource | None = None
    volume_attributes_class_name: str | None = None
    volume_mode: str | None = None
    vsphere_volume: VsphereVirtualDiskVolumeSource | None = None


class PersistentVolumeStatus(Model, frozen=True):
    """io.k8s.api.core.v1.PersistentVolumeStatus"""

    last_phase_transition_time: Time | None = None
    message: str = ""
    phase: str = ""
    reason: str = ""


class PersistentVolumeClaimStatus(Model, frozen=True):
    """io.k8s.api.core.v1.PersistentVolumeClaimStatus"""

    access_modes: tuple[str, ...] = ()
    allocated_resource_statuses: Mapping[str, str] = field(default_factory=dict)
    allocated_resources: Mapping[str, Quantity] = field(default_factory=dict)
    capacity: Mapping[str, Quantity] = field(default_factory=dict)
    conditions: tuple[PersistentVolumeClaimCondition, ...] = ()
    current_volume_attributes_class_name: str | None = None
    health_status: VolumeHealthStatus | None = None
    modify_volume_status: ModifyVolumeStatus | None = None
    phase: str = ""


class PersistentVolumeClaimCondition(Model, frozen=True):
    """io.k8s.api.core.v1.PersistentVolumeClaimCondition"""

    last_probe_time: Time | None = field(default_factory=no_time)
    last_transition_time: Time | None = field(default_factory=no_time)
    message: str = ""
    reason: str = ""
    status: str = field(default_factory=empty_text)
    type: str = field(default_factory=empty_text)


class VolumeResourceRequirements(Model, frozen=True):
    """io.k8s.api.core.v1.VolumeResourceRequirements"""

    limits: Mapping[str, Quantity] = field(default_factory=dict)
    requests: Mapping[str, Quantity] = field(default_factory=dict)


class PersistentVolumeClaimVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.PersistentVolumeClaimVolumeSource"""

    claim_name: str = field(default_factory=empty_text)
    read_only: bool = False


class PhotonPersistentDiskVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.PhotonPersistentDiskVolumeSource"""

    fs_type: str = ""
    pd_id: str = field(default_factory=empty_text, name="pdID")


class PodSpec(Model, frozen=True):
    """io.k8s.api.core.v1.PodSpec"""

    active_deadline_seconds: int | None = None
    affinity: Affinity | None = None
    automount_service_account_token: bool | None = None
    containers: tuple[Container, ...] = field(default_factory=no_items)
    dns_config: PodDNSConfig | None = None
    dns_policy: str = ""
    enable_service_links: bool | None = None
    ephemeral_containers: tuple[EphemeralContainer, ...] = ()
    eviction_responders: tuple[EvictionResponder, ...] = ()
    host_aliases: tuple[HostAlias, ...] = ()
    host_ipc: bool = field(default=False, name="hostIPC")
    host_network: bool = False
    host_pid: bool = field(default=False, name="hostPID")
    host_users: bool | None = None
    hostname: str = ""
    hostname_override: str | None = None
    image_pull_secrets: tuple[LocalObjectReference, ...] = ()
    init_containers: tuple[Container, ...] = ()
    node_name: str = ""
    node_selector: Mapping[str, str] = field(default_factory=dict)
    os: PodOS | None = None
    overhead: Mapping[str, Quantity] = field(default_factory=dict)
    preemption_policy: str | None = None
    priority: int | None = None
    priority_class_name: str = ""
    readiness_gates: tuple[PodReadinessGate, ...] = ()
    resource_claims: tuple[PodResourceClaim, ...] = ()
    resources: ResourceRequirements | None = None
    restart_policy: str = ""
    runtime_class_name: str | None = None
    scheduler_name: str = ""
    scheduling_gates: tuple[PodSchedulingGate, ...] = ()
    scheduling_group: PodSchedulingGroup | None = None
    security_context: PodSecurityContext | None = None
    service_account: str = ""
    service_account_name: str = ""
    set_hostname_as_fqdn: bool | None = field(default=None, name="setHostnameAsFQDN")
    share_process_namespace: bool | None = None
    subdomain: str = ""
    termination_grace_period_seconds: int | None = None
    tolerations: tuple[Toleration, ...] = ()
    topology_spread_constraints: tuple[TopologySpreadConstraint, ...] = ()
    volumes: tuple[Volume, ...] = ()


class PodStatus(Model, frozen=True):
    """io.k8s.api.core.v1.PodStatus"""

    allocated_resources: Mapping[str, Quantity] = field(default_factory=dict)
    conditions: tuple[PodCondition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    ephemeral_container_statuses: tuple[ContainerStatus, ...] = ()
    extended_resource_claim_status: PodExtendedResourceClaimStatus | None = None
    host_ip: str = field(default="", name="hostIP")
    host_ips: tuple[HostIP, ...] = field(default=(), name="hostIPs")
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    message: str = ""
    node_allocatable_resource_claim_statuses: tuple[NodeAllocatableResourceClaimStatus, ...] = ()
    nominated_node_name: str = ""
    observed_generation: int = 0
    phase: str = ""
    pod_ip: str = field(default="", name="podIP")
    pod_ips: tuple[PodIP, ...] = field(default=(), name="podIPs")
    qos_class: str = ""
    reason: str = ""
    resize: str = ""
    resource_claim_statuses: tuple[PodResourceClaimStatus, ...] = ()
    resources: ResourceRequirements | None = None
    start_time: Time | None = None
    volume_health: tuple[PodVolumeHealth, ...] = ()


class PodAffinity(Model, frozen=True):
    """io.k8s.api.core.v1.PodAffinity"""

    preferred_during_scheduling_ignored_during_execution: tuple[WeightedPodAffinityTerm, ...] = ()
    required_during_scheduling_ignored_during_execution: tuple[PodAffinityTerm, ...] = ()


class PodAffinityTerm(Model, frozen=True):
    """io.k8s.api.core.v1.PodAffinityTerm"""

    label_selector: LabelSelector | None = None
    match_label_keys: tuple[str, ...] = ()
    mismatch_label_keys: tuple[str, ...] = ()
    namespace_selector: LabelSelector | None = None
    namespaces: tuple[str, ...] = ()
    topology_key: str = field(default_factory=empty_text)


class PodAntiAffinity(Model, frozen=True):
    """io.k8s.api.core.v1.PodAntiAffinity"""

    preferred_during_scheduling_ignored_during_execution: tuple[WeightedPodAffinityTerm, ...] = ()
    required_during_scheduling_ignored_during_execution: tuple[PodAffinityTerm, ...] = ()


class PodCertificateProjection(Model, frozen=True):
    """io.k8s.api.core.v1.PodCertificateProjection"""

    certificate_chain_path: str = ""
    credential_bundle_path: str = ""
    key_path: str = ""
    key_type: str = ""
    max_expiration_seconds: int | None = None
    signer_name: str = ""
    user: int | None = None
    user_annotations: Mapping[str, str] = field(default_factory=dict)


class PodCondition(Model, frozen=True):
    """io.k8s.api.core.v1.PodCondition"""

    last_probe_time: Time | None = field(default_factory=no_time)
    last_transition_time: Time | None = field(default_factory=no_time)
    message: str = ""
    observed_generation: int = 0
    reason: str = ""
    status: str = field(default_factory=empty_text)
    type: str = field(default_factory=empty_text)


class PodDNSConfig(Model, frozen=True):
    """io.k8s.api.core.v1.PodDNSConfig"""

    nameservers: tuple[str, ...] = ()
    options: tuple[PodDNSConfigOption, ...] = ()
    searches: tuple[str, ...] = ()


class PodDNSConfigOption(Model, frozen=True):
    """io.k8s.api.core.v1.PodDNSConfigOption"""

    name: str = ""
    value: str | None = None


class PodExtendedResourceClaimStatus(Model, frozen=True):
    """io.k8s.api.core.v1.PodExtendedResourceClaimStatus"""

    request_mappings: tuple[ContainerExtendedResourceRequest, ...] = field(default_factory=no_items)
    resource_claim_name: str = field(default_factory=empty_text)


class PodIP(Model, frozen=True):
    """io.k8s.api.core.v1.PodIP"""

    ip: str = field(default_factory=empty_text)


class PodOS(Model, frozen=True):
    """io.k8s.api.core.v1.PodOS"""

    name: str = field(default_factory=empty_text)


class PodReadinessGate(Model, frozen=True):
    """io.k8s.api.core.v1.PodReadinessGate"""

    condition_type: str = field(default_factory=empty_text)


class PodResourceClaim(Model, frozen=True):
    """io.k8s.api.core.v1.PodResourceClaim"""

    name: str = field(default_factory=empty_text)
    resource_claim_name: str | None = None
    resource_claim_template_name: str | None = None


class PodResourceClaimStatus(Model, frozen=True):
    """io.k8s.api.core.v1.PodResourceClaimStatus"""

    name: str = field(default_factory=empty_text)
    resource_claim_name: str | None = None


class PodSchedulingGate(Model, frozen=True):
    """io.k8s.api.core.v1.PodSchedulingGate"""

    name: str = field(default_factory=empty_text)


class PodSchedulingGroup(Model, frozen=True):
    """io.k8s.api.core.v1.PodSchedulingGroup"""

    pod_group_name: str | None = None


class PodSecurityContext(Model, frozen=True):
    """io.k8s.api.core.v1.PodSecurityContext"""

    app_armor_profile: AppArmorProfile | None = None
    fs_group: int | None = None
    fs_group_change_policy: str | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    run_as_user: int | None = None
    se_linux_change_policy: str | None = None
    se_linux_options: SELinuxOptions | None = None
    seccomp_profile: SeccompProfile | None = None
    supplemental_groups: tuple[int, ...] = ()
    supplemental_groups_policy: str | None = None
    sysctls: tuple[Sysctl, ...] = ()
    windows_options: WindowsSecurityContextOptions | None = None


class PodVolumeHealth(Model, frozen=True):
    """io.k8s.api.core.v1.PodVolumeHealth"""

    health_conditions: tuple[VolumeHealthCondition, ...] = ()
    last_transition_time: Time | None = field(default_factory=no_time)
    name: str = field(default_factory=empty_text)


class PortStatus(Model, frozen=True):
    """io.k8s.api.core.v1.PortStatus"""

    error: str | None = None
    port: int = field(default_factory=zero)
    protocol: str = field(default_factory=empty_text)


class PortworxVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.PortworxVolumeSource"""

    fs_type: str = ""
    read_only: bool = False
    volume_id: str = field(default_factory=empty_text, name="volumeID")


class Probe(Model, frozen=True):
    """io.k8s.api.core.v1.Probe"""

    exec: ExecAction | None = None
    failure_threshold: int = 0
    grpc: GRPCAction | None = None
    http_get: HTTPGetAction | None = None
    initial_delay_seconds: int = 0
    period_seconds: int = 0
    success_threshold: int = 0
    tcp_socket: TCPSocketAction | None = None
    termination_grace_period_seconds: int | None = None
    timeout_seconds: int = 0


class ProjectedVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.ProjectedVolumeSource"""

    default_mode: int | None = None
    default_user: int | None = None
    sources: tuple[VolumeProjection, ...] = field(default_factory=no_items)


class QuobyteVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.QuobyteVolumeSource"""

    group: str = ""
    read_only: bool = False
    registry: str = field(default_factory=empty_text)
    tenant: str = ""
    user: str = ""
    volume: str = field(default_factory=empty_text)


class RBDPersistentVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.RBDPersistentVolumeSource"""

    fs_type: str = ""
    image: str = field(default_factory=empty_text)
    keyring: str = ""
    monitors: tuple[str, ...] = field(default_factory=no_items)
    pool: str = ""
    read_only: bool = False
    secret_ref: SecretReference | None = None
    user: str = ""


class RBDVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.RBDVolumeSource"""

    fs_type: str = ""
    image: str = field(default_factory=empty_text)
    keyring: str = ""
    monitors: tuple[str, ...] = field(default_factory=no_items)
    pool: str = ""
    read_only: bool = False
    secret_ref: LocalObjectReference | None = None
    user: str = ""


class ReplicationControllerSpec(Model, frozen=True):
    """io.k8s.api.core.v1.ReplicationControllerSpec"""

    min_ready_seconds: int = 0
    replicas: int | None = None
    selector: Mapping[str, str] = field(default_factory=dict)
    template: PodTemplateSpec | None = None


class ReplicationControllerStatus(Model, frozen=True):
    """io.k8s.api.core.v1.ReplicationControllerStatus"""

    available_replicas: int = 0
    conditions: tuple[ReplicationControllerCondition, ...] = ()
    fully_labeled_replicas: int = 0
    observed_generation: int = 0
    ready_replicas: int = 0
    replicas: int = field(default_factory=zero)


class ReplicationControllerCondition(Model, frozen=True):
    """io.k8s.api.core.v1.ReplicationControllerCondition"""

    last_transition_time: Time | None = field(default_factory=no_time)
    message: str = ""
    reason: str = ""
    status: str = field(default_factory=empty_text)
    type: str = field(default_factory=empty_text)


class ResourceClaim(Model, frozen=True):
    """io.k8s.api.core.v1.ResourceClaim"""

    name: str = field(default_factory=empty_text)
    request: str = ""


class ResourceFieldSelector(Model, frozen=True):
    """io.k8s.api.core.v1.ResourceFieldSelector"""

    container_name: str = ""
    divisor: Quantity = field(default_factory=zero_quantity)
    resource: str = field(default_factory=empty_text)


class ResourceHealth(Model, frozen=True):
    """io.k8s.api.core.v1.ResourceHealth"""

    health: str = ""
    message: str | None = None
    resource_id: str = field(default_factory=empty_text, name="resourceID")


class ResourceQuotaSpec(Model, frozen=True):
    """io.k8s.api.core.v1.ResourceQuotaSpec"""

    hard: Mapping[str, Quantity] = field(default_factory=dict)
    scope_selector: ScopeSelector | None = None
    scopes: tuple[str, ...] = ()


class ResourceQuotaStatus(Model, frozen=True):
    """io.k8s.api.core.v1.ResourceQuotaStatus"""

    hard: Mapping[str, Quantity] = field(default_factory=dict)
    used: Mapping[str, Quantity] = field(default_factory=dict)


class ResourceStatus(Model, frozen=True):
    """io.k8s.api.core.v1.ResourceStatus"""

    name: str = field(default_factory=empty_text)
    resources: tuple[ResourceHealth, ...] = ()


class SELinuxOptions(Model, frozen=True):
    """io.k8s.api.core.v1.SELinuxOptions"""

    level: str = ""
    role: str = ""
    type: str = ""
    user: str = ""


class ScaleIOPersistentVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.ScaleIOPersistentVolumeSource"""

    fs_type: str = ""
    gateway: str = field(default_factory=empty_text)
    protection_domain: str = ""
    read_only: bool = False
    secret_ref: SecretReference | None = None
    ssl_enabled: bool = False
    storage_mode: str = ""
    storage_pool: str = ""
    system: str = field(default_factory=empty_text)
    volume_name: str = ""


class ScaleIOVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.ScaleIOVolumeSource"""

    fs_type: str = ""
    gateway: str = field(default_factory=empty_text)
    protection_domain: str = ""
    read_only: bool = False
    secret_ref: LocalObjectReference | None = None
    ssl_enabled: bool = False
    storage_mode: str = ""
    storage_pool: str = ""
    system: str = field(default_factory=empty_text)
    volume_name: str = ""


class ScopeSelector(Model, frozen=True):
    """io.k8s.api.core.v1.ScopeSelector"""

    match_expressions: tuple[ScopedResourceSelectorRequirement, ...] = ()


class ScopedResourceSelectorRequirement(Model, frozen=True):
    """io.k8s.api.core.v1.ScopedResourceSelectorRequirement"""

    operator: str = field(default_factory=empty_text)
    scope_name: str = field(default_factory=empty_text)
    values: tuple[str, ...] = ()


class SeccompProfile(Model, frozen=True):
    """io.k8s.api.core.v1.SeccompProfile"""

    localhost_profile: str | None = None
    type: str = field(default_factory=empty_text)


class Secret(Object, frozen=True):
    """io.k8s.api.core.v1.Secret"""

    kind: str = field(default_factory=lambda: "Secret")
    api_version: str = field(default_factory=lambda: "v1")
    data: Mapping[str, bytes] = field(default_factory=dict)
    immutable: bool | None = None
    string_data: Mapping[str, str] = field(default_factory=dict)
    type: str = ""


class SecretEnvSource(Model, frozen=True):
    """io.k8s.api.core.v1.SecretEnvSource"""

    name: str = ""
    optional: bool | None = None


class SecretKeySelector(Model, frozen=True):
    """io.k8s.api.core.v1.SecretKeySelector"""

    key: str = field(default_factory=empty_text)
    name: str = ""
    optional: bool | None = None


class SecretProjection(Model, frozen=True):
    """io.k8s.api.core.v1.SecretProjection"""

    items: tuple[KeyToPath, ...] = ()
    name: str = ""
    optional: bool | None = None


class SecretReference(Model, frozen=True):
    """io.k8s.api.core.v1.SecretReference"""

    name: str = ""
    namespace: str = ""


class SecretVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.SecretVolumeSource"""

    default_mode: int | None = None
    default_user: int | None = None
    items: tuple[KeyToPath, ...] = ()
    optional: bool | None = None
    secret_name: str = ""


class SecurityContext(Model, frozen=True):
    """io.k8s.api.core.v1.SecurityContext"""

    allow_privilege_escalation: bool | None = None
    app_armor_profile: AppArmorProfile | None = None
    capabilities: Capabilities | None = None
    privileged: bool | None = None
    proc_mount: str | None = None
    read_only_root_filesystem: bool | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    run_as_user: int | None = None
    se_linux_options: SELinuxOptions | None = None
    seccomp_profile: SeccompProfile | None = None
    windows_options: WindowsSecurityContextOptions | None = None


class ServiceSpec(Model, frozen=True):
    """io.k8s.api.core.v1.ServiceSpec"""

    allocate_load_balancer_node_ports: bool | None = None
    cluster_ip: str = field(default="", name="clusterIP")
    cluster_ips: tuple[str, ...] = field(default=(), name="clusterIPs")
    external_ips: tuple[str, ...] = field(default=(), name="externalIPs")
    external_name: str = ""
    external_traffic_policy: str = ""
    health_check_node_port: int = 0
    internal_traffic_policy: str | None = None
    ip_families: tuple[str, ...] = ()
    ip_family_policy: str | None = None
    load_balancer_class: str | None = None
    load_balancer_ip: str = field(default="", name="loadBalancerIP")
    load_balancer_source_ranges: tuple[str, ...] = ()
    ports: tuple[ServicePort, ...] = ()
    publish_not_ready_addresses: bool = False
    selector: Mapping[str, str] = field(default_factory=dict)
    session_affinity: str = ""
    session_affinity_config: SessionAffinityConfig | None = None
    traffic_distribution: str | None = None
    type: str = ""


class ServiceAccount(Object, frozen=True):
    """io.k8s.api.core.v1.ServiceAccount"""

    kind: str = field(default_factory=lambda: "ServiceAccount")
    api_version: str = field(default_factory=lambda: "v1")
    automount_service_account_token: bool | None = None
    image_pull_secrets: tuple[LocalObjectReference, ...] = ()
    secrets: tuple[ObjectReference, ...] = ()


class ServiceAccountTokenProjection(Model, frozen=True):
    """io.k8s.api.core.v1.ServiceAccountTokenProjection"""

    audience: str = ""
    expiration_seconds: int | None = None
    path: str = field(default_factory=empty_text)
    user: int | None = None


class ServicePort(Model, frozen=True):
    """io.k8s.api.core.v1.ServicePort"""

    app_protocol: str | None = None
    name: str = ""
    node_port: int = 0
    port: int = field(default_factory=zero)
    protocol: str = ""
    target_port: int | str | None = None


class SessionAffinityConfig(Model, frozen=True):
    """io.k8s.api.core.v1.SessionAffinityConfig"""

    client_ip: ClientIPConfig | None = field(default=None, name="clientIP")


class SleepAction(Model, frozen=True):
    """io.k8s.api.core.v1.SleepAction"""

    seconds: int = field(default_factory=zero)


class StorageOSPersistentVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.StorageOSPersistentVolumeSource"""

    fs_type: str = ""
    read_only: bool = False
    secret_ref: ObjectReference | None = None
    volume_name: str = ""
    volume_namespace: str = ""


class StorageOSVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.StorageOSVolumeSource"""

    fs_type: str = ""
    read_only: bool = False
    secret_ref: LocalObjectReference | None = None
    volume_name: str = ""
    volume_namespace: str = ""


class Sysctl(Model, frozen=True):
    """io.k8s.api.core.v1.Sysctl"""

    name: str = field(default_factory=empty_text)
    value: str = field(default_factory=empty_text)


class TCPSocketAction(Model, frozen=True):
    """io.k8s.api.core.v1.TCPSocketAction"""

    host: str = ""
    port: int | str | None = None


class Taint(Model, frozen=True):
    """io.k8s.api.core.v1.Taint"""

    effect: str = field(default_factory=empty_text)
    key: str = field(default_factory=empty_text)
    time_added: Time | None = None
    value: str = ""


class Toleration(Model, frozen=True):
    """io.k8s.api.core.v1.Toleration"""

    effect: str = ""
    key: str = ""
    operator: str = ""
    toleration_seconds: int | None = None
    value: str = ""


class TopologySelectorLabelRequirement(Model, frozen=True):
    """io.k8s.api.core.v1.TopologySelectorLabelRequirement"""

    key: str = field(default_factory=empty_text)
    values: tuple[str, ...] = field(default_factory=no_items)


class TopologySelectorTerm(Model, frozen=True):
    """io.k8s.api.core.v1.TopologySelectorTerm"""

    match_label_expressions: tuple[TopologySelectorLabelRequirement, ...] = ()


class TopologySpreadConstraint(Model, frozen=True):
    """io.k8s.api.core.v1.TopologySpreadConstraint"""

    label_selector: LabelSelector | None = None
    match_label_keys: tuple[str, ...] = ()
    max_skew: int = field(default_factory=zero)
    min_domains: int | None = None
    node_affinity_policy: str | None = None
    node_taints_policy: str | None = None
    topology_key: str = field(default_factory=empty_text)
    when_unsatisfiable: str = field(default_factory=empty_text)


class TypedLocalObjectReference(Model, frozen=True):
    """io.k8s.api.core.v1.TypedLocalObjectReference"""

    api_group: str | None = None
    kind: str = field(default_factory=empty_text)
    name: str = field(default_factory=empty_text)


class TypedObjectReference(Model, frozen=True):
    """io.k8s.api.core.v1.TypedObjectReference"""

    api_group: str | None = None
    kind: str = field(default_factory=empty_text)
    name: str = field(default_factory=empty_text)
    namespace: str | None = None


class Volume(Model, frozen=True):
    """io.k8s.api.core.v1.Volume"""

    aws_elastic_block_store: AWSElasticBlockStoreVolumeSource | None = None
    azure_disk: AzureDiskVolumeSource | None = None
    azure_file: AzureFileVolumeSource | None = None
    cephfs: CephFSVolumeSource | None = None
    cinder: CinderVolumeSource | None = None
    config_map: ConfigMapVolumeSource | None = None
    csi: CSIVolumeSource | None = None
    downward_api: DownwardAPIVolumeSource | None = field(default=None, name="downwardAPI")
    empty_dir: EmptyDirVolumeSource | None = None
    ephemeral: EphemeralVolumeSource | None = None
    fc: FCVolumeSource | None = None
    flex_volume: FlexVolumeSource | None = None
    flocker: FlockerVolumeSource | None = None
    gce_persistent_disk: GCEPersistentDiskVolumeSource | None = None
    git_repo: GitRepoVolumeSource | None = None
    glusterfs: GlusterfsVolumeSource | None = None
    host_path: HostPathVolumeSource | None = None
    image: ImageVolumeSource | None = None
    iscsi: ISCSIVolumeSource | None = None
    name: str = field(default_factory=empty_text)
    nfs: NFSVolumeSource | None = None
    persistent_volume_claim: PersistentVolumeClaimVolumeSource | None = None
    photon_persistent_disk: PhotonPersistentDiskVolumeSource | None = None
    portworx_volume: PortworxVolumeSource | None = None
    projected: ProjectedVolumeSource | None = None
    quobyte: QuobyteVolumeSource | None = None
    rbd: RBDVolumeSource | None = None
    scale_io: ScaleIOVolumeSource | None = field(default=None, name="scaleIO")
    secret: SecretVolumeSource | None = None
    storageos: StorageOSVolumeSource | None = None
    vsphere_volume: VsphereVirtualDiskVolumeSource | None = None


class VolumeDevice(Model, frozen=True):
    """io.k8s.api.core.v1.VolumeDevice"""

    device_path: str = field(default_factory=empty_text)
    name: str = field(default_factory=empty_text)


class VolumeHealthCondition(Model, frozen=True):
    """io.k8s.api.core.v1.VolumeHealthCondition"""

    message: str = ""
    reason: str = field(default_factory=empty_text)
    status: str = field(default_factory=empty_text)


class VolumeHealthStatus(Model, frozen=True):
    """io.k8s.api.core.v1.VolumeHealthStatus"""

    health_conditions: tuple[VolumeHealthCondition, ...] = ()
    last_transition_time: Time | None = field(default_factory=no_time)


class VolumeMount(Model, frozen=True):
    """io.k8s.api.core.v1.VolumeMount"""

    bind_mount_options: tuple[str, ...] = ()
    mount_path: str = field(default_factory=empty_text)
    mount_propagation: str | None = None
    name: str = field(default_factory=empty_text)
    read_only: bool = False
    recursive_read_only: str | None = None
    sub_path: str = ""
    sub_path_expr: str = ""


class VolumeMountStatus(Model, frozen=True):
    """io.k8s.api.core.v1.VolumeMountStatus"""

    mount_path: str = field(default_factory=empty_text)
    name: str = field(default_factory=empty_text)
    read_only: bool = False
    recursive_read_only: str | None = None
    volume_status: VolumeStatus | None = None


class VolumeNodeAffinity(Model, frozen=True):
    """io.k8s.api.core.v1.VolumeNodeAffinity"""

    required: NodeSelector | None = None


class VolumeProjection(Model, frozen=True):
    """io.k8s.api.core.v1.VolumeProjection"""

    cluster_trust_bundle: ClusterTrustBundleProjection | None = None
    config_map: ConfigMapProjection | None = None
    downward_api: DownwardAPIProjection | None = field(default=None, name="downwardAPI")
    pod_certificate: PodCertificateProjection | None = None
    secret: SecretProjection | None = None
    service_account_token: ServiceAccountTokenProjection | None = None


class VolumeStatus(Model, frozen=True):
    """io.k8s.api.core.v1.VolumeStatus"""

    image: ImageVolumeStatus | None = None


class VsphereVirtualDiskVolumeSource(Model, frozen=True):
    """io.k8s.api.core.v1.VsphereVirtualDiskVolumeSource"""

    fs_type: str = ""
    storage_policy_id: str = field(default="", name="storagePolicyID")
    storage_policy_name: str = ""
    volume_path: str = field(default_factory=empty_text)


class WindowsSecurityContextOptions(Model, frozen=True):
    """io.k8s.api.core.v1.WindowsSecurityContextOptions"""

    gmsa_credential_spec: str | None = None
    gmsa_credential_spec_name: str | None = None
    host_process: bool | None = None
    run_as_user_name: str | None = None


class Binding(Object, frozen=True):
    """io.k8s.api.core.v1.Binding"""

    kind: str = field(default_factory=lambda: "Binding")
    api_version: str = field(default_factory=lambda: "v1")
    target: ObjectReference = field(default_factory=shown(ObjectReference))


class Container(Model, frozen=True):
    """io.k8s.api.core.v1.Container"""

    args: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: tuple[EnvVar, ...] = ()
    env_from: tuple[EnvFromSource, ...] = ()
    image: str = ""
    image_pull_policy: str = ""
    lifecycle: Lifecycle | None = None
    liveness_probe: Probe | None = None
    name: str = field(default_factory=empty_text)
    ports: tuple[ContainerPort, ...] = ()
    readiness_probe: Probe | None = None
    resize_policy: tuple[ContainerResizePolicy, ...] = ()
    resources: ResourceRequirements = field(default_factory=shown(ResourceRequirements))
    restart_policy: str | None = None
    restart_policy_rules: tuple[ContainerRestartRule, ...] = ()
    security_context: SecurityContext | None = None
    startup_probe: Probe | None = None
    stdin: bool = False
    stdin_once: bool = False
    termination_message_path: str = ""
    termination_message_policy: str = ""
    tty: bool = False
    volume_devices: tuple[VolumeDevice, ...] = ()
    volume_mounts: tuple[VolumeMount, ...] = ()
    working_dir: str = ""


class EphemeralContainer(Model, frozen=True):
    """io.k8s.api.core.v1.EphemeralContainer"""

    args: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: tuple[EnvVar, ...] = ()
    env_from: tuple[EnvFromSource, ...] = ()
    image: str = ""
    image_pull_policy: str = ""
    lifecycle: Lifecycle | None = None
    liveness_probe: Probe | None = None
    name: str = field(default_factory=empty_text)
    ports: tuple[ContainerPort, ...] = ()
    readiness_probe: Probe | None = None
    resize_policy: tuple[ContainerResizePolicy, ...] = ()
    resources: ResourceRequirements = field(default_factory=shown(ResourceRequirements))
    restart_policy: str | None = None
    restart_policy_rules: tuple[ContainerRestartRule, ...] = ()
    security_context: SecurityContext | None = None
    startup_probe: Probe | None = None
    stdin: bool = False
    stdin_once: bool = False
    target_container_name: str = ""
    termination_message_path: str = ""
    termination_message_policy: str = ""
    tty: bool = False
    volume_devices: tuple[VolumeDevice, ...] = ()
    volume_mounts: tuple[VolumeMount, ...] = ()
    working_dir: str = ""


class ContainerStatus(Model, frozen=True):
    """io.k8s.api.core.v1.ContainerStatus"""

    allocated_resources: Mapping[str, Quantity] = field(default_factory=dict)
    allocated_resources_status: tuple[ResourceStatus, ...] = ()
    container_id: str = field(default="", name="containerID")
    image: str = field(default_factory=empty_text)
    image_id: str = field(default_factory=empty_text, name="imageID")
    last_state: ContainerState = field(default_factory=shown(ContainerState))
    name: str = field(default_factory=empty_text)
    ready: bool = field(default_factory=no)
    resources: ResourceRequirements | None = None
    restart_count: int = field(default_factory=zero)
    started: bool | None = None
    state: ContainerState = field(default_factory=shown(ContainerState))
    stop_signal: str | None = None
    user: ContainerUser | None = None
    volume_mounts: tuple[VolumeMountStatus, ...] = ()


class NodeDaemonEndpoints(Model, frozen=True):
    """io.k8s.api.core.v1.NodeDaemonEndpoints"""

    kubelet_endpoint: DaemonEndpoint = field(default_factory=shown(DaemonEndpoint))


class Event(Object, frozen=True):
    """io.k8s.api.core.v1.Event"""

    kind: str = field(default_factory=lambda: "Event")
    api_version: str = field(default_factory=lambda: "v1")
    action: str = ""
    count: int = 0
    event_time: MicroTime | None = field(default_factory=no_time)
    first_timestamp: Time | None = field(default_factory=no_time)
    involved_object: ObjectReference = field(default_factory=shown(ObjectReference))
    last_timestamp: Time | None = field(default_factory=no_time)
    message: str = ""
    reason: str = ""
    related: ObjectReference | None = None
    reporting_component: str = field(default_factory=empty_text)
    reporting_instance: str = field(default_factory=empty_text)
    series: EventSeries | None = None
    source: EventSource = field(default_factory=shown(EventSource))
    type: str = ""


class LimitRange(Object, frozen=True):
    """io.k8s.api.core.v1.LimitRange"""

    kind: str = field(default_factory=lambda: "LimitRange")
    api_version: str = field(default_factory=lambda: "v1")
    spec: LimitRangeSpec = field(default_factory=shown(LimitRangeSpec))


class ServiceStatus(Model, frozen=True):
    """io.k8s.api.core.v1.ServiceStatus"""

    conditions: tuple[Condition, ...] = ()
    load_balancer: LoadBalancerStatus = field(default_factory=shown(LoadBalancerStatus))


class Namespace(Object, frozen=True):
    """io.k8s.api.core.v1.Namespace"""

    kind: str = field(default_factory=lambda: "Namespace")
    api_version: str = field(default_factory=lambda: "v1")
    spec: NamespaceSpec = field(default_factory=shown(NamespaceSpec))
    status: NamespaceStatus = field(default_factory=shown(NamespaceStatus))


class PreferredSchedulingTerm(Model, frozen=True):
    """io.k8s.api.core.v1.PreferredSchedulingTerm"""

    preference: NodeSelectorTerm = field(default_factory=shown(NodeSelectorTerm))
    weight: int = field(default_factory=zero)


class PersistentVolume(Object, frozen=True):
    """io.k8s.api.core.v1.PersistentVolume"""

    kind: str = field(default_factory=lambda: "PersistentVolume")
    api_version: str = field(default_factory=lambda: "v1")
    spec: PersistentVolumeSpec = field(default_factory=shown(PersistentVolumeSpec))
    status: PersistentVolumeStatus = field(default_factory=shown(PersistentVolumeStatus))


class PersistentVolumeClaimSpec(Model, frozen=True):
    """io.k8s.api.core.v1.PersistentVolumeClaimSpec"""

    access_modes: tuple[str, ...] = ()
    data_source: TypedLocalObjectReference | None = None
    data_source_ref: TypedObjectReference | None = None
    resources: VolumeResourceRequirements = field(default_factory=shown(VolumeResourceRequirements))
    selector: LabelSelector | None = None
    storage_class_name: str | None = None
    volume_attributes_class_name: str | None = None
    volume_mode: str | None = None
    volume_name: str = ""


class PodTemplateSpec(Model, frozen=True):
    """io.k8s.api.core.v1.PodTemplateSpec"""

    metadata: ObjectMeta = field(default_factory=shown(ObjectMeta))
    spec: PodSpec = field(default_factory=shown(PodSpec))


class Pod(Object, frozen=True):
    """io.k8s.api.core.v1.Pod"""

    kind: str = field(default_factory=lambda: "Pod")
    api_version: str = field(default_factory=lambda: "v1")
    spec: PodSpec = field(default_factory=shown(PodSpec))
    status: PodStatus = field(default_factory=shown(PodStatus))


class WeightedPodAffinityTerm(Model, frozen=True):
    """io.k8s.api.core.v1.WeightedPodAffinityTerm"""

    pod_affinity_term: PodAffinityTerm = field(default_factory=shown(PodAffinityTerm))
    weight: int = field(default_factory=zero)


class ReplicationController(Object, frozen=True):
    """io.k8s.api.core.v1.ReplicationController"""

    kind: str = field(default_factory=lambda: "ReplicationController")
    api_version: str = field(default_factory=lambda: "v1")
    spec: ReplicationControllerSpec = field(default_factory=shown(ReplicationControllerSpec))
    status: ReplicationControllerStatus = field(default_factory=shown(ReplicationControllerStatus))


class ResourceQuota(Object, frozen=True):
    """io.k8s.api.core.v1.ResourceQuota"""

    kind: str = field(default_factory=lambda: "ResourceQuota")
    api_version: str = field(default_factory=lambda: "v1")
    spec: ResourceQuotaSpec = field(default_factory=shown(ResourceQuotaSpec))
    status: ResourceQuotaStatus = field(default_factory=shown(ResourceQuotaStatus))


class NodeStatus(Model, frozen=True):
    """io.k8s.api.core.v1.NodeStatus"""

    addresses: tuple[NodeAddress, ...] = ()
    allocatable: Mapping[str, Quantity] = field(default_factory=dict)
    capacity: Mapping[str, Quantity] = field(default_factory=dict)
    conditions: tuple[NodeCondition, ...] = ()
    config: NodeConfigStatus | None = None
    daemon_endpoints: NodeDaemonEndpoints = field(default_factory=shown(NodeDaemonEndpoints))
    declared_features: tuple[str, ...] = ()
    features: NodeFeatures | None = None
    images: tuple[ContainerImage, ...] = ()
    node_info: NodeSystemInfo = field(default_factory=shown(NodeSystemInfo))
    phase: str = ""
    runtime_handlers: tuple[NodeRuntimeHandler, ...] = ()
    volumes_attached: tuple[AttachedVolume, ...] = ()
    volumes_in_use: tuple[str, ...] = ()


class Service(Object, frozen=True):
    """io.k8s.api.core.v1.Service"""

    kind: str = field(default_factory=lambda: "Service")
    api_version: str = field(default_factory=lambda: "v1")
    spec: ServiceSpec = field(default_factory=shown(ServiceSpec))
    status: ServiceStatus = field(default_factory=shown(ServiceStatus))


class PersistentVolumeClaim(Object, frozen=True):
    """io.k8s.api.core.v1.PersistentVolumeClaim"""

    kind: str = field(default_factory=lambda: "PersistentVolumeClaim")
    api_version: str = field(default_factory=lambda: "v1")
    spec: PersistentVolumeClaimSpec = field(default_factory=shown(PersistentVolumeClaimSpec))
    status: PersistentVolumeClaimStatus = field(default_factory=shown(PersistentVolumeClaimStatus))


class PersistentVolumeClaimTemplate(Model, frozen=True):
    """io.k8s.api.core.v1.PersistentVolumeClaimTemplate"""

    metadata: ObjectMeta = field(default_factory=shown(ObjectMeta))
    spec: PersistentVolumeClaimSpec = field(default_factory=shown(PersistentVolumeClaimSpec))


class PodTemplate(Object, frozen=True):
    """io.k8s.api.core.v1.PodTemplate"""

    kind: str = field(default_factory=lambda: "PodTemplate")
    api_version: str = field(default_factory=lambda: "v1")
    template: PodTemplateSpec = field(default_factory=shown(PodTemplateSpec))


class Node(Object, frozen=True):
    """io.k8s.api.core.v1.Node"""

    kind: str = field(default_factory=lambda: "Node")
    api_version: str = field(default_factory=lambda: "v1")
    spec: NodeSpec = field(default_factory=shown(NodeSpec))
    status: NodeStatus = field(default_factory=shown(NodeStatus))
