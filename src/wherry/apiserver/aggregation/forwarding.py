"""Forwarding: hand a request on to the server that serves its group version, and its answer back.

The user is told by headers, under the front proxy's certificate (`identity`); no credential of the client goes along.
No redirect is passed on or followed (CVE-2022-3172). A request for an upgrade becomes bytes both ways only after the
other server has answered 101; any other answer ends both connections (CVE-2018-1002105).
https://kubernetes.io/docs/tasks/extend-kubernetes/configure-aggregation-layer/
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import unquote

from wherry.aio.connection import Connection, Dialled, splice
from wherry.apiserver.aggregation.identity import identity, passed
from wherry.apiserver.aggregation.remotes import Remote
from wherry.apiserver.http import Answer, Request, Response, Sink, Stream, Upgrade
from wherry.apiserver.service_endpoint import resolve
from wherry.apiserver.subresources.agents import REDIRECTED, answer_plainly, read_head, read_rest
from wherry.machinery.errors import APIError, BadRequest, ServiceUnavailable

if TYPE_CHECKING:
    import aiohttp

    from wherry.apiserver.api import Api

log = logging.getLogger(__name__)
DIAL_SECONDS = 10.0
HTTPS = 443
_TEXT = "text/plain; charset=utf-8"
_HOP = frozenset({
    "connection", "keep-alive", "proxy-authenticate", "proxy-connection", "te", "trailer", "transfer-encoding",
    "upgrade", "content-length", "content-type", "audit-id", "cache-control", "date", "server",
})  # fmt: skip


async def forward(api: Api, remote: Remote, request: Request) -> Answer:
    """What the remote answers; 503 while it is not available. Raises BadRequest."""
    if not remote.available:
        return unavailable()
    target = target_of(request)
    if request.headers.get("Upgrade"):
        return Upgrade(lambda client: _upgrade(api, remote, client, request, target))
    headers = [*passed(request.headers.items()), *identity(request.user), ("X-Forwarded-For", request.remote)]
    body = await request.read() if request.method not in ("GET", "HEAD") else b""
    try:
        response = await ask(api, remote, request.method, target, headers, body)
    except ServiceUnavailable as error:
        log.info("%s: %s", remote.service.metadata.name, error)
        return Response(f"{error}\n".encode(), 503, _TEXT)
    if 300 <= response.status <= 399 and response.headers.get("Location"):
        response.close()
        return Response(REDIRECTED, 502, _TEXT)
    kind = response.headers.get("Content-Type", "application/json")
    return Stream(lambda sink: _relay(response, sink), kind, response.status, dict(_returned(response)))


def unavailable() -> Response:
    """What is said while a remote cannot be used."""
    return Response(b"service unavailable\n", 503, _TEXT, {"X-Content-Type-Options": "nosniff"})


def target_of(request: Request) -> str:
    """Path and query to ask for: what was authorised, byte for byte. Raises BadRequest for dot segments."""
    if any(unquote(part) in (".", "..") for part in request.path.split("/")):
        raise BadRequest("the request path has an invalid segment")
    return request.path + (f"?{request.query.text}" if request.query.text else "")


async def ask(
    api: Api, remote: Remote, method: str, target: str, headers: list[tuple[str, str]], body: bytes = b""
) -> aiohttp.ClientResponse:  # fmt: skip
    """Send one request over a kept-alive connection. Raises ServiceUnavailable."""
    import aiohttp
    from yarl import URL

    try:
        host, port = resolve(api, remote.reference.namespace, remote.reference.name, remote.reference.port or HTTPS)
        session = api.remotes.session(remote)
        return await session.request(
            method,
            URL(f"https://{_bracketed(host)}:{port}{target}", encoded=True),
            headers=headers,
            data=body or None,
            allow_redirects=False,
            server_hostname=remote.host,
        )
    except APIError as error:
        raise ServiceUnavailable("service unavailable") from error
    except (aiohttp.ClientError, OSError, ssl.SSLError, TimeoutError, ValueError) as error:
        raise ServiceUnavailable(f"error trying to reach service: {str(error) or 'timed out'}") from error


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _returned(response: aiohttp.ClientResponse) -> Iterator[tuple[str, str]]:
    for name in dict.fromkeys(response.headers):
        if name.lower() not in _HOP:
            yield name, ", ".join(response.headers.getall(name))


async def _relay(response: aiohttp.ClientResponse, sink: Sink) -> None:
    import aiohttp

    sink.on_close(response.close)
    try:
        while data := await response.content.readany():
            await sink.write(data)
    except aiohttp.ClientError as error:
        raise ConnectionResetError("the other server broke off") from error
    finally:
        response.close() if not response.content.at_eof() else response.release()


async def _upgrade(api: Api, remote: Remote, client: Connection, request: Request, target: str) -> None:
    try:
        server = await _dial(api, remote)
    except APIError as error:
        answer_plainly(client, error.code, f"{error}\n".encode())
        return
    try:
        server.write(_upgrade_request(remote, request, target))
        head = await read_head(server)
        if head.status != 101:
            redirected = 300 <= head.status <= 399 and "location" in head.headers
            body = REDIRECTED if redirected else await read_rest(server, head)
            answer_plainly(client, 502 if redirected else head.status, body)
            return
        client.write(head.raw + head.rest)
        await splice(client, server)
    except APIError as error:
        answer_plainly(client, error.code, f"{error}\n".encode())
    finally:
        server.close()


async def _dial(api: Api, remote: Remote) -> Dialled:
    try:
        host, port = resolve(api, remote.reference.namespace, remote.reference.name, remote.reference.port or HTTPS)
        async with asyncio.timeout(DIAL_SECONDS):
            reader, writer = await asyncio.open_connection(
                host, port, ssl=api.remotes.context(remote), server_hostname=remote.host
            )
    except APIError as error:
        raise ServiceUnavailable("service unavailable") from error
    except (OSError, ssl.SSLError, TimeoutError, ValueError) as error:
        raise ServiceUnavailable(f"error trying to reach service: {str(error) or 'timed out'}") from error
    return Dialled(reader, writer)


def _upgrade_request(remote: Remote, request: Request, target: str) -> bytes:
    """Raises BadRequest."""
    lines = [f"{request.method} {target} HTTP/1.1", f"Host: {remote.host}"]
    headers = (*passed(request.headers.items()), *identity(request.user), ("X-Forwarded-For", request.remote))
    lines += [f"{name}: {value}" for name, value in headers]
    lines += [f"Upgrade: {request.headers['Upgrade']}", "Connection: Upgrade"]
    if request.method == "POST":
        lines.append("Content-Length: 0")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")
