"""resource.k8s.io/v1 ResourceClaim: what the API adds to its schema (`wherry.api.types.resource`)."""

from __future__ import annotations

from msgspec.structs import replace

from wherry.api.checks import Errors, fixed
from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.defaulting import each, within
from wherry.api.resource.claim_defaults import default_spec, default_toleration, without_alpha
from wherry.api.resource.claim_status_validation import validate_status
from wherry.api.resource.claim_validation import device_claim
from wherry.api.types.resource import AllocationResult, DeviceAllocationResult, ResourceClaim
from wherry.machinery.resource import Column


def _state(claim: ResourceClaim, _: float) -> str:
    deleted = claim.metadata.deletion_timestamp is not None
    words = ["deleted"] if deleted else []
    if claim.status.allocation is None:
        return ",".join(words) or "pending"
    words.append("allocated")
    if claim.status.reserved_for:
        words.append("reserved")
    return ",".join(words)


COLUMNS: tuple[Column[ResourceClaim], ...] = (
    Column("State", _state),
    AGE,
)


def default(claim: ResourceClaim) -> ResourceClaim:
    """Requests, and tolerations of what was allocated."""
    claim = within(claim, spec=default_spec)
    return within(claim, status=lambda status: within(status, allocation=_default_allocation))


def _default_allocation(own: AllocationResult) -> AllocationResult:
    return within(own, devices=_default_results)


def _default_results(own: DeviceAllocationResult) -> DeviceAllocationResult:
    return within(own, results=each(lambda result: within(result, tolerations=each(default_toleration))))


def prepare(new: ResourceClaim, old: ResourceClaim | None) -> ResourceClaim:
    """No alpha fields; what drivers said about a device goes with its allocation."""
    if old is None:
        return within(new, spec=without_alpha)
    freed = _ids(old.status.allocation) - _ids(new.status.allocation)
    if not freed or not new.status.devices:
        return new
    kept = tuple(d for d in new.status.devices if (d.driver, d.pool, d.device, d.share_id) not in freed)
    return replace(new, status=replace(new.status, devices=kept))


def _ids(allocation: AllocationResult | None) -> set[tuple[str, str, str, str | None]]:
    results = allocation.devices.results if allocation is not None else ()
    return {(r.driver, r.pool, r.device, r.share_id) for r in results}


def validate(new: ResourceClaim, old: ResourceClaim | None) -> Errors:
    """What it asks for is right, and stays."""
    if old is None:
        yield from device_claim("spec.devices", new.spec.devices)
    else:
        yield from fixed("spec", new.spec, old.spec)


RESOURCECLAIM = declare(
    ResourceClaim, columns=COLUMNS, default=default, prepare=prepare, validate=validate, validate_status=validate_status
)
