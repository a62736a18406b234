"""CONNECT: what a client asks of a stream (exec, attach, portforward, proxy) passes admission like any other request.

The query becomes an options object, which admission sees and may change, and goes back into the query.
https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.37/#podexecoptions-v1-core
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from wherry.apiserver.api import Api
from wherry.apiserver.context import Context
from wherry.apiserver.http import Query, Request
from wherry.apiserver.routes import RequestInfo
from wherry.machinery.resource import Resource

_FLAGS: Final = ("stdin", "stdout", "stderr", "tty")
_KINDS: Final[Mapping[tuple[str, str], str]] = {
    ("pods", "exec"): "PodExecOptions",
    ("pods", "attach"): "PodAttachOptions",
    ("pods", "portforward"): "PodPortForwardOptions",
    ("pods", "proxy"): "PodProxyOptions",
    ("services", "proxy"): "ServiceProxyOptions",
    ("nodes", "proxy"): "NodeProxyOptions",
}


async def admit(api: Api, request: Request, info: RequestInfo, resource: Resource[Any], name: str = "") -> Query:
    """The query as admission leaves it. `name`: of the object, where the path says more. Raises APIError."""
    ctx: Context[Any] = Context(
        request.user, resource, info.namespace if resource.namespaced else "", name or info.name,
        subresource=info.subresource, operation="CONNECT",
    )  # fmt: skip
    sent = options(str(resource), info, request.query)
    wanted = await api.admission.mutate(api, ctx, sent, None)
    await api.admission.validate(api, ctx, wanted, None)
    return request.query if wanted == sent else query(wanted)


def options(resource: str, info: RequestInfo, asked: Query) -> dict[str, Any]:
    """The options object that a query stands for."""
    found: dict[str, Any] = {"kind": _KINDS[resource, info.subresource], "apiVersion": "v1"}
    if info.subresource == "proxy":
        return {**found, **({"path": info.rest} if info.rest else {})}
    if info.subresource == "portforward":
        ports = [int(p) for text in asked.all("ports") for p in text.split(",") if p.isdigit()]
        return {**found, **({"ports": ports} if ports else {})}
    found |= {name: True for name in _FLAGS if asked.flag(name)}
    if asked.first("container"):
        found["container"] = asked.first("container")
    if info.subresource == "exec":
        found["command"] = asked.all("command")
    return found


def query(wanted: Mapping[str, Any]) -> Query:
    """The query that stands for an options object."""
    pairs: list[tuple[str, str]] = [(name, "true") for name in _FLAGS if wanted.get(name) is True]
    container, command, ports = wanted.get("container"), wanted.get("command"), wanted.get("ports")
    if isinstance(container, str) and container:
        pairs.append(("container", container))
    if isinstance(command, list):
        pairs += [("command", part) for part in command if isinstance(part, str)]
    if isinstance(ports, list):
        pairs += [("ports", str(port)) for port in ports if isinstance(port, int)]
    return Query(urlencode(pairs))
