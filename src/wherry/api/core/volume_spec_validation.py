"""Validation of the spec of a PersistentVolume.

https://kubernetes.io/docs/concepts/storage/persistent-volumes/
"""

from __future__ import annotations

import posixpath

from msgspec.structs import replace

from wherry.api.checks import POSITIVE, Errors, immutable, named, namespaced_name, no_backsteps
from wherry.api.core.claim_validation import VOLUME_MODES, access_modes
from wherry.api.core.placement_validation import node_selector
from wherry.api.core.volume_validation import BESIDE, INSIDE, check_source, driver_name, wire_name
from wherry.api.core.volume_validation import SOURCES as POD_SOURCES
from wherry.api.types.core import CSIPersistentVolumeSource, LocalVolumeSource, PersistentVolumeSpec
from wherry.machinery.names import dns_subdomain
from wherry.machinery.quantity import compare
from wherry.machinery.validation import forbidden, invalid, not_supported, required

RECLAIM_POLICIES = ("Delete", "Recycle", "Retain")
SOURCES = (
    *(name for name in POD_SOURCES if name in PersistentVolumeSpec.__struct_fields__ and name != "csi"),
    "local",
    "csi",
)
"""Fields that are sources, in the order in which they are looked at: the first one counts."""


def volume_spec(path: str, spec: PersistentVolumeSpec) -> Errors:
    """Everything about a new spec."""
    if not spec.access_modes:
        yield required(f"{path}.accessModes")
    yield from access_modes(f"{path}.accessModes", spec.access_modes)
    yield from _capacity(f"{path}.capacity", spec)
    if spec.persistent_volume_reclaim_policy not in ("", *RECLAIM_POLICIES):
        at = f"{path}.persistentVolumeReclaimPolicy"
        yield not_supported(at, spec.persistent_volume_reclaim_policy, RECLAIM_POLICIES)
    if spec.node_affinity is not None and spec.node_affinity.required is not None:
        yield from node_selector(f"{path}.nodeAffinity.required", spec.node_affinity.required)
    elif spec.node_affinity is not None:
        yield required(f"{path}.nodeAffinity.required", "must specify required node constraints")
    yield from _source(path, spec)
    if spec.storage_class_name:
        yield from named(f"{path}.storageClassName", spec.storage_class_name, dns_subdomain)
    if spec.volume_mode is not None and spec.volume_mode not in VOLUME_MODES:
        yield not_supported(f"{path}.volumeMode", spec.volume_mode, VOLUME_MODES)
    yield from _attributes(path, spec)


def inline_spec(path: str, spec: PersistentVolumeSpec) -> Errors:
    """Of a volume that is attached without an object of its own: a driver's, and nothing about claims or places."""
    for field, given in (
        ("claimRef", spec.claim_ref is not None),
        ("capacity", bool(spec.capacity)),
        ("nodeAffinity", spec.node_affinity is not None),
    ):
        if given:
            yield forbidden(f"{path}.{field}", "may not be specified in the context of inline volumes")
    if spec.persistent_volume_reclaim_policy not in ("", *RECLAIM_POLICIES):
        at = f"{path}.persistentVolumeReclaimPolicy"
        yield not_supported(at, spec.persistent_volume_reclaim_policy, RECLAIM_POLICIES)
    if spec.csi is None:
        yield required(f"{path}.csi", "has to be specified in the context of inline volumes")
    if spec.volume_mode not in (None, "Filesystem"):
        why = "may not specify volumeMode other than Filesystem in the context of inline volumes"
        yield forbidden(f"{path}.volumeMode", why)
    if not spec.access_modes:
        yield required(f"{path}.accessModes")
    yield from access_modes(f"{path}.accessModes", spec.access_modes)
    yield from _source(path, spec)


def _capacity(path: str, spec: PersistentVolumeSpec) -> Errors:
    if not spec.capacity:
        yield required(path)
    if spec.capacity.keys() != {"storage"}:
        yield not_supported(path, spec.capacity or None, ("storage",))
    for name, amount in spec.capacity.items():
        if compare(amount, "0") < 0:
            yield invalid(f"{path}[{name}]", amount, "must be a valid resource quantity")
        if compare(amount, "0") <= 0:
            yield invalid(f"{path}[{name}]", amount, POSITIVE)


def _source(path: str, spec: PersistentVolumeSpec) -> Errors:
    given = [(name, source) for name in SOURCES if (source := getattr(spec, name)) is not None]
    if not given:
        yield required(path, "must specify a volume type")
        return
    first, source = given[0]
    at = f"{path}.{INSIDE.get(first) or wire_name(PersistentVolumeSpec, first)}"
    if isinstance(source, CSIPersistentVolumeSource):
        yield from _csi(at, source)
    elif isinstance(source, LocalVolumeSource):
        yield from _local(at, source, path, spec)
    else:
        yield from check_source(at, first, source)
    for name, _ in given[1:]:
        why = "may not specify more than 1 volume type"
        yield forbidden(f"{path}.{BESIDE.get(name) or wire_name(PersistentVolumeSpec, name)}", why)
    host = spec.host_path
    if host is not None and posixpath.normpath(host.path) == "/" and spec.persistent_volume_reclaim_policy == "Recycle":
        why = "may not be 'recycle' for a hostPath mount of '/'"
        yield forbidden(f"{path}.persistentVolumeReclaimPolicy", why)


def _local(path: str, source: LocalVolumeSource, whole: str, spec: PersistentVolumeSpec) -> Errors:
    if source.path:
        yield from no_backsteps(f"{path}.path", source.path)
    else:
        yield required(f"{path}.path")
    if spec.node_affinity is None:
        yield required(f"{whole}.nodeAffinity", "Local volume requires node affinity")


def _csi(path: str, source: CSIPersistentVolumeSource) -> Errors:
    yield from driver_name(f"{path}.driver", source.driver)
    if not source.volume_handle:
        yield required(f"{path}.volumeHandle")
    for field, ref in (
        ("controllerPublishSecretRef", source.controller_publish_secret_ref),
        ("controllerExpandSecretRef", source.controller_expand_secret_ref),
        ("nodePublishSecretRef", source.node_publish_secret_ref),
        ("nodeExpandSecretRef", source.node_expand_secret_ref),
    ):
        if ref is not None:
            yield from namespaced_name(f"{path}.{field}", ref.name, ref.namespace)


def _attributes(path: str, spec: PersistentVolumeSpec) -> Errors:
    name = spec.volume_attributes_class_name
    if name is None:
        return
    if name:
        yield from named(f"{path}.volumeAttributesClassName", name, dns_subdomain)
    else:
        yield required(f"{path}.volumeAttributesClassName", "an empty string is disallowed")
    if spec.csi is None:
        yield required(f"{path}.csi", "has to be specified when using volumeAttributesClassName")


def volume_update(new: PersistentVolumeSpec, old: PersistentVolumeSpec) -> Errors:
    """What stays."""
    mine = {name: getattr(new, name) for name in SOURCES}
    theirs = {name: getattr(old, name) for name in SOURCES}
    if old.csi is not None and old.csi.controller_expand_secret_ref is None and new.csi is not None:
        mine["csi"] = replace(new.csi, controller_expand_secret_ref=None)
    if mine != theirs:
        yield forbidden("spec.persistentvolumesource", "spec.persistentvolumesource is immutable after creation")
    yield from immutable("volumeMode", new.volume_mode, old.volume_mode)
    if old.node_affinity is not None and new.node_affinity != old.node_affinity:
        why = "field is immutable, except for updating from beta label to GA"
        yield invalid("nodeAffinity", new.node_affinity, why)
    if old.volume_attributes_class_name is not None and new.volume_attributes_class_name is None:
        yield forbidden("spec.volumeAttributesClassName", "update from non-nil value to nil is forbidden")
