"""Validation of what a claim to storage asks for: in claims, in pods' ephemeral volumes, in StatefulSets.

https://kubernetes.io/docs/concepts/storage/persistent-volumes/#persistentvolumeclaims
"""

from __future__ import annotations

from wherry.api.checks import Errors, annotation_map, label_map, named, selector
from wherry.api.core.resource_validation import quantity_value
from wherry.api.core.volume_modes import ACCESS_MODES
from wherry.api.types.core import (
    PersistentVolumeClaimSpec,
    PersistentVolumeClaimTemplate,
    TypedLocalObjectReference,
    TypedObjectReference,
)
from wherry.machinery.meta import ObjectMeta
from wherry.machinery.names import dns_label, dns_subdomain
from wherry.machinery.quantity import compare
from wherry.machinery.validation import forbidden, invalid, not_supported, required

VOLUME_MODES = ("Block", "Filesystem")


def access_modes(path: str, modes: tuple[str, ...]) -> Errors:
    """Known modes; ReadWriteOncePod stands alone."""
    for mode in modes:
        if mode not in ACCESS_MODES:
            yield not_supported(path, mode, ACCESS_MODES)
    known = {mode for mode in modes if mode in ACCESS_MODES}
    if "ReadWriteOncePod" in known and len(known) > 1:
        yield forbidden(path, "may not use ReadWriteOncePod with other access modes")


def claim_spec(path: str, spec: PersistentVolumeClaimSpec) -> Errors:
    """The spec of a claim."""
    if not spec.access_modes:
        yield required(f"{path}.accessModes", "at least 1 access mode is required")
    yield from selector(f"{path}.selector", spec.selector)
    yield from access_modes(f"{path}.accessModes", spec.access_modes)
    at = f"{path}.resources[storage]"
    size = spec.resources.requests.get("storage")
    if size is None:
        yield required(at)
    elif compare(size, "0") <= 0:
        yield invalid(at, size, "must be greater than zero")
    else:
        yield from quantity_value(at, "storage", size)
    if spec.storage_class_name:
        yield from named(f"{path}.storageClassName", spec.storage_class_name, dns_subdomain)
    if spec.volume_mode is not None and spec.volume_mode not in VOLUME_MODES:
        yield not_supported(f"{path}.volumeMode", spec.volume_mode, VOLUME_MODES)
    yield from _sources(path, spec)
    if spec.volume_attributes_class_name:
        yield from named(f"{path}.volumeAttributesClassName", spec.volume_attributes_class_name, dns_subdomain)


def _sources(path: str, spec: PersistentVolumeClaimSpec) -> Errors:
    local, ref = spec.data_source, spec.data_source_ref
    if local is not None:
        yield from _source(f"{path}.dataSource", local)
    if ref is not None:
        yield from _source(f"{path}.dataSourceRef", ref)
        if ref.namespace:
            yield from named(f"{path}.dataSourceRef.namespace", ref.namespace, dns_label)
    if local is None or ref is None:
        return
    if ref.namespace:
        yield invalid(path, f"{path}.dataSource", "may not be specified when dataSourceRef.namespace is specified")
    elif (local.api_group, local.kind, local.name) != (ref.api_group, ref.kind, ref.name):
        yield invalid(path, f"{path}.dataSource", "must match dataSourceRef")


def _source(path: str, ref: TypedLocalObjectReference | TypedObjectReference) -> Errors:
    if not ref.name:
        yield required(f"{path}.name")
    if not ref.kind:
        yield required(f"{path}.kind")
    if ref.api_group:
        yield from named(f"{path}.apiGroup", ref.api_group, dns_subdomain)
    elif ref.kind != "PersistentVolumeClaim":
        yield invalid(path, ref.kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup")


def claim_template(path: str, template: PersistentVolumeClaimTemplate) -> Errors:
    """The template of an ephemeral volume: labels, annotations and a spec, nothing else."""
    meta = template.metadata
    yield from annotation_map(f"{path}.metadata.annotations", meta.annotations)
    yield from label_map(f"{path}.metadata.labels", meta.labels)
    usual = ObjectMeta()
    for name in ("name", "generate_name", "namespace", "uid", "owner_references", "finalizers", "resource_version"):
        if getattr(meta, name) != getattr(usual, name):
            head, *rest = name.split("_")
            camel = head + "".join(word.title() for word in rest)
            yield forbidden(f"{path}.metadata.{camel}", "cannot be set")
    yield from claim_spec(f"{path}.spec", template.spec)
