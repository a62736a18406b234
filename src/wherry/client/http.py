"""The client over HTTPS: what agents, and servers that run apart, use. Implements `interface.Client`.

Certificates are read again when their files change, so rotation needs no restart. Whatever goes wrong on the way to the
server is `ServiceUnavailable`; what the server refuses comes back as the same `APIError` that it raised. A watch goes
on where it was after any interruption; only when history is gone (410) does it list again.
https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import asyncio
import base64
import logging
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import parse_qsl

import aiohttp
import msgspec
import yaml
from yarl import URL

from wherry.aio.backoff import Backoff
from wherry.aio.clock import Clock
from wherry.client.interface import ALL, Event, Listing, Select
from wherry.client.said import Said
from wherry.machinery.codec import decode, encode
from wherry.machinery.errors import APIError, Gone, ServiceUnavailable, Unauthorized, from_status
from wherry.machinery.meta import Key, ListMeta, Object, T, key_of
from wherry.machinery.resource import Resource

log = logging.getLogger(__name__)

SECONDS = 60.0
"""Deadline of ordinary requests."""
SILENCE = 120.0
"""A watch that hears nothing for so long (not even a bookmark) is opened anew."""
CHECK_FILES = 1.0
STEADY = 1.0
"""A watch that held for so long (seconds) was no failure."""
PATIENCE, STRANGER = 1.0, 5.0
"""Seconds between tries of a watch that fails, at most: usually, and where the API does not know us."""

JSONPatch = list[Any]
_PATCHES = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}


@dataclass(frozen=True, slots=True)
class Access:
    """Where the API is and how we show who we are. `token` is a file. `server_name` is the name the server's
    certificate must have, where that is not the address's."""

    server: str
    ca: Path
    cert: Path | None = None
    key: Path | None = None
    token: Path | None = None
    server_name: str = ""


def from_kubeconfig(path: Path, folder: Path | None = None) -> Access:
    """The current context of a kubeconfig. Data inside it is written to files below `folder` (default: beside it),
    0600.

    Raises OSError, and ValueError when it names no usable context.
    """
    loaded = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)  # a SafeLoader
    try:
        context = _named(loaded["contexts"], loaded["current-context"])["context"]
        cluster = _named(loaded["clusters"], context["cluster"])["cluster"]
        user = _named(loaded["users"], context["user"])["user"]
    except (KeyError, TypeError, StopIteration) as error:
        raise ValueError(f"{path} has no usable current context") from error
    place = folder or path.parent

    def file(entry: Mapping[str, str], name: str) -> Path | None:
        if entry.get(f"{name}-data"):
            target = place / f"{path.stem}.{name}.pem"
            target.touch(mode=0o600)
            target.write_bytes(base64.b64decode(entry[f"{name}-data"]))
            return target
        return path.parent / entry[name] if entry.get(name) else None

    ca = file(cluster, "certificate-authority")
    if ca is None:
        raise ValueError(f"{path} names no certificate authority")
    return Access(
        cluster["server"], ca, file(user, "client-certificate"), file(user, "client-key"),
        server_name=cluster.get("tls-server-name", ""),
    )  # fmt: skip


def _named(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(one for one in entries if one["name"] == name)


class _Line(msgspec.Struct):
    """One line of a watch."""

    type: str
    object: msgspec.Raw


class _Page(msgspec.Struct, rename="camel"):
    """A list."""

    metadata: ListMeta = ListMeta()
    items: tuple[msgspec.Raw, ...] | None = ()


class _Head(msgspec.Struct):
    """Just the metadata of an object."""

    metadata: ListMeta = ListMeta()


class HTTPClient:
    """A Client of one API server. Make it inside a running event loop; `close` it at the end."""

    def __init__(self, access: Access, clock: Clock, *, user_agent: str = "wherry") -> None:
        self._access, self._clock, self._agent = access, clock, user_agent
        self._tls: ssl.SSLContext | None = None
        self._stamps: tuple[int, ...] = ()
        self._checked = float("-inf")
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
        self._session = aiohttp.ClientSession(
            connector=connector, headers={"User-Agent": user_agent, "Accept": "application/json"},
            timeout=aiohttp.ClientTimeout(total=SECONDS, sock_connect=10), auto_decompress=True,
        )  # fmt: skip
        self._reload()

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    # --- verbs

    async def get(self, resource: Resource[T], key: Key) -> T:
        """See Client."""
        return decode(resource.type, await self.request("GET", path(resource, key.namespace, key.name)))

    async def list(self, resource: Resource[T], select: Select = ALL) -> Listing[T]:
        """See Client."""
        body = await self.request("GET", path(resource, select.namespace), query=_query(select))
        page = msgspec.json.decode(body, type=_Page)
        items = tuple(decode(resource.type, bytes(one)) for one in page.items or ())
        return Listing(items, int(page.metadata.resource_version or 0))

    async def create(self, resource: Resource[T], obj: T) -> T:
        """See Client."""
        target = path(resource, obj.metadata.namespace)
        return decode(resource.type, await self.request("POST", target, encode(obj)))

    async def replace(self, resource: Resource[T], obj: T, subresource: str = "") -> T:
        """See Client."""
        target = path(resource, obj.metadata.namespace, obj.metadata.name, subresource)
        return decode(resource.type, await self.request("PUT", target, encode(obj)))

    async def patch(
        self, resource: Resource[T], key: Key, patch: Mapping[str, Any] | JSONPatch, *,
        kind: Literal["merge", "json", "strategic", "apply"] = "merge", subresource: str = "",
    ) -> T:  # fmt: skip
        """See Client."""
        query = {"fieldManager": self._agent, "force": "true"} if kind == "apply" else {}
        target = path(resource, key.namespace, key.name, subresource)
        body = await self.request("PATCH", target, encode(patch), query=query, content=_PATCHES[kind])
        return decode(resource.type, body)

    async def delete(
        self, resource: Resource[T], key: Key, *, uid: str = "", revision: str = "", grace: int | None = None,
        propagation: str = "",
    ) -> None:  # fmt: skip
        """See Client."""
        options: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1"}
        wanted = {"uid": uid, "resourceVersion": revision}
        if uid or revision:
            options["preconditions"] = {name: value for name, value in wanted.items() if value}
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        if propagation:
            options["propagationPolicy"] = propagation
        await self.request("DELETE", path(resource, key.namespace, key.name), encode(options))

    async def call(
        self, resource: Resource[Any], key: Key, subresource: str, body: Object | Mapping[str, Any]
    ) -> dict[str, Any]:
        """See Client."""
        target = path(resource, key.namespace, key.name, subresource)
        answer: dict[str, Any] = msgspec.json.decode(await self.request("POST", target, encode(body)))
        return answer

    async def raw(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """See Client."""
        target, _, query = path.partition("?")
        sent = None if body is None else encode(body)
        found: dict[str, Any] = msgspec.json.decode(
            await self.request(method, target, sent, query=dict(parse_qsl(query, keep_blank_values=True)))
        )
        return found

    # --- watch

    async def watch(
        self, resource: Resource[T], select: Select = ALL, since: int | None = None
    ) -> AsyncIterator[Event[T]]:
        """See Client."""
        known: dict[Key, T] = {}
        revision = since
        backoff = Backoff(self._clock, first=0.05, cap=PATIENCE)
        said = Said(self._clock)
        while True:
            began = self._clock.monotonic()
            try:
                if revision is None:
                    listing = await self.list(resource, select)
                    for event in _news(resource, known, listing):
                        yield event
                    revision = listing.revision
                    yield Event("SYNCED", resource, None, revision)
                async for event in self._stream(resource, select, revision):
                    revision = event.revision
                    _note(known, event)
                    yield event
            except Gone:
                revision = None
            except APIError as error:
                if self._clock.monotonic() - began > STEADY:
                    backoff.reset()  # it had worked: come back at once
                backoff.cap = STRANGER if isinstance(error, Unauthorized) else PATIENCE
                pause = backoff.failed()
                if said.is_news(str(error)):
                    log.info("watch of %s: %s; again in %.2f s", resource, error, pause)
                await asyncio.sleep(pause)

    async def _stream(self, resource: Resource[T], select: Select, since: int) -> AsyncIterator[Event[T]]:
        """One watch request, to its end."""
        self._reload()
        query = {**_query(select), "watch": "true", "allowWatchBookmarks": "true", "resourceVersion": str(since)}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=SILENCE)
        target = self._url(path(resource, select.namespace), query)
        try:
            async with self._session.get(target, headers=self._headers(), timeout=timeout, **self._trust()) as answer:
                if answer.status >= 400:
                    raise _refusal(answer.status, await answer.read())
                rest = b""
                async for chunk in answer.content.iter_any():
                    lines = (rest + chunk).split(b"\n")
                    rest = lines.pop()
                    for line in lines:
                        if line:
                            yield _event(resource, line)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise ServiceUnavailable(_reason(error)) from error

    # --- transport

    async def request(
        self, method: str, target: str, body: bytes | None = None, *, query: Mapping[str, str] | None = None,
        content: str = "application/json",
    ) -> bytes:  # fmt: skip
        """One request to a path such as /api/v1/nodes; answers the body. Raises APIError."""
        self._reload()
        headers = self._headers()
        if body is not None:
            headers["Content-Type"] = content
        try:
            async with self._session.request(
                method, self._url(target, query or {}), data=body, headers=headers, allow_redirects=False,
                **self._trust(),
            ) as answer:  # fmt: skip
                data = await answer.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise ServiceUnavailable(_reason(error)) from error
        if answer.status >= 300:
            raise _refusal(answer.status, data)
        return data

    def _url(self, target: str, query: Mapping[str, str]) -> URL:
        return (URL(self._access.server) / target.lstrip("/")).with_query(query)

    def _headers(self) -> dict[str, str]:
        if self._access.token is None:
            return {}
        return {"Authorization": f"Bearer {self._access.token.read_text().strip()}"}

    def _trust(self) -> dict[str, Any]:
        named = {"server_hostname": self._access.server_name} if self._access.server_name else {}
        return {"ssl": self._tls, **named}

    def _reload(self) -> None:
        """Read certificates again if their files changed. Files that are half there stay as they were."""
        now = self._clock.monotonic()
        if now - self._checked < CHECK_FILES:
            return
        self._checked = now
        access = self._access
        files = [one for one in (access.ca, access.cert, access.key) if one is not None]
        stamps = tuple(one.stat().st_mtime_ns for one in files)
        if stamps == self._stamps:
            return
        try:
            fresh = ssl.create_default_context(cafile=str(access.ca))
            if access.cert is not None:
                fresh.load_cert_chain(access.cert, access.key)
        except (OSError, ssl.SSLError):
            if self._tls is None:
                raise
            return
        self._tls, self._stamps = fresh, stamps


def path(resource: Resource[Any], namespace: str = "", name: str = "", subresource: str = "") -> str:
    """The path of a collection, an object or a subresource."""
    parts = ["api" if not resource.group else "apis", resource.group, resource.version]
    if namespace and resource.namespaced:
        parts += ["namespaces", namespace]
    return "/" + "/".join(part for part in (*parts, resource.plural, name, subresource) if part)


def _query(select: Select) -> dict[str, str]:
    return {
        name: value for name, value in (("labelSelector", select.labels), ("fieldSelector", select.fields)) if value
    }


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _refusal(code: int, body: bytes) -> APIError:
    try:
        status = msgspec.json.decode(body)
    except msgspec.DecodeError:
        status = {}
    if not isinstance(status, dict) or status.get("kind") != "Status":
        status = {"message": body[:200].decode(errors="replace") or f"HTTP status {code}"}
    return from_status(status, code)


def _event(resource: Resource[T], line: bytes) -> Event[T]:
    """One line of a watch as an event. Raises APIError for an ERROR line."""
    found = msgspec.json.decode(line, type=_Line)
    raw = bytes(found.object)
    if found.type == "ERROR":
        status = msgspec.json.decode(raw)
        raise from_status(status, int(status.get("code") or 500))
    if found.type == "BOOKMARK":
        head = msgspec.json.decode(raw, type=_Head)
        return Event("BOOKMARK", resource, None, int(head.metadata.resource_version))
    obj = decode(resource.type, raw)
    kind = cast("Literal['ADDED', 'MODIFIED', 'DELETED']", found.type)
    return Event(kind, resource, obj, int(obj.metadata.resource_version))


def _note(known: dict[Key, T], event: Event[T]) -> None:
    if event.obj is None:
        return
    if event.type == "DELETED":
        known.pop(key_of(event.obj), None)
    else:
        known[key_of(event.obj)] = event.obj


def _news(resource: Resource[T], known: dict[Key, T], listing: Listing[T]) -> list[Event[T]]:
    """What a fresh list tells beyond what is known already; `known` is brought up to date."""
    now = {key_of(one): one for one in listing.items}
    events: list[Event[T]] = []
    for key, old in list(known.items()):
        new = now.get(key)
        if new is None or new.metadata.uid != old.metadata.uid:
            events.append(Event("DELETED", resource, old, listing.revision))
            del known[key]
    for key, new in now.items():
        before = known.get(key)
        if before is None:
            events.append(Event("ADDED", resource, new, listing.revision))
        elif before.metadata.resource_version != new.metadata.resource_version:
            events.append(Event("MODIFIED", resource, new, listing.revision))
        known[key] = new
    return events
