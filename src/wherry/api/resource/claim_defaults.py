"""What a ResourceClaim's requests say when nobody says it, and what is left out of them: fields of alpha features."""

from __future__ import annotations

from typing import TypeVar

from msgspec.structs import replace

from wherry.api.defaulting import each, fill, fill_zero, within
from wherry.api.types.resource import (
    DeviceClaim,
    DeviceRequest,
    DeviceSubRequest,
    DeviceToleration,
    ExactDeviceRequest,
    ResourceClaimSpec,
)

Wanted = TypeVar("Wanted", ExactDeviceRequest, DeviceSubRequest)


def default_spec(spec: ResourceClaimSpec) -> ResourceClaimSpec:
    """Exactly one device per request."""
    return within(spec, devices=lambda devices: within(devices, requests=each(_default_request)))


def _default_request(request: DeviceRequest) -> DeviceRequest:
    return within(request, exactly=_default_wanted, first_available=each(_default_wanted))


def _default_wanted(own: Wanted) -> Wanted:
    own = fill(own, allocation_mode="ExactCount")
    own = within(own, tolerations=each(default_toleration))
    return fill_zero(own, count=1) if own.allocation_mode == "ExactCount" else own


def default_toleration(own: DeviceToleration) -> DeviceToleration:
    """They compare."""
    return fill(own, operator="Equal")


def without_alpha(spec: ResourceClaimSpec) -> ResourceClaimSpec:
    """The same without derived attributes."""
    return within(spec, devices=_plain)


def _plain(devices: DeviceClaim) -> DeviceClaim:
    def wanted(own: Wanted) -> Wanted:
        return replace(own, derived_attributes=()) if own.derived_attributes else own

    def request(own: DeviceRequest) -> DeviceRequest:
        return within(own, exactly=wanted, first_available=each(wanted))

    return within(devices, requests=each(request))
