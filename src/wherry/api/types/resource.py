"""Generated from the Kubernetes API schema by hack/generate_types.py: resource. Do not edit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import field

from wherry.api.types.core import NodeSelector
from wherry.machinery.meta import Condition, Model, Object, ObjectMeta, empty_text, no_items, shown, zero, zero_quantity
from wherry.machinery.quantity import Quantity
from wherry.machinery.time import Time


class AllocatedDeviceStatus(Model, frozen=True):
    """io.k8s.api.resource.v1.AllocatedDeviceStatus"""

    conditions: tuple[Condition, ...] = field(default_factory=no_items)
    data: Any = None
    device: str = field(default_factory=empty_text)
    driver: str = field(default_factory=empty_text)
    network_data: NetworkDeviceData | None = None
    pool: str = field(default_factory=empty_text)
    share_id: str | None = field(default=None, name="shareID")


class DeviceAllocationResult(Model, frozen=True):
    """io.k8s.api.resource.v1.DeviceAllocationResult"""

    config: tuple[DeviceAllocationConfiguration, ...] = ()
    results: tuple[DeviceRequestAllocationResult, ...] = ()


class CELDeviceSelector(Model, frozen=True):
    """io.k8s.api.resource.v1.CELDeviceSelector"""

    expression: str = field(default_factory=empty_text)


class CapacityRequestPolicy(Model, frozen=True):
    """io.k8s.api.resource.v1.CapacityRequestPolicy"""

    default: Quantity | None = None
    valid_range: CapacityRequestPolicyRange | None = None
    valid_values: tuple[Quantity, ...] = ()


class CapacityRequestPolicyRange(Model, frozen=True):
    """io.k8s.api.resource.v1.CapacityRequestPolicyRange"""

    max: Quantity | None = None
    min: Quantity | None = None
    step: Quantity | None = None


class CapacityRequirements(Model, frozen=True):
    """io.k8s.api.resource.v1.CapacityRequirements"""

    requests: Mapping[str, Quantity] = field(default_factory=dict)


class Counter(Model, frozen=True):
    """io.k8s.api.resource.v1.Counter"""

    value: Quantity = field(default_factory=zero_quantity)


class CounterSet(Model, frozen=True):
    """io.k8s.api.resource.v1.CounterSet"""

    counters: Mapping[str, Counter] = field(default_factory=dict)
    name: str = field(default_factory=empty_text)


class Device(Model, frozen=True):
    """io.k8s.api.resource.v1.Device"""

    all_nodes: bool | None = None
    allow_multiple_allocations: bool | None = None
    attributes: Mapping[str, DeviceAttribute] = field(default_factory=dict)
    binding_conditions: tuple[str, ...] = ()
    binding_failure_conditions: tuple[str, ...] = ()
    binds_to_node: bool | None = None
    capacity: Mapping[str, DeviceCapacity] = field(default_factory=dict)
    consumes_counters: tuple[DeviceCounterConsumption, ...] = ()
    name: str = field(default_factory=empty_text)
    node_allocatable_resources: Mapping[str, NodeAllocatableResource] = field(default_factory=dict)
    node_name: str | None = None
    node_selector: NodeSelector | None = None
    taints: tuple[DeviceTaint, ...] = ()


class DeviceAllocationConfiguration(Model, frozen=True):
    """io.k8s.api.resource.v1.DeviceAllocationConfiguration"""

    opaque: OpaqueDeviceConfiguration | None = None
    requests: tuple[str, ...] = ()
    source: str = field(default_factory=empty_text)


class DeviceAttribute(Model, frozen=True):
    """io.k8s.api.resource.v1.DeviceAttribute"""

    bool_: bool | None = None
    bools: tuple[bool, ...] = ()
    int_: int | None = None
    ints: tuple[int, ...] = ()
    string: str | None = None
    strings: tuple[str, ...] = ()
    version: str | None = None
    versions: tuple[str, ...] = ()


class DeviceCapacity(Model, frozen=True):
    """io.k8s.api.resource.v1.DeviceCapacity"""

    request_policy: CapacityRequestPolicy | None = None
    value: Quantity = field(default_factory=zero_quantity)


class DeviceClaim(Model, frozen=True):
    """io.k8s.api.resource.v1.DeviceClaim"""

    config: tuple[DeviceClaimConfiguration, ...] = ()
    constraints: tuple[DeviceConstraint, ...] = ()
    requests: tuple[DeviceRequest, ...] = field(default_factory=no_items)


class DeviceClaimConfiguration(Model, frozen=True):
    """io.k8s.api.resource.v1.DeviceClaimConfiguration"""

    opaque: OpaqueDeviceConfiguration | None = None
    requests: tuple[str, ...] = ()


class DeviceClassSpec(Model, frozen=True):
    """io.k8s.api.resource.v1.DeviceClassSpec"""

    config: tuple[DeviceClassConfiguration, ...] = ()
    extended_resource_name: str | None = None
    selectors: tuple[DeviceSelector, ...] = ()


class DeviceClassConfiguration(Model, frozen=True):
    """io.k8s.api.resource.v1.DeviceClassConfiguration"""

    opaque: OpaqueDeviceConfiguration | None = None


class DeviceConstraint(Model, frozen=True):
    """io.k8s.api.resource.v1.DeviceConstraint"""

    distinct_attribute: str | None = None
    match_attribute: str | None = None
    requests: tuple[str, ...] = ()


class DeviceCounterConsumption(Model, frozen=True):
    """io.k8s.api.resource.v1.DeviceCounterConsumption"""

    compatibility_groups: tuple[str, ...] = ()
    counter_set: str = field(default_factory=empty_text)
    counters: Mapping[str, Counter] = field(default_factory=dict)


class DeviceDerivedAttribute(Model, frozen=True):
    """io.k8s.api.resource.v1.DeviceDerivedAttribute"""

    expression: str = field(default_factory=empty_text)
    name: str = field(default_factory=empty_text)


class DeviceRequest(Model, frozen=True):
    """io.k8s.api.resource.v1.DeviceRequest"""

    exactly: ExactDeviceRequest | None = None
    first_available: tuple[DeviceSubRequest, ...] = ()
    name: str = field(default_factory=empty_text)


class DeviceRequestAllocationResult(Model, frozen=True):
    """io.k8s.api.resource.v1.DeviceRequestAllocationResult"""

    admin_access: bool | None = None
    binding_conditions: tuple[str, ...] = ()
    binding_failure_conditions: tuple[str, ...] = ()
    consumed_capacity: Mapping[str, Quantity] = field(default_factory=dict)
    device: str = field(default_factory=empty_text)
    driver: str = field(default_factory=empty_text)
    pool: str = field(default_factory=empty_text)
    request: str = field(default_factory=empty_text)
    share_id: str | None = field(default=None, name="shareID")
    skip_node_operations: tuple[str, ...] = ()
    tolerations: tuple[DeviceToleration, ...] = ()


class DeviceSelector(Model, frozen=True):
    """io.k8s.api.resource.v1.DeviceSelector"""

    cel: CELDeviceSelector | None = None


class DeviceSubRequest(Model, frozen=True):
    """io.k8s.api.resource.v1.DeviceSubRequest"""

    allocation_mode: str = ""
    capacity: CapacityRequirements | None = None
    count: int = 0
    derived_attributes: tuple[DeviceDerivedAttribute, ...] = ()
    device_class_name: str = field(default_factory=empty_text)
    name: str = field(default_factory=empty_text)
    selectors: tuple[DeviceSelector, ...] = ()
    tolerations: tuple[DeviceToleration, ...] = ()


class DeviceTaint(Model, frozen=True):
    """io.k8s.api.resource.v1.DeviceTaint"""

    effect: str = field(default_factory=empty_text)
    key: str = field(default_factory=empty_text)
    time_added: Time | None = None
    value: str = ""


class DeviceTaintRuleStatus(Model, frozen=True):
    """io.k8s.api.resource.v1.DeviceTaintRuleStatus"""

    conditions: tuple[Condition, ...] = ()


class DeviceTaintSelector(Model, frozen=True):
    """io.k8s.api.resource.v1.DeviceTaintSelector"""

    device: str | None = None
    driver: str | None = None
    pool: str | None = None


class DeviceToleration(Model, frozen=True):
    """io.k8s.api.resource.v1.DeviceToleration"""

    effect: str = ""
    key: str = ""
    operator: str = ""
    toleration_seconds: int | None = None
    value: str = ""


class ExactDeviceRequest(Model, frozen=True):
    """io.k8s.api.resource.v1.ExactDeviceRequest"""

    admin_access: bool | None = None
    allocation_mode: str = ""
    capacity: CapacityRequirements | None = None
    count: int = 0
    derived_attributes: tuple[DeviceDerivedAttribute, ...] = ()
    device_class_name: str = field(default_factory=empty_text)
    selectors: tuple[DeviceSelector, ...] = ()
    tolerations: tuple[DeviceToleration, ...] = ()


class NetworkDeviceData(Model, frozen=True):
    """io.k8s.api.resource.v1.NetworkDeviceData"""

    hardware_address: str = ""
    interface_name: str = ""
    ips: tuple[str, ...] = ()


class NodeAllocatableMapping(Model, frozen=True):
    """io.k8s.api.resource.v1.NodeAllocatableMapping"""

    capacity_key: str | None = None
    capacity_multiplier: Quantity | None = None
    device_multiplier: Quantity | None = None


class NodeAllocatableOverhead(Model, frozen=True):
    """io.k8s.api.resource.v1.NodeAllocatableOverhead"""

    per_container: Quantity | None = None
    per_pod: Quantity | None = None


class NodeAllocatableResource(Model, frozen=True):
    """io.k8s.api.resource.v1.NodeAllocatableResource"""

    mapping: NodeAllocatableMapping | None = None
    overhead: NodeAllocatableOverhead | None = None


class OpaqueDeviceConfiguration(Model, frozen=True):
    """io.k8s.api.resource.v1.OpaqueDeviceConfiguration"""

    driver: str = field(default_factory=empty_text)
    parameters: Any = None


class ResourceClaimStatus(Model, frozen=True):
    """io.k8s.api.resource.v1.ResourceClaimStatus"""

    allocation: AllocationResult | None = None
    devices: tuple[AllocatedDeviceStatus, ...] = ()
    reserved_for: tuple[ResourceClaimConsumerReference, ...] = ()


class ResourceClaimConsumerReference(Model, frozen=True):
    """io.k8s.api.resource.v1.ResourceClaimConsumerReference"""

    api_group: str = ""
    name: str = field(default_factory=empty_text)
    resource: str = field(default_factory=empty_text)
    uid: str = field(default_factory=empty_text)


class ResourcePool(Model, frozen=True):
    """io.k8s.api.resource.v1.ResourcePool"""

    generation: int = field(default_factory=zero)
    name: str = field(default_factory=empty_text)
    resource_slice_count: int = field(default_factory=zero)


class AllocationResult(Model, frozen=True):
    """io.k8s.api.resource.v1.AllocationResult"""

    allocation_timestamp: Time | None = None
    devices: DeviceAllocationResult = field(default_factory=shown(DeviceAllocationResult))
    node_selector: NodeSelector | None = None


class ResourceClaimSpec(Model, frozen=True):
    """io.k8s.api.resource.v1.ResourceClaimSpec"""

    devices: DeviceClaim = field(default_factory=shown(DeviceClaim))


class DeviceClass(Object, frozen=True):
    """io.k8s.api.resource.v1.DeviceClass"""

    kind: str = field(default_factory=lambda: "DeviceClass")
    api_version: str = field(default_factory=lambda: "resource.k8s.io/v1")
    spec: DeviceClassSpec = field(default_factory=shown(DeviceClassSpec))


class DeviceTaintRuleSpec(Model, frozen=True):
    """io.k8s.api.resource.v1.DeviceTaintRuleSpec"""

    device_selector: DeviceTaintSelector | None = None
    taint: DeviceTaint = field(default_factory=shown(DeviceTaint))


class ResourceSliceSpec(Model, frozen=True):
    """io.k8s.api.resource.v1.ResourceSliceSpec"""

    all_nodes: bool | None = None
    devices: tuple[Device, ...] = ()
    driver: str = field(default_factory=empty_text)
    node_name: str | None = None
    node_selector: NodeSelector | None = None
    partition_type_attribute: str | None = None
    per_device_node_selection: bool | None = None
    pool: ResourcePool = field(default_factory=shown(ResourcePool))
    shared_counters: tuple[CounterSet, ...] = ()
    skip_node_operations: tuple[str, ...] = ()


class ResourceClaim(Object, frozen=True):
    """io.k8s.api.resource.v1.ResourceClaim"""

    kind: str = field(default_factory=lambda: "ResourceClaim")
    api_version: str = field(default_factory=lambda: "resource.k8s.io/v1")
    spec: ResourceClaimSpec = field(default_factory=shown(ResourceClaimSpec))
    status: ResourceClaimStatus = field(default_factory=shown(ResourceClaimStatus))


class ResourceClaimTemplateSpec(Model, frozen=True):
    """io.k8s.api.resource.v1.ResourceClaimTemplateSpec"""

    metadata: ObjectMeta = field(default_factory=shown(ObjectMeta))
    spec: ResourceClaimSpec = field(default_factory=shown(ResourceClaimSpec))


class DeviceTaintRule(Object, frozen=True):
    """io.k8s.api.resource.v1.DeviceTaintRule"""

    kind: str = field(default_factory=lambda: "DeviceTaintRule")
    api_version: str = field(default_factory=lambda: "resource.k8s.io/v1")
    spec: DeviceTaintRuleSpec = field(default_factory=shown(DeviceTaintRuleSpec))
    status: DeviceTaintRuleStatus = field(default_factory=shown(DeviceTaintRuleStatus))


class ResourceSlice(Object, frozen=True):
    """io.k8s.api.resource.v1.ResourceSlice"""

    kind: str = field(default_factory=lambda: "ResourceSlice")
    api_version: str = field(default_factory=lambda: "resource.k8s.io/v1")
    spec: ResourceSliceSpec = field(default_factory=shown(ResourceSliceSpec))


class ResourceClaimTemplate(Object, frozen=True):
    """io.k8s.api.resource.v1.ResourceClaimTemplate"""

    kind: str = field(default_factory=lambda: "ResourceClaimTemplate")
    api_version: str = field(default_factory=lambda: "resource.k8s.io/v1")
    spec: ResourceClaimTemplateSpec = field(default_factory=shown(ResourceClaimTemplateSpec))
