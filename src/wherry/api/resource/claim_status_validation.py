"""Validation of a ResourceClaim's status: what was allocated, for whom, and what drivers say about it."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Collection, Iterator

from wherry.api.checks import Errors, label_name
from wherry.api.condition_validation import conditions
from wherry.api.core.placement_validation import node_selector
from wherry.api.core.volume_validation import caseless_driver_name, driver_name
from wherry.api.resource.claim_validation import MAX_CONFIG, opaque, raw_object, request_names
from wherry.api.resource.name_validation import (
    MAX_REQUESTS,
    each,
    each_once,
    pool_name,
    reference,
    references,
    short_name,
    uuid,
)
from wherry.api.resource.taint_validation import toleration
from wherry.api.types.resource import (
    AllocatedDeviceStatus,
    AllocationResult,
    DeviceAllocationConfiguration,
    DeviceRequestAllocationResult,
    NetworkDeviceData,
    ResourceClaim,
    ResourceClaimConsumerReference,
)
from wherry.machinery.validation import (
    FieldError,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
    too_long,
    too_many,
)

_MAX_CONSUMERS = 256
_MAX_CONDITIONS = 8
_MAX_DATA = 10 * 1024
_MAX_IPS = 16
_MAX_INTERFACE = 256
_MAX_HARDWARE = 128
_MAX_BINDING = 4
_ALLOCATED = "must be an allocated device in the claim"
_SOURCES = ("FromClaim", "FromClass")
_ADDRESS = "must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)"

DeviceId = tuple[str, str, str, str]


def validate_status(new: ResourceClaim, old: ResourceClaim | None) -> Errors:
    """An allocation that stays, consumers only of something allocated."""
    status, before = new.status, old.status if old is not None else None
    at = "status.reservedFor"
    yield from each_once(at, status.reserved_for, _MAX_CONSUMERS, _consumer, lambda c: c.uid)
    allocated = frozenset(_allocated(status.allocation))
    check = lambda path, device: _device(path, device, allocated)  # noqa: E731  # one use, right below
    yield from each_once("status.devices", status.devices, None, check, _shown)
    if status.reserved_for and status.allocation is None:
        yield forbidden(at, "may not be specified when `allocated` is not set")
    elif status.reserved_for and new.metadata.deletion_timestamp is not None:
        known = before.reserved_for if before is not None else ()
        if any(consumer not in known for consumer in status.reserved_for):
            why = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set"
            yield forbidden(at, why)
    if status.allocation is None:
        return
    if before is not None and before.allocation is not None:
        if status.allocation != before.allocation:
            yield invalid("status.allocation", None, "field cannot be modified once set")
    else:
        yield from _allocation("status.allocation", status.allocation, request_names(new.spec.devices))


def _allocated(allocation: AllocationResult | None) -> Iterator[DeviceId]:
    for result in allocation.devices.results if allocation is not None else ():
        yield result.driver, result.pool, result.device, result.share_id or ""


def _shown(device: AllocatedDeviceStatus) -> str:
    share = f"/{device.share_id}" if device.share_id else ""
    return f"{device.driver}/{device.pool}/{device.device}{share}"


def _identity(device: AllocatedDeviceStatus) -> str:
    own = {
        "Driver": device.driver, "Pool": device.pool, "Device": device.device, "ShareID": device.share_id or "",
    }  # fmt: skip
    return json.dumps(own, separators=(",", ":"), ensure_ascii=False)


def _consumer(path: str, own: ResourceClaimConsumerReference) -> Errors:
    for field, value in (("resource", own.resource), ("name", own.name), ("uid", own.uid)):
        if not value:
            yield required(f"{path}.{field}")


def _device(path: str, own: AllocatedDeviceStatus, allocated: Collection[DeviceId]) -> Errors:
    yield from driver_name(f"{path}.driver", own.driver)
    yield from pool_name(f"{path}.pool", own.pool)
    yield from short_name(f"{path}.device", own.device)
    if own.share_id is not None:
        yield from uuid(f"{path}.shareID", own.share_id)
    if (own.driver, own.pool, own.device, own.share_id or "") not in allocated:
        yield FieldError(path, "FieldValueInvalid", f"Invalid value: {_identity(own)}: {_ALLOCATED}")
    if len(own.conditions) > _MAX_CONDITIONS:
        yield too_many(f"{path}.conditions", len(own.conditions), _MAX_CONDITIONS)
    yield from conditions(f"{path}.conditions", own.conditions)
    if own.data is not None:
        yield from raw_object(f"{path}.data", own.data, _MAX_DATA)
    if own.network_data is not None:
        yield from _network(f"{path}.networkData", own.network_data)


def _network(path: str, own: NetworkDeviceData) -> Errors:
    if len(own.interface_name.encode()) > _MAX_INTERFACE:
        yield too_long(f"{path}.interfaceName", _MAX_INTERFACE)
    if len(own.hardware_address.encode()) > _MAX_HARDWARE:
        yield too_long(f"{path}.hardwareAddress", _MAX_HARDWARE)
    yield from each_once(f"{path}.ips", own.ips, _MAX_IPS, _interface_address, lambda text: text)


def _interface_address(path: str, text: str) -> Errors:
    try:
        found = ipaddress.ip_interface(text)
    except ValueError:
        yield invalid(path, text, _ADDRESS)
        return
    if "/" not in text:
        yield invalid(path, text, _ADDRESS)
    elif str(found) != text:
        yield invalid(path, text, f'must be in canonical form ("{found}")')


def _allocation(path: str, own: AllocationResult, known: Collection[str]) -> Errors:
    at = f"{path}.devices"
    yield from each(f"{at}.results", own.devices.results, MAX_REQUESTS, lambda p, r: _result(p, r, known))
    yield from each(f"{at}.config", own.devices.config, 2 * MAX_CONFIG, lambda p, c: _configuration(p, c, known))
    if own.node_selector is not None:
        yield from node_selector(f"{path}.nodeSelector", own.node_selector)


def _result(path: str, own: DeviceRequestAllocationResult, known: Collection[str]) -> Errors:
    yield from reference(f"{path}.request", own.request, known)
    yield from caseless_driver_name(f"{path}.driver", own.driver)
    yield from pool_name(f"{path}.pool", own.pool)
    yield from short_name(f"{path}.device", own.device)
    yield from binding(path, own.binding_conditions, own.binding_failure_conditions)
    for index, one in enumerate(own.tolerations):
        yield from toleration(f"{path}.tolerations[{index}]", one)
    if own.share_id is not None:
        yield from uuid(f"{path}.shareID", own.share_id)


def _configuration(path: str, own: DeviceAllocationConfiguration, known: Collection[str]) -> Errors:
    if not own.source:
        yield required(f"{path}.source")
    elif own.source not in _SOURCES:
        yield not_supported(f"{path}.source", own.source, _SOURCES)
    yield from references(f"{path}.requests", own.requests, known)
    yield from opaque(f"{path}.opaque", own.opaque)


def binding(path: str, good: tuple[str, ...], bad: tuple[str, ...]) -> Errors:
    """Conditions that a device must reach before pods are bound, and those that end the attempt: both or none."""
    yield from each(f"{path}.bindingConditions", good, _MAX_BINDING, label_name)
    yield from each(f"{path}.bindingFailureConditions", bad, _MAX_BINDING, label_name)
    for field, items in (("bindingConditions", good), ("bindingFailureConditions", bad)):
        for index, condition in enumerate(items):
            if condition in items[:index]:
                yield duplicate(f"{path}.{field}[{index}]", condition)
            if items is bad and condition in good:
                why = "bindingFailureConditions must not overlap with bindingConditions"
                yield invalid(f"{path}.{field}[{index}]", condition, why)
    if bad and not good:
        why = "bindingConditions are required to use bindingFailureConditions"
        yield invalid(f"{path}.bindingConditions", None, why)
    if good and not bad:
        why = "bindingFailureConditions are required to use bindingConditions"
        yield invalid(f"{path}.bindingFailureConditions", None, why)
