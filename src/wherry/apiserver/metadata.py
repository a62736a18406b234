"""Validation of metadata, the same for every kind, worded as upstream words it. Pure.

https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from wherry.machinery import names
from wherry.machinery.meta import ManagedFieldsEntry, ObjectMeta, OwnerReference
from wherry.machinery.resource import Resource
from wherry.machinery.validation import FieldError, forbidden, invalid, required, show, too_long

ANNOTATIONS_LIMIT = 256 * 1024
_GC_FINALIZERS = ("orphan", "foregroundDeletion")
_IMMUTABLE = "field is immutable"
_OWN_RULES = frozenset({"clustertrustbundles", "ipaddresses"})
"""Kinds that judge their names themselves, with the rest of the object, or not at all."""


_SEGMENTS = frozenset({"events", "poddisruptionbudgets"})
"""Kinds whose names may be whatever fits into a path."""


def _anything(name: str) -> list[str]:
    return []


def name_rule(resource: Resource[Any]) -> Callable[[str], list[str]]:
    """How objects of this kind may be called."""
    if resource.custom is not None:
        return names.dns_subdomain
    if (
        resource.group in ("rbac.authorization.k8s.io", "apiregistration.k8s.io", "certificates.k8s.io")
        and resource.plural not in _OWN_RULES
    ) or resource.plural in _SEGMENTS:
        return names.path_segment
    if resource.plural in _OWN_RULES:
        return _anything
    if (resource.group, resource.plural) in (("", "namespaces"), ("", "services"), ("apps", "statefulsets")):
        return names.dns_label
    return names.dns_subdomain


def validate_create(resource: Resource[Any], meta: ObjectMeta) -> Iterator[FieldError]:
    """Everything wrong with the metadata of a new object."""
    rule = name_rule(resource)
    path = "metadata"
    if meta.generate_name:
        for problem in rule(names.prefix_as_name(meta.generate_name)):
            yield invalid(f"{path}.generateName", meta.generate_name, problem)
    if not meta.name:
        yield required(f"{path}.name", "name or generateName is required")
    else:
        for problem in rule(meta.name):
            yield invalid(f"{path}.name", meta.name, problem)
    if resource.namespaced:
        if not meta.namespace:
            yield required(f"{path}.namespace")
        else:
            for problem in names.dns_label(meta.namespace):
                yield invalid(f"{path}.namespace", meta.namespace, problem)
    elif meta.namespace:
        yield forbidden(f"{path}.namespace", "not allowed on this type")
    if meta.generation < 0:
        yield invalid(f"{path}.generation", meta.generation, "must be greater than or equal to 0")
    yield from _common(meta)


def validate_update(resource: Resource[Any], new: ObjectMeta, old: ObjectMeta) -> Iterator[FieldError]:
    """Everything wrong with a change of metadata."""
    path = "metadata"
    for wire, attribute in (("name", "name"), ("namespace", "namespace"), ("uid", "uid")):
        before, after = getattr(old, attribute), getattr(new, attribute)
        if before != after:
            yield invalid(f"{path}.{wire}", after, _IMMUTABLE)
    for wire, attribute in (
        ("deletionTimestamp", "deletion_timestamp"),
        ("deletionGracePeriodSeconds", "deletion_grace_period_seconds"),
    ):
        if getattr(old, attribute) != getattr(new, attribute):
            yield invalid(f"{path}.{wire}", getattr(new, attribute), _IMMUTABLE)
    if new.generation < old.generation:
        yield invalid(f"{path}.generation", new.generation, "must not be decremented")
    if old.deletion_timestamp is not None:
        added = [f for f in new.finalizers if f not in old.finalizers]
        if added:
            # upstream prints Go's %#v of a string slice here
            shown = "[]string{" + ", ".join(show(f) for f in sorted(added)) + "}"
            yield forbidden(
                f"{path}.finalizers", f"no new finalizers can be added if the object is being deleted, found new "
                f"finalizers {shown}"
            )  # fmt: skip
    if (
        new.labels != old.labels
        or new.annotations != old.annotations
        or new.owner_references != old.owner_references
        or new.finalizers != old.finalizers
    ):
        yield from _common(new)


def validate_embedded(meta: ObjectMeta) -> Iterator[FieldError]:
    """Everything wrong with the metadata of an object within another one; it needs no name."""
    for problem in names.path_segment(meta.name) if meta.name else ():
        yield invalid("metadata.name", meta.name, problem)
    for problem in names.path_segment_prefix(meta.generate_name) if meta.generate_name else ():
        yield invalid("metadata.generateName", meta.generate_name, problem)
    for problem in names.dns_label(meta.namespace) if meta.namespace else ():
        yield invalid("metadata.namespace", meta.namespace, problem)
    yield from _common(meta)


def _common(meta: ObjectMeta) -> Iterator[FieldError]:
    yield from validate_labels(meta.labels, "metadata.labels")
    yield from _annotations(meta.annotations)
    yield from _owners(meta.owner_references)
    yield from _finalizers(meta.finalizers)


def validate_labels(labels: Mapping[str, str], path: str) -> Iterator[FieldError]:
    """Everything wrong with labels."""
    for key, value in labels.items():
        for problem in names.label_key(key):
            yield invalid(path, key, problem)
        for problem in names.label_value(value):
            yield invalid(path, value, problem)


def _annotations(annotations: Mapping[str, str]) -> Iterator[FieldError]:
    size = 0
    for key, value in annotations.items():
        for problem in names.label_key(key.lower()):
            yield invalid("metadata.annotations", key, problem)
        size += len(key.encode()) + len(value.encode())
    if size > ANNOTATIONS_LIMIT:
        yield too_long("metadata.annotations", ANNOTATIONS_LIMIT)


def _owners(owners: Sequence[OwnerReference]) -> Iterator[FieldError]:
    path = "metadata.ownerReferences"
    controllers = [owner for owner in owners if owner.controller]
    for index, owner in enumerate(owners):
        here = f"{path}[{index}]"
        if not owner.api_version:
            yield required(f"{here}.apiVersion", "must not be empty")
        elif owner.api_version.count("/") > 1 or owner.api_version.endswith("/"):
            yield invalid(f"{here}.apiVersion", owner.api_version, "must be <group>/<version> or <version>")
        for wire in ("kind", "name", "uid"):
            if not getattr(owner, wire):
                yield required(f"{here}.{wire}", "must not be empty")
        if owner.kind == "Event" and owner.api_version in ("v1", "events.k8s.io/v1"):
            yield invalid(here, owner, f"{owner.api_version}, Kind=Event is disallowed from being an owner")
    if len(controllers) > 1:
        yield invalid(
            path, list(owners),
            f'Only one reference can have Controller set to true. Found "true" in references for '
            f"{controllers[0].kind}/{controllers[0].name} and {controllers[1].kind}/{controllers[1].name}",
        )  # fmt: skip


def _finalizers(finalizers: Sequence[str]) -> Iterator[FieldError]:
    path = "metadata.finalizers"
    for index, finalizer in enumerate(finalizers):
        for problem in names.label_key(finalizer):
            yield invalid(path, finalizer, problem)
        if "/" not in finalizer and finalizer not in (*_GC_FINALIZERS, "kubernetes"):
            yield invalid(
                f"{path}[{index}]", finalizer, "name is neither a standard finalizer name nor is it fully qualified"
            )
    if set(_GC_FINALIZERS) <= set(finalizers):
        yield invalid(path, list(finalizers), "finalizer orphan and foregroundDeletion cannot be both set")


def validate_managed(entries: Sequence[ManagedFieldsEntry]) -> Iterator[FieldError]:
    """Everything wrong with managedFields as a client sent them."""
    for index, entry in enumerate(entries):
        here = f"metadata.managedFields[{index}]"
        if entry.operation not in ("Apply", "Update"):
            yield invalid(f"{here}.operation", entry.operation, "must be `Apply` or `Update`")
        if entry.fields_type and entry.fields_type != "FieldsV1":
            yield invalid(f"{here}.fieldsType", entry.fields_type, "must be `FieldsV1`")
        if len(entry.manager) > 128:
            yield too_long(f"{here}.manager", 128)
