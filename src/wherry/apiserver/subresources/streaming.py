"""STREAMING: subresources that pass bytes between a client and a node's agent: exec, attach, portforward, log, proxy.

A handler `(api, request, info, resource) -> Answer` runs after authentication and authorisation (`request.user`). It
returns a `Stream` for a long answer (log), or an `Upgrade` whose `run(connection)` owns the raw connection with nothing
written yet (exec, attach, portforward, proxied WebSockets): it writes the HTTP answer head itself, then copies bytes.
`info.rest` is the path after `/proxy`; `request.chunks()` reads an unbounded body piece by piece.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from wherry.apiserver.api import Api
from wherry.apiserver.http import Answer, Request
from wherry.apiserver.routes import RequestInfo
from wherry.machinery.resource import Resource

Streaming = Callable[[Api, Request, RequestInfo, Resource[Any]], Awaitable[Answer]]

STREAMING: Mapping[tuple[str, str], Streaming] = {}
"""(resource, subresource) -> handler."""
