"""WebhookClient: one POST of JSON to a webhook, as safe as a call to a stranger can be.

TLS is always verified, against the webhook's CA bundle or else the system's roots; a Service is known by the name
`NAME.NAMESPACE.svc`, whichever endpoint answers. No redirect is followed (CVE-2020-8561), no proxy asked, no answer
longer than LIMIT read, and nothing of a refused answer repeated. A target may be shown credentials of ours, which no
other target sees. Connections are kept and used again. Owns its connections: `close` it with the server. Messages are
those of upstream.
https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#contacting-the-webhook
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import tempfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from wherry.apiserver.webhooks import reasons
from wherry.machinery.errors import APIError

Resolve = Callable[[str, str, int], tuple[str, int]]
"""(namespace, name, port) of a Service -> (host, port) to dial. Raises APIError."""

LIMIT: Final = 10 * 1024 * 1024
"""Bytes of an answer that are read at most."""
IDLE_SECONDS: Final = 30.0
"""How long an unused connection is kept: short, so that a Service's endpoints share the calls."""
_CONTEXTS: Final = 64
_NO_LIMIT: Final = aiohttp.ClientTimeout(total=None, sock_connect=None)  # `post` has the one that counts


class CallFailed(Exception):
    """No answer. The text is one such as `Post "https://a.b.svc:443/x?timeout=1s": context deadline exceeded`."""


class ServiceTarget(NamedTuple):
    """A Service's port, and the path of the webhook there."""

    namespace: str
    name: str
    path: str = ""
    port: int = 443


@dataclass(frozen=True, slots=True)
class Target:
    """Where a webhook is: a Service or a URL, and PEM certificates of the authorities to trust (b"": the system's).

    `pair` (a client certificate and its key, PEM) and `token` (of a bearer) are shown to it.
    """

    service: ServiceTarget | None = None
    url: str = ""
    ca: bytes = b""
    pair: bytes = field(default=b"", repr=False)
    token: str = field(default="", repr=False)

    @property
    def address(self) -> str:
        """The URL to post to, without its query."""
        if self.service is None:
            return self.url
        path = self.service.path
        return f"https://{_host(self.service)}:{self.service.port}{path if path.startswith('/') else f'/{path}'}"


class _Service(Protocol):
    @property
    def namespace(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def path(self) -> str | None: ...
    @property
    def port(self) -> int | None: ...


class ClientConfig(Protocol):
    """A WebhookClientConfig of admissionregistration.k8s.io or apiextensions.k8s.io."""

    @property
    def url(self) -> str | None: ...
    @property
    def service(self) -> _Service | None: ...
    @property
    def ca_bundle(self) -> bytes | None: ...


def target_of(config: ClientConfig) -> Target:
    """The target that a configuration describes."""
    own, ca = config.service, config.ca_bundle or b""
    if own is None:
        return Target(url=config.url or "", ca=ca)
    return Target(ServiceTarget(own.namespace, own.name, own.path or "", own.port or 443), ca=ca)


def _host(service: ServiceTarget) -> str:
    return f"{service.name}.{service.namespace}.svc"


class WebhookClient:
    """`await client.post(target, body, timeout_s)` -> the answer's body. Connects only when somebody asks."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._services: aiohttp.ClientSession | None = None
        self._urls: aiohttp.ClientSession | None = None
        self._contexts: OrderedDict[tuple[bytes, bytes], ssl.SSLContext] = OrderedDict()

    async def close(self) -> None:
        """Close all connections."""
        for session in (self._services, self._urls):
            if session is not None:
                await session.close()
        self._services = self._urls = None

    async def post(self, target: Target, body: bytes, timeout_s: float) -> bytes:
        """The body of a successful answer. Raises CallFailed."""
        session = self._session(target)
        asked = f"{target.address}?timeout={_go_seconds(timeout_s)}"
        try:
            context = self._context((target.ca, target.pair))
            async with asyncio.timeout(timeout_s):
                try:
                    return await _post(session, asked, body, context, target.token)
                except aiohttp.ServerDisconnectedError:
                    # a kept connection that the other side had closed; Go's client asks again as well
                    return await _post(session, asked, body, context, target.token)
        except _Refused as error:
            raise CallFailed(str(error)) from None
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise CallFailed(f'Post "{asked}": {reasons.of_error(error)}') from None

    def _session(self, target: Target) -> aiohttp.ClientSession:
        if target.service is None:
            self._urls = self._urls or _open(None)
            return self._urls
        self._services = self._services or _open(self._resolve)
        return self._services

    def _context(self, of: tuple[bytes, bytes]) -> ssl.SSLContext:
        """One for each bundle and pair: connections are shared only among those that trust and show the same."""
        context = self._contexts.get(of)
        if context is None:
            context = self._contexts[of] = _trusting(*of)
            if len(self._contexts) > _CONTEXTS:
                self._contexts.popitem(last=False)
        self._contexts.move_to_end(of)
        return context


class _Refused(Exception):
    """An answer that is none."""


class _ServiceResolver(AbstractResolver):
    """`NAME.NAMESPACE.svc` -> the endpoint to dial."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        name, namespace, _ = host.split(".", 2)
        try:
            address, number = self._resolve(namespace, name, port)
        except APIError as error:
            raise OSError(str(error)) from None
        if not _is_ip(address):  # of an ExternalName Service
            return await aiohttp.ThreadedResolver().resolve(address, number, family)
        kind = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [{
            "hostname": host, "host": address, "port": number, "family": kind, "proto": 0,
            "flags": socket.AI_NUMERICHOST,
        }]  # fmt: skip

    async def close(self) -> None:
        """Nothing is kept."""


def _open(resolve: Resolve | None) -> aiohttp.ClientSession:
    """A session that never stores a cookie; for Services, names are resolved by `resolve` alone."""
    connector = aiohttp.TCPConnector(
        limit=0, keepalive_timeout=IDLE_SECONDS, use_dns_cache=False,
        resolver=None if resolve is None else _ServiceResolver(resolve),
    )  # fmt: skip
    return aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Content-Type": "application/json", "Accept": "application/json, */*",
                 "User-Agent": "kube-apiserver-admission"},
    )  # fmt: skip


def _is_ip(text: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, text)
        except OSError:
            continue
        return True
    return False


async def _post(session: aiohttp.ClientSession, url: str, body: bytes, context: ssl.SSLContext, token: str) -> bytes:
    more = {"Authorization": f"Bearer {token}"} if token else None
    async with session.post(
        url, data=body, ssl=context, timeout=_NO_LIMIT, allow_redirects=False, headers=more
    ) as response:  # fmt: skip
        if not 200 <= response.status <= 206:
            response.close()  # what it says is not read: it may be somebody else's secret
            raise _Refused(reasons.of_status(response.status))
        pieces, size = [], 0
        while piece := await response.content.readany():
            pieces.append(piece)
            size += len(piece)
            if size > LIMIT:
                response.close()
                raise _Refused(f"the answer is longer than {LIMIT} bytes")
        return b"".join(pieces)


def show(context: ssl.SSLContext, pair: bytes) -> None:
    """Show a certificate, whose key comes with it in PEM. Raises ssl.SSLError."""
    with tempfile.NamedTemporaryFile() as file:  # 0600; ssl reads keys from files only
        file.write(pair)
        file.flush()
        context.load_cert_chain(file.name)


def _trusting(ca: bytes, pair: bytes) -> ssl.SSLContext:
    """TLS that trusts these certificates alone, as Go does: whichever of them, and not only self-signed ones."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies, names too
    try:
        if ca:
            context.load_verify_locations(cadata=ca.decode("ascii"))
        else:
            context.load_default_certs()
    except (ssl.SSLError, UnicodeDecodeError):
        raise _Refused("unable to load root certificates: unable to parse bytes as PEM block") from None
    if pair:
        show(context, pair)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.set_alpn_protocols(["http/1.1"])
    return context


def _go_seconds(seconds: float) -> str:
    """10 -> `10s`, 0.25 -> `250ms`."""
    return f"{seconds:g}s" if seconds >= 1 else f"{seconds * 1000:g}ms"
