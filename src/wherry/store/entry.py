"""Entry and Event: an object as it is served, and a change as a watcher is told of it.

The log holds `{"kind":...,"apiVersion":...,"metadata":{...},...}` without a resourceVersion; an entry's `data` holds
the same bytes with `"resourceVersion":"N"` put first into metadata, ready to be sent. Everything else (labels, fields,
the typed object) is decoded from `data` when first asked for, and kept. Entries are shared and never change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, Literal, cast

import msgspec

from wherry.machinery import codec
from wherry.machinery.meta import T
from wherry.machinery.resource import Resource

_METADATA = b'"metadata":{'
_REVISION = b'"resourceVersion":"'

EventType = Literal["ADDED", "MODIFIED", "DELETED"]
Decode = Callable[[Resource[Any], bytes], Any]


def decode_typed(resource: Resource[Any], data: bytes) -> Any:
    """How entries become objects unless `Windows` is given another way: the resource's type, nothing defaulted."""
    return codec.decode(resource.type, data)


class _Meta(msgspec.Struct, frozen=True, gc=False):
    uid: str = ""
    labels: dict[str, str] | None = None


class _Head(msgspec.Struct, frozen=True, gc=False):
    """The little of an object that selecting needs; the rest of the bytes is skipped, not decoded."""

    metadata: _Meta = _Meta()


_HEAD = msgspec.json.Decoder(_Head)


def with_revision(value: bytes, revision: int) -> bytes:
    """`value` as stored -> as served at `revision`. Raises ValueError when it is not an object with metadata."""
    at = value.find(_METADATA) + len(_METADATA)
    if at < len(_METADATA):
        raise ValueError("stored value has no metadata")
    comma = b"" if value[at : at + 1] == b"}" else b","
    return b'%b"resourceVersion":"%d"%b%b' % (value[:at], revision, comma, value[at:])


def _moved(data: bytes, revision: int) -> bytes:
    """`data` as served, with another resourceVersion."""
    at = data.find(_METADATA) + len(_METADATA) + len(_REVISION)
    return b"%b%d%b" % (data[:at], revision, data[data.index(b'"', at) :])


class Kind(Generic[T]):
    """What a window's entries share: how their bytes become an object, once somebody has said what they are."""

    __slots__ = ("decode", "resource")

    def __init__(self, decode: Decode = decode_typed) -> None:
        self.decode = decode
        self.resource: Resource[T] | None = None


class Entry(Generic[T]):
    """One object at one revision. `created` is the revision at which it came to be; `data` is what a GET answers."""

    __slots__ = (
        "_fields", "_head", "_kind", "_obj", "created", "data", "key", "name", "namespace", "revision", "shown",
    )  # fmt: skip

    def __init__(self, kind: Kind[T], key: str, data: bytes, revision: int, created: int) -> None:
        self.key = key
        # /registry/<group>/<plural>/[<namespace>/]<name>
        self.namespace, _, self.name = key.split("/", 4)[4].rpartition("/")
        self.data = data
        self.revision = revision
        self.created = created
        self._kind = kind
        self._head: _Meta | None = None
        self._fields: Mapping[str, str] | None = None
        self._obj: T | None = None
        self.shown: dict[Any, Entry[T]] | None = None
        """Other forms of the same object, kept by whoever makes them (versions of a custom resource)."""

    @property
    def kind(self) -> Kind[T]:
        """What it shares with the others of its window."""
        return self._kind

    @property
    def obj(self) -> T:
        """The typed, frozen object, decoded on first use and shared from then on."""
        if self._obj is None:
            resource = self._kind.resource
            if resource is None:
                raise LookupError(f"{self.key}: nobody has asked for this resource yet")
            self._obj = cast("T", self._kind.decode(resource, self.data))
        return self._obj

    @property
    def _metadata(self) -> _Meta:
        if self._head is None:
            self._head = _HEAD.decode(self.data).metadata
        return self._head

    @property
    def labels(self) -> Mapping[str, str]:
        """metadata.labels."""
        return self._metadata.labels or {}

    @property
    def uid(self) -> str:
        """metadata.uid."""
        return self._metadata.uid

    @property
    def fields(self) -> Mapping[str, str]:
        """Selectable fields: metadata.name, metadata.namespace and those that the resource declares."""
        if self._fields is None:
            resource = self._kind.resource
            fields = {"metadata.name": self.name, "metadata.namespace": self.namespace}
            for path, read in ((resource and resource.fields) or {}).items():
                fields[path] = read(self.obj)
            self._fields = fields
        return self._fields

    def forget(self) -> None:
        """Drop what was decoded: the resource is another one now."""
        self._obj = None
        self._fields = None
        self.shown = None

    def slim(self) -> None:
        """Keep nothing but the bytes: the object is history now, and is decoded again if somebody asks."""
        self._obj = None
        self._fields = None
        self._head = None

    def at(self, revision: int) -> Entry[T]:
        """The same object as of its deletion at `revision`."""
        return Entry(self._kind, self.key, _moved(self.data, revision), revision, self.created)

    def __repr__(self) -> str:
        return f"Entry({self.key!r}, revision={self.revision})"


class Event(Generic[T]):
    """What one watcher is told: `entry` is the object to show, `previous` what it was before (None for ADDED).

    For DELETED, `entry` is the last state that the watcher could see, with the deletion's revision.
    One Event is shared by all watchers that are told the same.
    """

    __slots__ = ("__weakref__", "_wire", "entry", "previous", "type")

    def __init__(self, type_: EventType, entry: Entry[T], previous: Entry[T] | None) -> None:
        self.type = type_
        self.entry = entry
        self.previous = previous
        self._wire: bytes | None = None

    @property
    def revision(self) -> int:
        """Where a watcher that has seen this resumes."""
        return self.entry.revision

    @property
    def wire(self) -> bytes:
        """`{"type":...,"object":...}` and a line feed, built once."""
        if self._wire is None:
            self._wire = b'{"type":"%b","object":%b}\n' % (self.type.encode(), self.entry.data)
        return self._wire

    def __repr__(self) -> str:
        return f"Event({self.type}, {self.entry!r})"
