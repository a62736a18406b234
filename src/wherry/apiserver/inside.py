"""Requests by path from within this process: what controllers ask of discovery, scales and aggregated APIs.

The same handlers as for clients, without the wire; as with `inprocess`, nobody is asked for rights.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
from multidict import CIMultiDict

from wherry.apiserver.api import Api
from wherry.apiserver.authn.user import User
from wherry.apiserver.http import JSON, Answer, Gather, Query, Request, Response, Stream
from wherry.apiserver.routes import RequestInfo, parse
from wherry.machinery import codec
from wherry.machinery.errors import (
    APIError,
    InternalError,
    ServiceUnavailable,
    Timeout,
    from_status,
    without_status,
)

READ_SECONDS, WRITE_SECONDS = 10.0, 60.0
"""How long an answer may take: who waits for a remote that hangs does nothing else meanwhile."""


async def ask(api: Api, user: User, agent: str, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
    """JSON in, JSON out. Raises APIError: what a client would have been told."""
    if api.serve is None:
        raise ServiceUnavailable("the API server is starting")
    place, _, text = path.partition("?")
    sent = b"" if body is None else codec.encode(body)
    query = Query(text)

    async def read() -> bytes:
        return sent

    headers = CIMultiDict({"Content-Type": JSON, "Accept": JSON, "User-Agent": agent})
    request = Request(method, place, query, headers, "", {}, lambda: None, read, audit_id=api.uid(), user=user)
    info = parse(method, place, query)
    try:
        async with asyncio.timeout(READ_SECONDS if method == "GET" else WRITE_SECONDS):
            answer = await api.serve(request, info)
            status, kind, data = await _whole(answer, path)
    except TimeoutError:
        raise Timeout("the server was unable to return a response in the time allotted") from None
    except OSError as error:
        raise ServiceUnavailable(f"error trying to reach service: {error}") from error
    try:
        found = msgspec.json.decode(data)
    except msgspec.DecodeError:
        found = None
    if status >= 300:
        raise _refusal(status, found, data if kind.startswith("text/") else b"", _asked(method, info))
    if found is None:
        raise InternalError(f"{path} does not answer in JSON")
    return found


async def _whole(answer: Answer, path: str) -> tuple[int, str, bytes]:
    """Status, type and body. Raises OSError when a remote breaks off, InternalError for what is no plain answer."""
    if isinstance(answer, Response):
        body = answer.body if isinstance(answer.body, bytes) else b"".join(answer.body.pieces)
        return answer.status, answer.content_type, body
    if isinstance(answer, Stream):
        gather = Gather()
        await answer.run(gather)
        return answer.status, answer.content_type, b"".join(gather.parts)
    raise InternalError(f"{path} wants to take the connection over")


def _asked(method: str, info: RequestInfo) -> str:
    """`get pods.metrics.k8s.io web`: what upstream's clients add to an error that says nothing itself."""
    if not info.is_resource:
        return ""
    qualified = f"{info.resource}.{info.group}" if info.group else info.resource
    return " ".join(filter(None, (method.lower(), qualified, info.name)))


def _refusal(status: int, found: Any, text: bytes, asked: str) -> APIError:
    """What a client would have made of the answer: its Status, or words for one that has none (503 of a remote)."""
    if isinstance(found, dict) and found.get("kind") == "Status":
        return from_status(found, status)
    return without_status(status, text.decode("utf-8", "replace").strip(), asked)
