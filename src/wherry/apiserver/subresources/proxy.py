"""pods/proxy, services/proxy, nodes/proxy: hand a request on to what the object stands for.

A name may be `NAME`, `NAME:PORT` or `SCHEME:NAME:PORT`. The address is taken from the object's status once and dialled
as it is: no name is resolved and no redirect followed. Addresses of the machine itself (loopback, link-local) are
refused, so that nobody reaches the API server's neighbours through it (CVE-2020-8562, CVE-2022-3294).
https://kubernetes.io/docs/tasks/access-application-cluster/access-cluster-services/
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from wherry.aio.connection import Connection, Dialled, splice
from wherry.api.discovery.endpointslice import ENDPOINTSLICE
from wherry.api.types.core import Pod, Service
from wherry.api.types.discovery import EndpointSlice
from wherry.apiserver.api import Api
from wherry.apiserver.http import Answer, Gather, Request, Response, Stream, Upgrade
from wherry.apiserver.routes import RequestInfo
from wherry.apiserver.subresources.agents import answer_plainly, read_head, relay_body
from wherry.apiserver.subresources.connect import admit
from wherry.apiserver.subresources.links import moved, rewritten
from wherry.machinery.errors import APIError, BadRequest, NotFound, ServiceUnavailable
from wherry.machinery.resource import Resource

DIAL_SECONDS = 10.0
_HOP = {
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding",
    "upgrade", "host", "authorization", "content-length", "accept-encoding",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Backend:
    """Where a proxied request goes."""

    host: str
    port: int
    secure: bool = False

    def __post_init__(self) -> None:
        """Raises BadRequest for addresses of this machine, however they are written, and for names."""
        try:
            address = ipaddress.ip_address(self.host)
        except ValueError:
            raise BadRequest("address not allowed") from None
        if isinstance(address, ipaddress.IPv6Address):
            address = address.ipv4_mapped or address  # ::ffff:127.0.0.1 is dialled as 127.0.0.1
        if address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified:
            raise BadRequest("address not allowed")


def split_name(name: str) -> tuple[str, str, str]:
    """`[SCHEME:]NAME[:PORT]` -> (scheme, name, port). Raises BadRequest."""
    parts = name.split(":")
    match parts:
        case [bare]:
            return "http", bare, ""
        case [bare, port]:
            return "http", bare, port
        case [scheme, bare, port] if scheme in ("http", "https", ""):
            return scheme or "http", bare, port
    raise BadRequest(f'invalid name "{name}"')


async def proxy_pod(api: Api, request: Request, info: RequestInfo, resource: Resource[Any]) -> Answer:
    """Any verb on pods/NAME/proxy/PATH. Raises APIError."""
    scheme, name, port = split_name(info.name)
    pod: Pod = api.get(resource, info.namespace, name).obj
    await admit(api, request, info, resource, name)
    if not pod.status.pod_ip:
        raise BadRequest("address not allowed")
    ports = {p.name: p.container_port for c in pod.spec.containers for p in c.ports}
    first = next((p.container_port for c in pod.spec.containers for p in c.ports), 80)
    number = ports.get(port) if port and not port.isdigit() else int(port or first)
    if number is None:
        raise BadRequest(f'pod "{name}" has no port named "{port}"')
    return await _proxy(request, info, Backend(pod.status.pod_ip, number, secure=scheme == "https"))


async def proxy_service(api: Api, request: Request, info: RequestInfo, resource: Resource[Any]) -> Answer:
    """Any verb on services/NAME/proxy/PATH: goes to one ready endpoint. Raises APIError."""
    scheme, name, port = split_name(info.name)
    service: Service = api.get(resource, info.namespace, name).obj
    await admit(api, request, info, resource, name)
    wanted = [p for p in service.spec.ports if port in ("", p.name, str(p.port))]
    if not wanted or (not port and len(service.spec.ports) > 1):
        raise ServiceUnavailable(f'no service port "{port}" found for service "{name}"')
    found: dict[str, Backend] = {}
    for entry in api.window(ENDPOINTSLICE).list(info.namespace).items:
        piece: EndpointSlice = entry.obj
        if piece.metadata.labels.get("kubernetes.io/service-name") != name or piece.address_type == "FQDN":
            continue
        number = next((p.port for p in piece.ports if (p.name or "") == wanted[0].name and p.port), None)
        if number is None:
            continue
        found |= {
            f"{address}:{number}": Backend(address, number, secure=scheme == "https")
            for endpoint in piece.endpoints
            if endpoint.conditions.ready is not False
            for address in endpoint.addresses[:1]
        }
    if not found:
        raise ServiceUnavailable(f'no endpoints available for service "{info.name}"')
    return await _proxy(request, info, found[api.random.choice(tuple(found))])


async def proxy_node(api: Api, request: Request, info: RequestInfo, resource: Resource[Any]) -> Answer:
    """GET on nodes/NAME/proxy/PATH: the node's agent. Raises APIError."""
    _, name, _ = split_name(info.name)
    if api.find(resource, "", name) is None:
        raise NotFound(f'nodes "{name}" not found', details={"name": name, "kind": "nodes"})
    await admit(api, request, info, resource, name)
    return await api.agents.forward(request, name, _path(request, info))


def _path(request: Request, info: RequestInfo) -> str:
    path = "/" + quote(info.rest.lstrip("/"), safe="/%:@!$&'()*+,;=~-._")
    return path + (f"?{request.query.text}" if request.query.text else "")


async def _dial(backend: Backend) -> Dialled:
    context = None
    if backend.secure:  # as upstream: pods' certificates are their own business
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    try:
        async with asyncio.timeout(DIAL_SECONDS):
            return Dialled(*await asyncio.open_connection(backend.host, backend.port, ssl=context))
    except (OSError, TimeoutError) as error:
        message = f"error trying to reach service: {str(error) or 'timed out'}"
        raise ServiceUnavailable(message) from None


def _head(request: Request, path: str, backend: Backend, body: bytes, *, upgrade: bool) -> bytes:
    lines = [f"{request.method} {path} HTTP/1.1", f"Host: {backend.host}:{backend.port}"]
    lines += [f"{name}: {value}" for name, value in request.headers.items() if name.lower() not in _HOP]
    lines += [f"Upgrade: {request.headers['Upgrade']}", "Connection: Upgrade"] if upgrade else ["Connection: close"]
    if body or request.method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body)}")
    lines.append(f"X-Forwarded-For: {request.remote}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


async def _proxy(request: Request, info: RequestInfo, backend: Backend) -> Answer:
    path = _path(request, info)
    if request.headers.get("Upgrade"):
        return Upgrade(lambda client: _upgrade(client, request, path, backend))
    if not info.rest and not request.path.endswith("/") and request.method in ("GET", "HEAD"):
        # relative links of the page would otherwise lead beside the proxy
        query = f"?{request.query.text}" if request.query.text else ""
        return Response(b"", 301, headers={"Location": f"{request.path}/{query}"})
    body = await request.read()
    connection = await _dial(backend)
    connection.write(_head(request, path, backend, body, upgrade=False))
    head = await read_head(connection)
    headers = {name.title(): value for name, value in head.headers.items() if name not in _HOP}
    kind = headers.pop("Content-Type", "text/plain")
    prefix = request.path.removesuffix(info.rest) if info.rest else request.path.rstrip("/")
    if "Location" in headers:
        headers["Location"] = moved(headers["Location"], prefix, backend.host)
    if kind.partition(";")[0].strip().lower() == "text/html":
        gather = Gather()
        await relay_body(connection, head, gather)
        return Response(rewritten(b"".join(gather.parts), prefix, backend.host), head.status, kind, headers)
    return Stream(
        lambda sink: relay_body(connection, head, sink), content_type=kind, status=head.status, headers=headers
    )


async def _upgrade(client: Connection, request: Request, path: str, backend: Backend) -> None:
    try:
        connection = await _dial(backend)
        connection.write(_head(request, path, backend, b"", upgrade=True))
        head = await read_head(connection)
    except APIError as error:
        answer_plainly(client, error.code, str(error).encode())
        return
    if head.status != 101:
        answer_plainly(client, head.status, head.rest)
        connection.close()
        return
    client.write(head.raw + head.rest)
    await splice(client, connection)
