"""storagemigration.k8s.io/v1 StorageVersionMigration: what the API adds to its schema."""

from __future__ import annotations

from wherry.api.checks import Errors, immutable
from wherry.api.condition_validation import conditions
from wherry.api.declare import declare
from wherry.api.types.storagemigration import StorageVersionMigration
from wherry.machinery.conditions import is_true
from wherry.machinery.names import dns_1035_label, dns_subdomain
from wherry.machinery.resource import Column
from wherry.machinery.validation import invalid, required

_ENDS = (("Succeeded", "Success"), ("Failed", "Failed"))


def _state(migration: StorageVersionMigration, _: float) -> str:
    true = {c.type for c in migration.status.conditions if c.status == "True"}
    return next((word for word in ("Succeeded", "Failed", "Running") if word in true), "Unknown")


COLUMNS: tuple[Column[StorageVersionMigration], ...] = (
    Column(
        "Resource", lambda m, _: ".".join(part for part in (m.spec.resource.resource, m.spec.resource.group) if part)
    ),
    Column("Status", _state),
)


def validate(new: StorageVersionMigration, old: StorageVersionMigration | None) -> Errors:
    """Of one resource, which stays."""
    own = new.spec.resource
    if not own.resource:
        yield required("spec.resource.resource", "resource is required to be set")
    elif problems := dns_1035_label(own.resource):
        yield invalid("spec.resource.resource", own.resource, ",".join(problems))
    if own.group and (problems := dns_subdomain(own.group)):
        yield invalid("spec.resource.group", own.group, ",".join(problems))
    if old is not None:
        yield from immutable("spec", new.spec, old.spec)


def validate_status(new: StorageVersionMigration, old: StorageVersionMigration | None) -> Errors:
    """A revision that stays; one end, which stays."""
    status, before = new.status, old.status if old is not None else StorageVersionMigration().status
    revision = status.resource_version
    if revision and (not revision.isdecimal() or not revision.isascii() or (len(revision) > 1 and revision[0] == "0")):
        yield invalid("status.resourceVersion", revision, f"resource version is not well formed: {revision}")
    yield from conditions("status.conditions", status.conditions)
    if before.resource_version and before.resource_version != revision:
        yield invalid("status.resourceVersion", revision, "field is immutable")
    found = status.conditions
    if all(is_true(found, end) for end, _ in _ENDS):
        yield invalid("status.conditions", found, "Both success and failed conditions cannot be true at the same time")
    for end, word in _ENDS:
        if is_true(before.conditions, end) and not is_true(found, end):
            yield invalid("status.conditions", found, f"{word} condition cannot be set to false once it is true")


STORAGEVERSIONMIGRATION = declare(
    StorageVersionMigration, columns=COLUMNS, validate=validate, validate_status=validate_status
)
