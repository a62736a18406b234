"""Answers in protobuf, for clients that accept nothing else: whole answers, and the events of a watch.

Handlers make JSON; here it is written anew, by the kind that it says it is. Long lists let others in between.
https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import lru_cache
from typing import Any

import msgspec

from wherry.apiserver.http import JSON, Pieces, Response
from wherry.apiserver.protobuf import MEDIA, message_of
from wherry.apiserver.protobuf_wire import field
from wherry.apiserver.protobuf_writer import enclosed, envelope, message
from wherry.machinery.errors import NotAcceptable

STREAM = f"{MEDIA};stream=watch"
"""The content type of a watch."""
_YIELD_EVERY = 20  # objects
_PIECE = 192 * 1024  # bytes


async def converted(answer: Response) -> Response:
    """A JSON answer in protobuf; one that is no object of the API stays as it is."""
    if not answer.content_type.startswith(JSON) or not answer.body:
        return answer
    body = await _list(answer.body) if isinstance(answer.body, Pieces) else _one(answer.body)
    return replace(answer, body=body, content_type=answer.content_type.replace(JSON, MEDIA)) if body else answer


def _one(data: bytes) -> bytes | None:
    """An object of the API in its envelope, None when it is none. Raises NotAcceptable for a kind without a message."""
    found = msgspec.json.decode(data)
    if not isinstance(found, dict) or "kind" not in found:
        return None
    version, kind, name = _names(found)
    return enclosed(version, kind, name, found)


def _names(found: dict[str, Any]) -> tuple[str, str, str]:
    """(apiVersion, kind, message) of an object. Raises NotAcceptable."""
    version, kind = found.get("apiVersion") or "v1", found["kind"]
    group, _, plain = version.rpartition("/")
    name = message_of(group, plain, kind)
    if name is None:
        raise NotAcceptable(f"object of kind {kind} in version {version} has no protobuf form")
    return version, kind, name


async def _list(body: Pieces) -> Pieces:
    """A long list: each item by itself, and the loop free now and then."""
    version, kind, name = _names(found := msgspec.json.decode(b"%b]}" % body.head))
    item = name.removesuffix("List")
    parts = [message(name, {"metadata": found["metadata"]})]
    for index, data in enumerate(body.items):
        parts.append(field(2, message(item, msgspec.json.decode(data))))
        if index % _YIELD_EVERY == 0:
            await asyncio.sleep(0)
    size = sum(map(len, parts))
    before, after = envelope(version, kind, size)
    return Pieces(len(before) + size + len(after), _gathered([before, *parts, after]))


def _gathered(parts: list[bytes]) -> list[bytes]:
    """The same in pieces that are worth sending."""
    out, waiting, size = [], list[bytes](), 0
    for part in parts:
        waiting.append(part)
        size += len(part)
        if size >= _PIECE:
            out.append(b"".join(waiting))
            waiting, size = [], 0
    out.append(b"".join(waiting))
    return out


@lru_cache(maxsize=32)
def frame(type_: str, data: bytes) -> bytes:
    """An event of a watch, from its object's JSON: kept a little, as many may watch."""
    content = field(1, type_.encode()) + field(2, field(1, _one(data) or b""))
    return len(content).to_bytes(4, "big") + content
