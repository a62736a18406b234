"""Traces: one span for each request that is sampled, told when it is over. Knows no tracing library: that is Tell.

A span's name, like `GET /api/v1/namespaces/{:namespace}/pods/{:name}`, is upstream's, without anybody's names in it.
The trace that a client says it belongs to is believed only of administrators: others could have everything recorded.
https://kubernetes.io/docs/concepts/cluster-administration/system-traces/
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from wherry.apiserver.authn.user import MASTERS
from wherry.apiserver.http import Request
from wherry.apiserver.routes import RequestInfo

_CARRIED: Final = ("traceparent", "tracestate")


class Told(NamedTuple):
    """One finished request. Times in seconds since the epoch; `parent`: the trace context it came with."""

    name: str
    began: float
    ended: float
    code: int
    attributes: Mapping[str, Any]
    parent: Mapping[str, str]


Tell = Callable[[Told], None]


def told(request: Request, info: RequestInfo, code: int, began: float, ended: float) -> Told:
    """What is told of a request."""
    attributes = {
        "http.request.method": request.method,
        "http.response.status_code": code,
        "url.path": request.path,
        "user_agent.original": request.headers.get("User-Agent", "")[:256],
        "audit-id": request.audit_id,
    }
    trusted = request.user is not None and MASTERS in request.user.groups
    parent = {name: request.headers[name] for name in _CARRIED if name in request.headers} if trusted else {}
    return Told(f"{request.method} {pattern(info)}", began, ended, code, attributes, parent)


def pattern(info: RequestInfo) -> str:
    """The path without names."""
    if not info.is_resource:
        return "/" + info.path.split("/", 2)[1] if info.path.startswith("/") else "/"
    group = f"/apis/{info.group}" if info.group else "/api"
    parts = [group, info.version]
    if info.namespace:
        parts.append("namespaces/{:namespace}")
    parts.append(info.resource)
    if info.name:
        parts.append("{:name}")
    if info.subresource:
        parts.append(info.subresource)
    return "/".join(parts)
