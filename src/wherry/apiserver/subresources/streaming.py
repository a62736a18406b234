"""STREAMING: subresources that pass bytes between a client and a node's agent: exec, attach, portforward, log, proxy.

A handler `(api, request, info, resource) -> Answer` runs after authentication and authorisation (`request.user`). It
finds the pod, checks the request (`podstreams`) and hands it on to the agent of the pod's node (`agents`), or to the
pod, Service or node itself (`proxy`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from wherry.api.types.core import Pod
from wherry.apiserver.api import Api
from wherry.apiserver.http import Answer, Query, Request, Response
from wherry.apiserver.routes import RequestInfo
from wherry.apiserver.subresources import podstreams
from wherry.apiserver.subresources.connect import admit
from wherry.apiserver.subresources.proxy import proxy_node, proxy_pod, proxy_service
from wherry.machinery.errors import BadRequest
from wherry.machinery.resource import Resource

Streaming = Callable[[Api, Request, RequestInfo, Resource[Any]], Awaitable[Answer]]
Target = Callable[[Pod, Query], str]


async def log(api: Api, request: Request, info: RequestInfo, resource: Resource[Any]) -> Answer:
    """GET pods/NAME/log: nothing while the pod has no node. Raises APIError."""
    pod: Pod = api.get(resource, info.namespace, info.name).obj
    path = podstreams.log_target(pod, request.query)
    if not pod.spec.node_name:
        return Response(b"", 204, "text/plain")
    return await api.agents.forward(request, podstreams.node_of(pod), path)


async def exec_(api: Api, request: Request, info: RequestInfo, resource: Resource[Any]) -> Answer:
    """GET (WebSocket) or POST (SPDY) pods/NAME/exec. Raises APIError."""
    return await _upgraded(api, request, info, resource, podstreams.exec_target)


async def attach(api: Api, request: Request, info: RequestInfo, resource: Resource[Any]) -> Answer:
    """GET (WebSocket) or POST (SPDY) pods/NAME/attach. Raises APIError."""
    return await _upgraded(api, request, info, resource, podstreams.attach_target)


async def port_forward(api: Api, request: Request, info: RequestInfo, resource: Resource[Any]) -> Answer:
    """GET (WebSocket) or POST (SPDY) pods/NAME/portforward. Raises APIError."""
    return await _upgraded(api, request, info, resource, podstreams.port_forward_target)


async def _upgraded(api: Api, request: Request, info: RequestInfo, resource: Resource[Any], target: Target) -> Answer:
    pod: Pod = api.get(resource, info.namespace, info.name).obj
    path = target(pod, await admit(api, request, info, resource))
    node = podstreams.node_of(pod)
    if not request.headers.get("Upgrade"):
        raise BadRequest("Upgrade request required")
    return await api.agents.forward(request, node, path)


STREAMING: Mapping[tuple[str, str], Streaming] = {
    ("pods", "log"): log,
    ("pods", "exec"): exec_,
    ("pods", "attach"): attach,
    ("pods", "portforward"): port_forward,
    ("pods", "proxy"): proxy_pod,
    ("services", "proxy"): proxy_service,
    ("nodes", "proxy"): proxy_node,
}
"""(resource, subresource) -> handler."""
