"""apiextensions.k8s.io/v1 CustomResourceDefinition: what the API adds to its schema."""

from __future__ import annotations

from msgspec.structs import replace

from wherry.api.apiextensions.definition_validation import validate
from wherry.api.declare import declare
from wherry.api.defaulting import fill
from wherry.api.types.apiextensions import CustomResourceConversion, CustomResourceDefinition

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


def ending(crd: CustomResourceDefinition) -> CustomResourceDefinition:
    """Before a definition goes, its instances do."""
    if FINALIZER in crd.metadata.finalizers:
        return crd
    return replace(crd, metadata=replace(crd.metadata, finalizers=(*crd.metadata.finalizers, FINALIZER)))


CUSTOMRESOURCEDEFINITION = declare(
    CustomResourceDefinition,
    default=default,
    prepare=prepare,
    validate=validate,
    ending=ending,
)
