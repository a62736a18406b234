"""storage.k8s.io/v1 StorageClass: what the API adds to its schema (`wherry.api.types.storage`)."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from wherry.api.checks import Errors, fixed, label_name, unique, unsupported
from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.defaulting import fill
from wherry.api.types.core import TopologySelectorTerm
from wherry.api.types.storage import StorageClass
from wherry.machinery.names import qualified_name
from wherry.machinery.resource import Column
from wherry.machinery.validation import duplicate, invalid, required, too_long

BINDING_MODES = ("Immediate", "WaitForFirstConsumer")
MAX_PARAMETERS = 512
MAX_PARAMETER_BYTES = 256 * 1024
DEFAULT_ANNOTATION = "storageclass.kubernetes.io/is-default-class"
BETA_DEFAULT_ANNOTATION = "storageclass.beta.kubernetes.io/is-default-class"


def is_default(cls: StorageClass) -> bool:
    """Whether claims without a class get this one."""
    annotations = cls.metadata.annotations
    return "true" in (annotations.get(DEFAULT_ANNOTATION), annotations.get(BETA_DEFAULT_ANNOTATION))


def _name(cls: StorageClass, _: float) -> str:
    return f"{cls.metadata.name} (default)" if is_default(cls) else cls.metadata.name


COLUMNS: tuple[Column[StorageClass], ...] = (
    Column("Name", _name, format="name"),
    Column("Provisioner", lambda c, _: c.provisioner),
    Column("ReclaimPolicy", lambda c, _: c.reclaim_policy or "Delete"),
    Column("VolumeBindingMode", lambda c, _: c.volume_binding_mode or "Immediate"),
    Column("AllowVolumeExpansion", lambda c, _: bool(c.allow_volume_expansion)),
    AGE,
)


def default(cls: StorageClass) -> StorageClass:
    """Volumes are deleted when released, and bound at once."""
    mode = "Immediate" if cls.volume_binding_mode is None else cls.volume_binding_mode
    return replace(fill(cls, reclaim_policy="Delete"), volume_binding_mode=mode)


def validate(new: StorageClass, old: StorageClass | None) -> Errors:
    """A provisioner, known policies; nothing that provisioned volumes depend on changes."""
    if old is not None:
        yield from fixed("parameters", new.parameters or None, old.parameters or None)
        yield from fixed("provisioner", new.provisioner, old.provisioner)
        yield from fixed("reclaimPolicy", new.reclaim_policy, old.reclaim_policy)
        yield from fixed("volumeBindingMode", new.volume_binding_mode, old.volume_binding_mode)
    if new.provisioner:
        for problem in qualified_name(new.provisioner.lower()):
            yield invalid("provisioner", new.provisioner.lower(), problem)
    else:
        yield required("provisioner")
    yield from parameters("parameters", new.parameters)
    if new.reclaim_policy not in (None, "", "Delete", "Retain"):
        yield unsupported("reclaimPolicy", new.reclaim_policy, ("Delete", "Retain"))
    if new.volume_binding_mode is None:
        yield required("volumeBindingMode")
    elif new.volume_binding_mode not in BINDING_MODES:
        yield unsupported("volumeBindingMode", new.volume_binding_mode, BINDING_MODES)
    for index, term in enumerate(new.allowed_topologies):
        yield from _topology(f"allowedTopologies[{index}].matchLabelExpressions", term)
    seen: list[dict[str, frozenset[str]]] = []
    for index, term in enumerate(new.allowed_topologies):
        own = {need.key: frozenset(need.values) for need in term.match_label_expressions}
        if own in seen:
            yield duplicate(f"allowedTopologies[{index}].matchLabelExpressions", "")
        seen.append(own)


def _topology(path: str, term: TopologySelectorTerm) -> Errors:
    keys = [need.key for need in term.match_label_expressions]
    yield from unique(path, keys, ".key")
    for index, need in enumerate(term.match_label_expressions):
        if not need.values:
            yield required(f"{path}[{index}].values")
        yield from unique(f"{path}[{index}].values", need.values)
        yield from label_name(f"{path}[{index}].key", need.key)


def parameters(path: str, given: Mapping[str, str]) -> Errors:
    """Parameters of a provisioner: keys, 512 of them, 256 KiB."""
    if len(given) > MAX_PARAMETERS:
        yield too_long(path, MAX_PARAMETERS)
    if "" in given:
        yield invalid(path, "", "field can not be empty.")
    if sum(len(k.encode()) + len(v.encode()) for k, v in given.items()) > MAX_PARAMETER_BYTES:
        yield too_long(path, MAX_PARAMETER_BYTES)


STORAGECLASS = declare(StorageClass, columns=COLUMNS, default=default, validate=validate)
