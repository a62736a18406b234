"""The definitions of the Gateway API that come with wherry: standard channel, made by `hack/generate_gateway.py`. Pure.

https://gateway-api.sigs.k8s.io/concepts/crd-management/
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib.resources import files

import msgspec
from msgspec.structs import replace

from wherry.api.types.apiextensions import CustomResourceDefinition
from wherry.machinery.codec import encode, from_dict

GROUP = "gateway.networking.k8s.io"
VERSION_NOTE = f"{GROUP}/bundle-version"
CHANNEL_NOTE = f"{GROUP}/channel"
VERSION = "v1.6.3"
"""The bundle version of the definitions."""
OURS = "wherry.dev/bundle"
"""Annotation of a definition that wherry made: the bundle version that it gave it."""
PLURALS = ("gatewayclasses", "gateways", "httproutes", "referencegrants")
_APPROVED = "api-approved.kubernetes.io"
_VERSION = re.compile(r"v(\d{1,4})\.(\d{1,4})\.(\d{1,4})", re.ASCII)


def load() -> tuple[CustomResourceDefinition, ...]:
    """All of them, marked as wherry's. A fresh copy; not kept in memory here."""
    found = msgspec.json.decode((files(__package__) / "definitions.json").read_bytes())
    return tuple(_marked(from_dict(CustomResourceDefinition, one)) for one in found)


def _marked(crd: CustomResourceDefinition) -> CustomResourceDefinition:
    notes = {**crd.metadata.annotations, OURS: VERSION}
    return replace(crd, metadata=replace(crd.metadata, annotations=notes))


def comes_with_wherry(crd: CustomResourceDefinition) -> bool:
    """Whether its name and spec are exactly those of a definition that comes with wherry, approved as it is."""
    return crd.spec.group == GROUP and _APPROVED in crd.metadata.annotations and _digest(crd) in _digests()


@cache
def _digests() -> frozenset[str]:
    return frozenset(map(_digest, load()))


def _digest(crd: CustomResourceDefinition) -> str:
    return hashlib.sha256(crd.metadata.name.encode() + b"\0" + encode(crd.spec)).hexdigest()


def to_write(present: CustomResourceDefinition | None) -> bool:
    """Whether a definition is to be made, or made anew.

    One that somebody else made, or has made another version of, is theirs; of ours, only older ones change.
    """
    if present is None:
        return True
    notes = present.metadata.annotations
    if OURS not in notes or notes[OURS] != notes.get(VERSION_NOTE) or notes.get(CHANNEL_NOTE) != "standard":
        return False
    before, now = read_version(notes[OURS]), read_version(VERSION)
    return before is not None and now is not None and before < now


def merged(new: CustomResourceDefinition, present: CustomResourceDefinition) -> CustomResourceDefinition:
    """The definition that is there, with what the new one says."""
    notes = {**present.metadata.annotations, **new.metadata.annotations}
    return replace(present, metadata=replace(present.metadata, annotations=notes), spec=new.spec)


def supported(crd: CustomResourceDefinition) -> bool:
    """Whether a definition is of a version that wherry knows: from v1.0 to its own."""
    found, own = read_version(crd.metadata.annotations.get(VERSION_NOTE, "")), read_version(VERSION)
    return found is not None and own is not None and found[0] == own[0] and found[:2] <= own[:2]


def read_version(text: str) -> tuple[int, ...] | None:
    """The numbers of a version."""
    found = _VERSION.fullmatch(text)
    return None if found is None else tuple(map(int, found.groups()))
