"""storage.k8s.io/v1 VolumeAttachment: what the API adds to its schema (`wherry.api.types.storage`)."""

from __future__ import annotations

from wherry.api.checks import Errors, fixed, named
from wherry.api.columns import AGE
from wherry.api.core.volume_spec_validation import inline_spec
from wherry.api.core.volume_validation import caseless_driver_name, driver_name
from wherry.api.declare import declare
from wherry.api.types.storage import VolumeAttachment
from wherry.machinery.names import dns_subdomain
from wherry.machinery.resource import Column
from wherry.machinery.validation import forbidden, required

COLUMNS: tuple[Column[VolumeAttachment], ...] = (
    Column("Attacher", lambda a, _: a.spec.attacher),
    Column("PV", lambda a, _: a.spec.source.persistent_volume_name or ""),
    Column("Node", lambda a, _: a.spec.node_name),
    Column("Attached", lambda a, _: a.status.attached, type="boolean"),
    AGE,
)


def validate(new: VolumeAttachment, old: VolumeAttachment | None) -> Errors:
    """One volume, by one driver, at one node; it stays so."""
    spec, at = new.spec, "spec.source"
    yield from (caseless_driver_name if old is None else driver_name)("spec.attacher", spec.attacher)
    name, inline = spec.source.persistent_volume_name, spec.source.inline_volume_spec
    if name is None and inline is None:
        yield required(at, "must specify exactly one of inlineVolumeSpec and persistentVolumeName")
    elif name is not None and inline is not None:
        yield forbidden(at, "must specify exactly one of inlineVolumeSpec and persistentVolumeName")
    elif name == "":
        yield required(f"{at}.persistentVolumeName", "must specify non empty persistentVolumeName")
    elif inline is not None:
        yield from inline_spec(f"{at}.inlineVolumeSpec", inline)
    if name is not None:
        yield from named("spec.source.persistentVolumeName", name, dns_subdomain)
    yield from named("spec.nodeName", spec.node_name, dns_subdomain)
    if old is not None:
        yield from fixed("spec", spec, old.spec)


VOLUMEATTACHMENT = declare(VolumeAttachment, columns=COLUMNS, validate=validate)
