"""Entries -> bodies, in the form the client wants: the stored bytes as they are, a Table, or metadata alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import yaml

from wherry.apiserver.http import JSON, Pieces, Response
from wherry.apiserver.negotiate import Wanted
from wherry.apiserver.views import View
from wherry.machinery import codec, table
from wherry.machinery.errors import APIError
from wherry.machinery.resource import Resource
from wherry.store.entry import Entry, Event

_PIECE = 192 * 1024  # bytes: what TLS and the sockets take most cheaply at once


class _Metadata(msgspec.Struct):
    metadata: msgspec.Raw


_METADATA = msgspec.json.Decoder(_Metadata)


def metadata_bytes(entry: Entry[Any]) -> bytes:
    """The object's metadata, as it stands in its bytes."""
    return bytes(_METADATA.decode(entry.data).metadata)


def partial(entry: Entry[Any]) -> bytes:
    """PartialObjectMetadata of an object."""
    return b'{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":%b}' % metadata_bytes(entry)


def body(data: bytes, wanted: Wanted) -> tuple[bytes, str]:
    """JSON -> (body, content type), as YAML when asked for."""
    if wanted.yaml:
        return yaml.safe_dump(msgspec.json.decode(data), sort_keys=True).encode(), "application/yaml"
    return data, JSON


def one(
    resource: Resource[Any], entry: Entry[Any], wanted: Wanted, now: float, include: str = "", status: int = 200
) -> Response:
    """The answer that shows one object."""
    if wanted.plain:
        return Response(entry.data, status)
    match wanted.form:
        case "Table":
            meta = {"resourceVersion": str(entry.revision)}
            data = codec.encode(_table(resource, [entry], now, include, meta))
        case "PartialObjectMetadata":
            data = partial(entry)
        case _:
            data = entry.data
    text, media = body(data, wanted)
    return Response(text, status, media)


def _table(
    resource: Resource[Any], entries: Sequence[Entry[Any]], now: float, include: str, meta: dict[str, Any]
) -> dict[str, Any]:
    how: table.Include = "None" if include == "None" else "Object" if include == "Object" else "Metadata"
    return table.render(resource, [entry.obj for entry in entries], now, how, meta)


def many(
    resource: Resource[Any], entries: Sequence[Entry[Any]], meta: dict[str, Any], wanted: Wanted, now: float,
    include: str = "",
) -> Response:  # fmt: skip
    """The answer that shows a list."""
    if wanted.form == "Table":
        text, media = body(codec.encode(_table(resource, entries, now, include, meta)), wanted)
        return Response(text, content_type=media)
    if wanted.form in ("PartialObjectMetadataList", "PartialObjectMetadata"):
        spliced = _spliced(_head("PartialObjectMetadataList", "meta.k8s.io/v1", meta), [partial(e) for e in entries])
    else:
        spliced = _spliced(_head(_list_kind(resource), resource.api_version, meta), [entry.data for entry in entries])
    if not wanted.yaml:
        return Response(spliced)
    text, media = body(spliced if isinstance(spliced, bytes) else b"".join(spliced.pieces), wanted)
    return Response(text, content_type=media)


def _list_kind(resource: Resource[Any]) -> str:
    return f"{resource.kind}List" if resource.custom is None else str(resource.custom.list_kind)


def _head(kind: str, version: str, meta: dict[str, Any]) -> bytes:
    return b'{"kind":"%b","apiVersion":"%b","metadata":%b,"items":[' % (
        kind.encode(),
        version.encode(),
        codec.encode(meta),
    )


def _spliced(head: bytes, items: Sequence[bytes]) -> bytes | Pieces:
    """A list's bytes around those of its items."""
    inner = sum(map(len, items)) + max(0, len(items) - 1)
    if inner <= _PIECE:
        return b"%b%b]}" % (head, b",".join(items))
    return Pieces(len(head) + inner + 2, _pieces(head, items, max(1, len(items) * _PIECE // inner)), head, items)


def _pieces(head: bytes, items: Sequence[bytes], each: int) -> Iterator[bytes]:
    yield head + b",".join(items[:each])
    for start in range(each, len(items), each):
        yield b",".join([b"", *items[start : start + each]])
    yield b"]}"


def _line(type_: str, data: bytes) -> bytes:
    return b'{"type":"%b","object":%b}\n' % (type_.encode(), data)


class WatchForm:
    """Events in another form than the plain one. The first Table of a watch names the columns."""

    def __init__(self, resource: Resource[Any], wanted: Wanted, include: str, view: View | None = None) -> None:
        self._view = view
        self._resource = self.resource = resource
        self._wanted = wanted
        self._include = include
        self._named = False
        self.custom = resource.custom
        """What shows a custom resource in the version that the client speaks; None for built-in kinds."""
        self._frame = _line
        self.content_type = JSON
        if wanted.protobuf:
            from wherry.apiserver import protobuf_answers

            self._frame, self.content_type = protobuf_answers.frame, protobuf_answers.STREAM
        self.plain = wanted.form == "object" and view is None and resource.custom is None and not wanted.protobuf

    def event(self, event: Event[Any], now: float) -> bytes:
        """What tells of an event."""
        return self.line(event.type, event.entry, now)

    def line(self, type_: str, entry: Entry[Any], now: float) -> bytes:
        """A line `{"type":...,"object":...}`, or its frame in protobuf."""
        if self._view is not None:
            entry = self._view.show(entry)
        elif self.custom is not None:
            entry = self.custom.shown(entry) or entry
        if self._wanted.form == "Table":
            meta = {"resourceVersion": str(entry.revision)}
            shown = _table(self._resource, [entry], now, self._include, meta)
            if self._named:
                shown["columnDefinitions"] = None
            self._named = True
            data = codec.encode(shown)
        elif self._wanted.form == "object":
            data = entry.data
        else:
            data = partial(entry)
        return self._frame(type_, data)

    def error(self, error: APIError) -> bytes:
        """The ERROR event that ends a watch."""
        return self._frame("ERROR", codec.encode(error.status()))

    def bookmark(self, revision: int, *, initial_end: bool) -> bytes:
        """What says how far the watch has got."""
        notes = b',"annotations":{"k8s.io/initial-events-end":"true"}' if initial_end else b""
        meta = b'"metadata":{"resourceVersion":"%d"%b}' % (revision, notes)
        if self._wanted.form == "Table":
            head = b'"kind":"Table","apiVersion":"meta.k8s.io/v1",'
            tail = b',"columnDefinitions":null,"rows":[]' if not initial_end else self._end_rows(meta)
            meta = b'"metadata":{"resourceVersion":"%d"}' % revision
            return self._frame("BOOKMARK", b"{%b%b%b}" % (head, meta, tail))
        kind, version = self._resource.kind, self._resource.api_version
        if self._wanted.form != "object":
            kind, version = "PartialObjectMetadata", "meta.k8s.io/v1"
        return self._frame("BOOKMARK", b'{"kind":"%b","apiVersion":"%b",%b}' % (kind.encode(), version.encode(), meta))

    def _end_rows(self, meta: bytes) -> bytes:
        """In a Table the marker is the object of an otherwise empty row."""
        cells = b"[" + b",".join([b'""'] * len(table.definitions(self._resource))) + b"]"
        partial_ = b'{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1",%b}' % meta
        return b',"columnDefinitions":null,"rows":[{"cells":%b,"object":%b}]' % (cells, partial_)
