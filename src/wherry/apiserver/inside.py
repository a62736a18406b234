"""Requests by path from within this process: what controllers ask of discovery, scales and aggregated APIs.

The same handlers as for clients, without the wire; as with `inprocess`, nobody is asked for rights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from multidict import CIMultiDict

from wherry.apiserver.api import Api
from wherry.apiserver.authn.user import User
from wherry.apiserver.http import JSON, Gather, Query, Request, Response, Stream
from wherry.apiserver.routes import parse
from wherry.machinery import codec
from wherry.machinery.errors import InternalError, ServiceUnavailable, from_status


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
    answer = await api.serve(request, parse(method, place, query))
    if isinstance(answer, Response):
        status, data = answer.status, answer.body if isinstance(answer.body, bytes) else b"".join(answer.body.pieces)
    elif isinstance(answer, Stream):
        gather = Gather()
        await answer.run(gather)
        status, data = answer.status, b"".join(gather.parts)
    else:
        raise InternalError(f"{path} wants to take the connection over")
    try:
        found = msgspec.json.decode(data)
    except msgspec.DecodeError:
        raise InternalError(f"{path} does not answer in JSON") from None
    if status >= 300:
        raise from_status(found if isinstance(found, dict) else {}, status)
    return found
