"""Validation of what a ResourceClaim asks for: requests, their alternatives, constraints, configuration.

https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from wherry.api.checks import Errors, required_name
from wherry.api.core.volume_validation import caseless_driver_name
from wherry.api.resource.name_validation import (
    MAX_REQUESTS,
    each,
    each_once,
    full_name,
    references,
    short_name,
)
from wherry.api.resource.selector_validation import selectors
from wherry.api.resource.taint_validation import toleration
from wherry.api.types.resource import (
    DeviceClaim,
    DeviceClaimConfiguration,
    DeviceConstraint,
    DeviceRequest,
    DeviceSubRequest,
    ExactDeviceRequest,
    OpaqueDeviceConfiguration,
)
from wherry.machinery.names import dns_subdomain
from wherry.machinery.validation import invalid, not_supported, required, too_long

MAX_CONFIG = 32
_MAX_CONSTRAINTS = 32
_MAX_ALTERNATIVES = 8
_MAX_TOLERATIONS = 16
_MAX_PARAMETERS = 10 * 1024
_MODES = ("All", "ExactCount")
_ONE_KIND = "exactly one of `exactly` or `firstAvailable` is required"
_ONE_RULE = (
    'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set'
)  # fmt: skip


def request_names(own: DeviceClaim) -> frozenset[str]:
    """How requests can be referred to: `request`, and `request/alternative`."""
    found: set[str] = set()
    for request in own.requests:
        found.add(request.name)
        found.update(f"{request.name}/{sub.name}" for sub in request.first_available)
    return frozenset(found)


def device_claim(path: str, own: DeviceClaim) -> Errors:
    """Requests with names of their own, and constraints and configuration that refer to them."""
    known = request_names(own)
    yield from each_once(f"{path}.requests", own.requests, MAX_REQUESTS, _request, lambda r: r.name)
    yield from each(f"{path}.constraints", own.constraints, _MAX_CONSTRAINTS, lambda at, c: _constraint(at, c, known))
    yield from each(f"{path}.config", own.config, MAX_CONFIG, lambda at, c: _configuration(at, c, known))


def _request(path: str, own: DeviceRequest) -> Errors:
    yield from short_name(f"{path}.name", own.name)
    if own.exactly is None and not own.first_available:
        yield required(path, _ONE_KIND)
    elif own.exactly is not None and own.first_available:
        yield invalid(path, None, f"{_ONE_KIND}, but multiple fields are set")
    elif own.exactly is not None:
        yield from _wanted(f"{path}.exactly", own.exactly)
    else:
        at = f"{path}.firstAvailable"
        yield from each_once(at, own.first_available, _MAX_ALTERNATIVES, _alternative, lambda sub: sub.name)


def _alternative(path: str, own: DeviceSubRequest) -> Errors:
    yield from short_name(f"{path}.name", own.name)
    yield from _wanted(path, own)


def _wanted(path: str, own: ExactDeviceRequest | DeviceSubRequest) -> Errors:
    yield from required_name(f"{path}.deviceClassName", own.device_class_name, dns_subdomain)
    yield from selectors(f"{path}.selectors", own.selectors)
    if own.allocation_mode == "All":
        if own.count:
            yield invalid(f"{path}.count", own.count, "must not be specified when allocationMode is 'All'")
    elif own.allocation_mode == "ExactCount":
        if own.count <= 0:
            yield invalid(f"{path}.count", own.count, "must be greater than zero")
    else:
        yield not_supported(f"{path}.allocationMode", own.allocation_mode, _MODES)
    yield from each(f"{path}.tolerations", own.tolerations, _MAX_TOLERATIONS, toleration)


def _constraint(path: str, own: DeviceConstraint, known: Collection[str]) -> Errors:
    yield from references(f"{path}.requests", own.requests, known)
    if own.match_attribute is not None:
        yield from full_name(f"{path}.matchAttribute", own.match_attribute)
    elif own.distinct_attribute is not None:
        yield from full_name(f"{path}.distinctAttribute", own.distinct_attribute)
    else:
        yield required(path, _ONE_RULE)


def _configuration(path: str, own: DeviceClaimConfiguration, known: Collection[str]) -> Errors:
    yield from references(f"{path}.requests", own.requests, known)
    yield from opaque(f"{path}.opaque", own.opaque)


def opaque(path: str, own: OpaqueDeviceConfiguration | None) -> Errors:
    """Parameters for a driver: a JSON object."""
    if own is None:
        yield required(path)
        return
    yield from caseless_driver_name(f"{path}.driver", own.driver)
    yield from raw_object(f"{path}.parameters", own.parameters, _MAX_PARAMETERS)


def raw_object(path: str, value: Any, limit: int) -> Errors:
    """A JSON object of at most `limit` bytes."""
    if value is None:
        yield required(path)
    elif len(msgspec.json.encode(value, enc_hook=str)) > limit:
        yield too_long(path, limit)
    elif not isinstance(value, Mapping):
        yield invalid(path, "<value omitted>", "must be a valid JSON object")
