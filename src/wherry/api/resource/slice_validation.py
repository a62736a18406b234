"""Validation of the devices that a ResourceSlice offers.

https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/#resourceslice
"""

from __future__ import annotations

import re

from wherry.api.checks import Errors, immutable, required_name
from wherry.api.core.placement_validation import node_selector
from wherry.api.core.volume_validation import driver_name
from wherry.api.resource.capacity_validation import multiple_capacity, single_capacity
from wherry.api.resource.claim_status_validation import binding
from wherry.api.resource.name_validation import (
    each,
    each_once,
    entries,
    pool_name,
    qualified_name,
    short_name,
)
from wherry.api.resource.taint_validation import taint
from wherry.api.types.core import NodeSelector
from wherry.api.types.resource import (
    Counter,
    CounterSet,
    Device,
    DeviceAttribute,
    DeviceCounterConsumption,
    ResourceSlice,
    ResourceSliceSpec,
)
from wherry.machinery.names import dns_label, dns_subdomain
from wherry.machinery.validation import invalid, required, too_long

_MAX_DEVICES = 128
_MAX_ADVANCED = 64
_MAX_SETS = 8
_MAX_COUNTERS = 32
_MAX_CONSUMPTIONS = 2
_MAX_PROPERTIES = 32
_MAX_VALUES = 48
_MAX_TEXT = 64
_MAX_TAINTS = 16
_MEMBERS = ("int", "bool", "string", "version", "ints", "bools", "strings", "versions")
_TRUE = "must be either unset or set to true"
_WHERE = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"
_WHERE_DEVICE = (
    "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true "
    "in the ResourceSlice spec"
)
_NOT_PER_DEVICE = (
    "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the "
    "ResourceSlice spec"
)
_NUMBER = r"(0|[1-9]\d*)"
_PRE = r"(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)"
_semver = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-{_PRE}(\.{_PRE})*)?(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?", re.ASCII
).fullmatch


def validate(new: ResourceSlice, old: ResourceSlice | None) -> Errors:
    """A driver's pool in one place, with devices or counters."""
    spec, before = new.spec, old.spec if old is not None else None
    yield from driver_name("spec.driver", spec.driver)
    yield from _pool(spec)
    if before is not None:
        yield from immutable("spec.pool.name", spec.pool.name, before.pool.name)
        yield from immutable("spec.driver", spec.driver, before.driver)
        yield from immutable("spec.nodeName", spec.node_name, before.node_name)
    yield from _nodes(spec)
    if spec.shared_counters and spec.devices:
        yield invalid("spec", "", "only one of `sharedCounters` or `devices` is allowed")
    known = {device.name: device for device in before.devices} if before is not None else {}
    limit = _MAX_ADVANCED if any(d.taints or d.consumes_counters for d in spec.devices) else _MAX_DEVICES
    per_device = bool(spec.per_device_node_selection)
    yield from each_once(
        "spec.devices", spec.devices, limit,
        lambda at, device: _device(at, device, known.get(device.name), per_device=per_device), lambda d: d.name,
        show_key=True,
    )  # fmt: skip
    yield from each_once("spec.sharedCounters", spec.shared_counters, _MAX_SETS, _counter_set, lambda s: s.name)


def _pool(spec: ResourceSliceSpec) -> Errors:
    pool = spec.pool
    yield from pool_name("spec.pool.name", pool.name)
    if pool.resource_slice_count <= 0:
        yield invalid("spec.pool.resourceSliceCount", pool.resource_slice_count, "must be greater than zero")
    if pool.generation < 0:
        yield invalid("spec.pool.generation", pool.generation, "must be greater than or equal to zero")


def _nodes(spec: ResourceSliceSpec) -> Errors:
    chosen: list[str] = []
    if spec.node_name is not None:
        if spec.node_name:
            chosen.append("`nodeName`")
            yield from required_name("spec.nodeName", spec.node_name, dns_subdomain)
        else:
            yield invalid("spec.nodeName", "", "must be either unset or set to a non-empty string")
    if spec.node_selector is not None:
        chosen.append("`nodeSelector`")
        yield from _one_term("spec.nodeSelector", spec.node_selector)
    for name, value in (("allNodes", spec.all_nodes), ("perDeviceNodeSelection", spec.per_device_node_selection)):
        if value:
            chosen.append(f"`{name}`")
        elif value is not None:
            yield invalid(f"spec.{name}", value, _TRUE)
    if not chosen:
        yield required("spec", _WHERE)
    elif len(chosen) > 1:
        yield invalid("spec", f"{{{', '.join(chosen)}}}", f"{_WHERE}, but multiple fields are set")


def _one_term(path: str, own: NodeSelector) -> Errors:
    yield from node_selector(path, own)
    if len(own.node_selector_terms) != 1:
        at = f"{path}.nodeSelectorTerms"
        yield invalid(at, own.node_selector_terms, "must have exactly one node selector term")


# --- Devices ---


def _device(path: str, own: Device, old: Device | None, *, per_device: bool) -> Errors:
    yield from short_name(f"{path}.name", own.name)
    yield from _properties(path, own)
    if old is None or old.capacity != own.capacity:
        check = multiple_capacity if own.allow_multiple_allocations else single_capacity
        yield from entries(f"{path}.capacity", own.capacity, None, qualified_name, check)
    if old is None or old.taints != own.taints:
        yield from each(f"{path}.taints", own.taints, _MAX_TAINTS, taint)
    yield from each_once(
        f"{path}.consumesCounters", own.consumes_counters, _MAX_CONSUMPTIONS, _consumption, lambda c: c.counter_set
    )
    if per_device:
        yield from _device_nodes(path, own)
    elif own.node_name is not None or own.node_selector is not None or own.all_nodes is not None:
        yield invalid(path, None, _NOT_PER_DEVICE)
    yield from binding(path, own.binding_conditions, own.binding_failure_conditions)


def _properties(path: str, own: Device) -> Errors:
    count = len(own.attributes) + len(own.capacity)
    if count > _MAX_PROPERTIES:
        why = f"the total number of attributes and capacities must not exceed {_MAX_PROPERTIES}"
        yield invalid(path, count, why)
    values = sum(max(1, len(_lists(attribute))) for attribute in own.attributes.values())
    if values > _MAX_VALUES:
        yield invalid(path, values, f"the total number of attribute values must not exceed {_MAX_VALUES}")
    yield from entries(f"{path}.attributes", own.attributes, None, qualified_name, _attribute)


def _lists(own: DeviceAttribute) -> tuple[object, ...]:
    return (*own.bools, *own.ints, *own.strings, *own.versions)


def _attribute(path: str, own: DeviceAttribute) -> Errors:
    if own.string is not None:
        yield from _text(f"{path}.string", own.string)
    if own.version is not None:
        yield from _version(f"{path}.version", own.version)
    for index, text in enumerate(own.strings):
        yield from _text(f"{path}.strings[{index}]", text)
    for index, text in enumerate(own.versions):
        yield from _version(f"{path}.versions[{index}]", text)
    values = (own.int_, own.bool_, own.string, own.version, own.ints, own.bools, own.strings, own.versions)
    given = [name for name, value in zip(_MEMBERS, values, strict=True) if value not in (None, ())]
    members = ", ".join(f"`{name}`" for name in _MEMBERS)
    if not given:
        yield invalid(path, "", f"must specify one of: {members}")
    elif len(given) > 1:
        yield invalid(path, f"{{{', '.join(given)}}}", f"must specify exactly one of: {members}")


def _text(path: str, text: str) -> Errors:
    if len(text.encode()) > _MAX_TEXT:
        yield too_long(path, _MAX_TEXT)


def _version(path: str, text: str) -> Errors:
    if not _semver(text):
        yield invalid(path, text, "must be a string compatible with semver.org spec 2.0.0")
    yield from _text(path, text)


def _device_nodes(path: str, own: Device) -> Errors:
    chosen: list[str] = []
    if own.node_name is not None:
        if own.node_name:
            chosen.append("`nodeName`")
            yield from required_name(f"{path}.nodeName", own.node_name, dns_subdomain)
        else:
            yield invalid(f"{path}.nodeName", "", "must not be empty")
    if own.node_selector is not None:
        chosen.append("`nodeSelector`")
        yield from node_selector(f"{path}.nodeSelector", own.node_selector)
    if own.all_nodes:
        chosen.append("`allNodes`")
    elif own.all_nodes is not None:
        yield invalid(f"{path}.allNodes", own.all_nodes, _TRUE)
    if not chosen:
        yield required(path, _WHERE_DEVICE)
    elif len(chosen) > 1:
        yield invalid(path, f"{{{', '.join(chosen)}}}", _WHERE_DEVICE)


# --- Counters ---


def _counter_set(path: str, own: CounterSet) -> Errors:
    yield from required_name(f"{path}.name", own.name, dns_label)
    if not own.counters:
        yield required(f"{path}.counters")
    yield from entries(f"{path}.counters", own.counters, _MAX_COUNTERS, short_name, _any_amount)


def _consumption(path: str, own: DeviceCounterConsumption) -> Errors:
    yield from required_name(f"{path}.counterSet", own.counter_set, dns_label)
    if not own.counters:
        yield required(f"{path}.counters")
    yield from entries(f"{path}.counters", own.counters, _MAX_COUNTERS, short_name, _any_amount)


def _any_amount(path: str, counter: Counter) -> Errors:
    yield from ()
