"""apiextensions.k8s.io/v1 CustomResourceDefinition: what the API adds to its schema."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from wherry.api.declare import declare
from wherry.api.defaulting import fill
from wherry.api.gateway.bundle import comes_with_wherry
from wherry.api.types.apiextensions import CustomResourceConversion, CustomResourceDefinition
from wherry.machinery.codec import to_dict
from wherry.machinery.resource import Column
from wherry.machinery.structural.formats import known
from wherry.machinery.validation import FieldError

FINALIZER = "customresourcecleanup.apiextensions.k8s.io"


def default(crd: CustomResourceDefinition) -> CustomResourceDefinition:
    """Singular and list names follow from the kind; nothing is converted; what is stored is what is marked so."""
    names = crd.spec.names
    names = fill(names, singular=names.kind.lower(), list_kind=f"{names.kind}List" if names.kind else "")
    spec = fill(replace(crd.spec, names=names), conversion=CustomResourceConversion(strategy="None"))
    status = crd.status
    if not status.stored_versions:
        stored = tuple(version.name for version in spec.versions if version.storage)[:1]
        status = replace(status, stored_versions=stored)
    return replace(crd, spec=spec, status=status)


def prepare(new: CustomResourceDefinition, old: CustomResourceDefinition | None) -> CustomResourceDefinition:
    """The version that is stored now has been stored."""
    stored = new.status.stored_versions
    missing = tuple(v.name for v in new.spec.versions if v.storage and v.name not in stored)
    return replace(new, status=replace(new.status, stored_versions=(*stored, *missing))) if missing else new


def validate(new: CustomResourceDefinition, old: CustomResourceDefinition | None) -> Iterable[FieldError]:
    """Everything wrong with a definition. What judges it is loaded with the first one: CEL and RE2 are large.

    One that comes with wherry was judged by a test.
    """
    if (old is None or old.spec == new.spec) and comes_with_wherry(new):
        return ()
    from wherry.api.apiextensions import definition_validation

    return definition_validation.validate(new, old)


def validate_status(new: CustomResourceDefinition, old: CustomResourceDefinition | None) -> Iterable[FieldError]:
    """Everything wrong with a definition's status."""
    if new.status.accepted_names == new.spec.names and comes_with_wherry(new):
        return ()
    from wherry.api.apiextensions import definition_validation

    return definition_validation.validate_status(new, old)


def warn(new: CustomResourceDefinition, old: CustomResourceDefinition | None) -> Iterable[str]:
    """Formats that mean nothing, sets of what is no scalar; each once, and not again when they were there before."""
    before = set() if old is None else set(_oddities(old))
    return [text for text in dict.fromkeys(_oddities(new)) if text not in before]


def _oddities(crd: CustomResourceDefinition) -> Iterator[str]:
    for version in crd.spec.versions:
        if version.schema is not None and version.schema.open_apiv3_schema is not None:
            yield from _odd(to_dict(version.schema.open_apiv3_schema))


def _odd(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for part in schema:
            yield from _odd(part)
    if not isinstance(schema, Mapping):
        return
    form = schema.get("format")
    if isinstance(form, str) and form and not known(schema.get("type", ""), form):
        yield f'unrecognized format "{form}"'
    items = schema.get("items")
    if schema.get("x-kubernetes-list-type") == "set" and isinstance(items, Mapping):
        kind = items.get("type")
        if kind in ("object", "array"):
            yield (
                f'x-kubernetes-list-type: set for items of type "{kind}" is not supported by server-side apply or CEL '
                "validation rules"
            )
    for word in ("allOf", "anyOf", "oneOf", "not", "items", "additionalProperties"):
        yield from _odd(schema.get(word))
    for part in (schema.get("properties") or {}).values():
        yield from _odd(part)


def ending(crd: CustomResourceDefinition) -> CustomResourceDefinition:
    """Before a definition goes, its instances do."""
    if FINALIZER in crd.metadata.finalizers:
        return crd
    return replace(crd, metadata=replace(crd.metadata, finalizers=(*crd.metadata.finalizers, FINALIZER)))


def _versions(crd: CustomResourceDefinition, _: float) -> str:
    served = (version for version in crd.spec.versions if version.served)
    return ",".join(sorted(version.name + ("(storage)" if version.storage else "") for version in served))


def _established(crd: CustomResourceDefinition, _: float) -> bool:
    return any(c.type == "Established" and c.status == "True" for c in crd.status.conditions)


COLUMNS: tuple[Column[CustomResourceDefinition], ...] = (
    Column("Scope", lambda crd, _: crd.spec.scope, description="Cluster/Namespaced"),
    Column("Versions", _versions, description="Served versions"),
    Column("Created At", lambda crd, _: crd.metadata.creation_timestamp, type="date"),
    Column("Group", lambda crd, _: crd.spec.group, wide=True, description="API group"),
    Column("Kind", lambda crd, _: crd.spec.names.kind, wide=True, description="CustomResource kind"),
    Column("ShortNames", lambda crd, _: ",".join(crd.spec.names.short_names), wide=True, description="Short names"),
    Column("Established", _established, wide=True, type="boolean", description="Established status"),
)

CUSTOMRESOURCEDEFINITION = declare(
    CustomResourceDefinition,
    columns=COLUMNS,
    default=default,
    prepare=prepare,
    validate=validate,
    validate_status=validate_status,
    warn=warn,
    ending=ending,
)
