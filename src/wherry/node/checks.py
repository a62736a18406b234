"""One look at a container from outside or inside: exec, HTTP, TCP, gRPC. Used by probes and by life-cycle hooks.

Each answers (healthy, what it saw), worded as upstream's events word it. HTTP follows no redirect to another host and
does not verify certificates, as upstream. https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/
"""

from __future__ import annotations

import asyncio
import os
import ssl
from dataclasses import dataclass

import aiohttp
import grpc.aio
from yarl import URL

from wherry.api.types.core import Container as Spec
from wherry.api.types.core import GRPCAction, HTTPGetAction, TCPSocketAction
from wherry.node.runtime.interface import Runtime, RuntimeFault

MAX_BODY = 10 * 1024
MAX_REDIRECTS = 10
USER_AGENT = "kube-probe/1.37"

Answer = tuple[bool, str]


class Unknowable(Exception):
    """The look itself failed; nothing is known about the container."""


@dataclass(frozen=True, slots=True)
class Target:
    """The container to be looked at. `address` is its pod's."""

    container: str
    address: str
    spec: Spec


def port_number(spec: Spec, port: int | str | None) -> int:
    """A port by number or by the name of one of the container's ports. Raises Unknowable."""
    if isinstance(port, int):
        return port
    found = next((one.container_port for one in spec.ports if one.name == port), None)
    if found is not None:
        return found
    if port and port.isdigit():
        return int(port)
    raise Unknowable(f"couldn't find port: {port}")


async def run_command(runtime: Runtime, container: str, command: tuple[str, ...], timeout: float) -> Answer:  # noqa: ASYNC109 - the runtime keeps it
    """A command in the container: healthy if it ends with 0 in time."""
    try:
        result = await runtime.exec_sync(container, command, timeout)
    except RuntimeFault as fault:
        if fault.code == "deadline_exceeded":
            return False, f'command timed out: "{" ".join(command)}" timed out after {timeout:g}s'
        raise Unknowable(str(fault)) from fault
    return result.exit_code == 0, (result.stdout + result.stderr)[:MAX_BODY].decode(errors="replace")


async def http_get(session: aiohttp.ClientSession, target: Target, action: HTTPGetAction, timeout: float) -> Answer:  # noqa: ASYNC109 - handed on
    """A GET: healthy if the status is 200 to 399."""
    scheme = (action.scheme or "HTTP").lower()
    host = action.host or target.address
    host = f"[{host}]" if ":" in host else host
    path = action.path if action.path.startswith("/") else f"/{action.path}"
    url = f"{scheme}://{host}:{port_number(target.spec, action.port)}{path}"
    headers = {"User-Agent": USER_AGENT, "Accept": "*/*", "Connection": "close"}
    headers |= {one.name: one.value for one in action.http_headers}
    try:
        async with asyncio.timeout(timeout):
            code = await _get(session, url, headers)
    except TimeoutError:
        text = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        return False, f'Get "{url}": {text}'
    except (aiohttp.ClientError, OSError, ssl.SSLError) as error:
        return False, f'Get "{url}": {_reason(error, url)}'
    if 200 <= code < 400:
        return True, ""
    return False, f"HTTP probe failed with statuscode: {code}"


async def _get(session: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> int:
    """The status in the end; redirects are followed on the same host only, any other counts as an answer."""
    place = URL(url, encoded=True)
    for _ in range(MAX_REDIRECTS):
        async with session.get(
            place, headers=headers, allow_redirects=False, ssl=False, timeout=aiohttp.ClientTimeout(total=None)
        ) as answer:
            await answer.content.read(MAX_BODY)
            to = answer.headers.get("Location")
            if answer.status not in (301, 302, 303, 307, 308) or not to:
                return answer.status
            following = place.join(URL(to))
            if following.host != place.host:
                return answer.status
            place = following
    raise aiohttp.ClientError(f"stopped after {MAX_REDIRECTS} redirects")


def _reason(error: Exception, url: str) -> str:
    parts = URL(url, encoded=True)
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"dial tcp {parts.host}:{parts.port}: connect: {_words(error.os_error)}"
    return str(error) or type(error).__name__


def _words(error: OSError) -> str:
    """What the kernel calls it: asyncio puts words of its own into strerror."""
    return (os.strerror(error.errno) if error.errno else str(error)).lower()


async def tcp_connect(target: Target, action: TCPSocketAction, timeout: float) -> Answer:  # noqa: ASYNC109 - used here
    """A connection: healthy if it is accepted."""
    host, port = action.host or target.address, port_number(target.spec, action.port)
    try:
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return False, f"dial tcp {host}:{port}: i/o timeout"
    except OSError as error:
        return False, f"dial tcp {host}:{port}: connect: {_words(error)}"
    writer.close()
    return True, ""


def _varint(number: int) -> bytes:
    """A length as protobuf writes it."""
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*found, number))


async def grpc_health(target: Target, action: GRPCAction, timeout: float) -> Answer:  # noqa: ASYNC109 - handed on
    """grpc.health.v1.Health/Check: healthy if it says SERVING."""
    service = (action.service or "").encode()
    request = b"\x0a" + _varint(len(service)) + service if service else b""
    async with grpc.aio.insecure_channel(f"{target.address}:{action.port}") as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check", request_serializer=bytes, response_deserializer=bytes
        )
        try:
            answer = await check(request, timeout=timeout)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                return False, f'timeout: failed to connect service "{target.address}:{action.port}" within {timeout:g}s'
            return False, f"error: health rpc failed: {error.details()}"
    serving = answer == b"\x08\x01"
    return serving, "" if serving else "service unhealthy (responded with a status that is not SERVING)"
