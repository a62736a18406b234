"""Remotes: the group versions that other servers serve, by APIService, and what is known of each.

Owns one Remote per APIService with a service reference: whether it is available (as its condition says), its TLS
settings, its kept-alive connections, and the documents last fetched from it. Follows the window of APIServices; readers
(`find`) never wait. https://kubernetes.io/docs/concepts/extend-kubernetes/api-extension/apiserver-aggregation/
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wherry.api.apiregistration.apiservice import APISERVICE
from wherry.api.types.apiregistration import APIService, ServiceReference
from wherry.machinery import conditions
from wherry.store.entry import Entry, Event
from wherry.store.windows import Windows

if TYPE_CHECKING:
    import aiohttp

AVAILABLE = "Available"
_DIAL_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class FrontProxy:
    """Files of the certificate by which the API server shows other servers that it speaks for users."""

    certificate: Path
    key: Path

    def stamp(self) -> tuple[int, int]:
        """Changes when the files do. Raises OSError."""
        return self.certificate.stat().st_mtime_ns, self.key.stat().st_mtime_ns


@dataclass(slots=True)
class Documents:
    """What a remote server said of itself, last time it could be asked."""

    resources: tuple[Mapping[str, Any], ...] = ()
    """The APIResources of its group version."""
    current: bool = False
    openapi2: bytes = b""
    openapi3: Mapping[str, str] = field(default_factory=dict)
    """Place (`apis/g/v`) -> the URL it gives for it."""


@dataclass(slots=True)
class Remote:
    """One group version served elsewhere."""

    service: APIService
    documents: Documents = field(default_factory=Documents)
    session: aiohttp.ClientSession | None = None
    stamp: tuple[int, int] = (0, 0)

    @property
    def name(self) -> tuple[str, str]:
        """(group, version)."""
        return self.service.spec.group, self.service.spec.version

    @property
    def reference(self) -> ServiceReference:
        """The Service in front of it."""
        found = self.service.spec.service
        assert found is not None
        return found

    @property
    def host(self) -> str:
        """The name that its certificate must have."""
        return f"{self.reference.name}.{self.reference.namespace}.svc"

    @property
    def available(self) -> bool:
        """Whether requests are passed on."""
        return conditions.is_true(self.service.status.conditions, AVAILABLE)


class Remotes:
    """All of them. `front_proxy` None: requests are passed on without a client certificate."""

    def __init__(self, windows: Windows, front_proxy: FrontProxy | None) -> None:
        self._front_proxy = front_proxy
        self._found: dict[tuple[str, str], Remote] = {}
        self._listeners: list[Callable[[], None]] = []
        self._retired: list[aiohttp.ClientSession] = []
        self.generation = 0
        window = windows.of(APISERVICE)
        page = window.list()
        for entry in page.items:
            self._put(entry)
        window.watch(page.revision, self._sink)

    def __iter__(self) -> Iterator[Remote]:
        return iter(tuple(self._found.values()))

    def __bool__(self) -> bool:
        return bool(self._found)

    def find(self, group: str, version: str) -> Remote | None:
        """The remote of a group version, available or not; None: it is not served elsewhere."""
        return self._found.get((group, version))

    def versions(self) -> dict[str, list[Remote]]:
        """Group -> its remotes, best version first."""
        found: dict[str, list[Remote]] = {}
        for remote in self._found.values():
            found.setdefault(remote.service.spec.group, []).append(remote)
        return found

    def on_change(self, call: Callable[[], None]) -> None:
        """Call this after every change of what is served elsewhere, or of its documents."""
        self._listeners.append(call)

    def changed(self) -> None:
        """Tell everybody."""
        self.generation += 1
        for call in self._listeners:
            call()

    def _sink(self, event: Event[APIService]) -> bool:
        before = event.previous.obj if event.previous is not None else None
        if event.type == "DELETED":
            self._drop(event.entry.obj)
        elif before is not None and before.spec == event.entry.obj.spec and before.status == event.entry.obj.status:
            return True
        else:
            self._put(event.entry)
        if event.entry.obj.spec.service is not None or (before is not None and before.spec.service is not None):
            self.changed()
        return True

    def _put(self, entry: Entry[APIService]) -> None:
        service = entry.obj
        name = service.spec.group, service.spec.version
        known = self._found.get(name)
        if service.spec.service is None:
            if known is not None:
                self._drop(known.service)
            return
        if known is None or known.service.spec != service.spec:
            if known is not None:
                self._retire(known)
            self._found[name] = Remote(service)
        else:
            known.service = service

    def _drop(self, service: APIService) -> None:
        known = self._found.pop((service.spec.group, service.spec.version), None)
        if known is not None:
            self._retire(known)

    def _retire(self, remote: Remote) -> None:
        if remote.session is not None:
            self._retired.append(remote.session)
            remote.session = None

    async def close(self) -> None:
        """Close every connection to those that are gone."""
        while self._retired:
            await self._retired.pop().close()

    async def stop(self) -> None:
        """Close every connection."""
        for remote in self._found.values():
            self._retire(remote)
        await self.close()

    def context(self, remote: Remote) -> ssl.SSLContext:
        """TLS towards a remote, verified by its caBundle or the system's authorities. Raises ssl.SSLError, OSError."""
        spec = remote.service.spec
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if spec.insecure_skip_tls_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif spec.ca_bundle:
            context.load_verify_locations(cadata=spec.ca_bundle.decode("ascii", "replace"))
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        else:
            context.load_default_certs()
        if self._front_proxy is not None:
            context.load_cert_chain(self._front_proxy.certificate, self._front_proxy.key)
        return context

    def session(self, remote: Remote) -> aiohttp.ClientSession:
        """Kept-alive connections to a remote, made anew when the front proxy's certificate was renewed.

        Raises ssl.SSLError, OSError when its TLS settings are of no use.
        """
        import aiohttp

        stamp = self._front_proxy.stamp() if self._front_proxy is not None else (0, 0)
        if remote.session is not None and remote.stamp == stamp:
            return remote.session
        self._retire(remote)
        remote.stamp = stamp
        remote.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self.context(remote), limit=0, use_dns_cache=False),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_DIAL_SECONDS),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            read_bufsize=256 * 1024,
        )
        return remote.session
