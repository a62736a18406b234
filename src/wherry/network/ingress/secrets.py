"""Secrets: follows the Secrets that hold sites' certificates, and gives them to HAProxy while it runs.

Each Secret is watched by its name, which is all that an agent may read of them. A new certificate is served to the next
connection; one that does not parse, or that HAProxy refuses, is told in `problems`, and what was served before
stays: also by an agent that starts again, which knows it from the files.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wherry.aio.clock import Clock
from wherry.aio.supervise import keep_running
from wherry.api.core.secret import SECRET
from wherry.api.networking.certificate_pair import CertificateError, Pair, read
from wherry.api.networking.site_certificates import secrets_of
from wherry.api.types.networking import Ingress
from wherry.client.interface import Client, Select
from wherry.host import files
from wherry.host.haproxy import Haproxy, HaproxyError, Unanswered
from wherry.host.selfsigned import self_signed
from wherry.machinery.meta import Key
from wherry.network.ingress.certificates import entry, file_name, listing
from wherry.network.ingress.config import Shape

log = logging.getLogger(__name__)

DEFAULT = "default.pem"
"""Shown for hosts without a certificate: made here, trusted by nobody."""

_MADE_WITHIN = 5.0
"""Seconds within which a missing Secret may still be made."""


@dataclass(frozen=True, slots=True)
class _Served:
    """What HAProxy is to have, or has: host -> file, file -> PEM, and the file that is shown for all other names."""

    files: dict[str, str] = field(default_factory=dict)
    pems: dict[str, str] = field(default_factory=dict)
    default: str = ""

    def has(self, other: _Served) -> bool:
        """Whether it serves just the same."""
        same = self.files == other.files and self.default == other.default
        return same and all(self.pems.get(file) == other.pems[file] for file in other.files.values())


class Secrets:
    """Certificates of one node's entry. `changed()` is called when there is something new to `show`."""

    def __init__(self, client: Client, clock: Clock, shape: Shape, changed: Callable[[], None]) -> None:
        self._client, self._clock, self._shape, self._changed = client, clock, shape, changed
        self._wanted: dict[str, Key] = {}
        self._pairs: dict[Key, Pair] = {}
        self._wrong: dict[Key, str] = {}
        self._fresh: set[Key] = set()  # missing since a moment
        self._followers: dict[Key, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._recalled: dict[tuple[str, str], Pair] = {}  # by host and file, what was served before this agent
        self._taken: dict[str, str] = {}  # by file, what HAProxy has taken at last
        self._written = _Served()  # in the files
        self._shown = _Served()  # by HAProxy

    async def run(self) -> None:
        """Follow what is wanted until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                await asyncio.get_running_loop().create_future()
        finally:  # who runs us again wants them followed again
            self._group = None
            self._followers.clear()

    def recall(self) -> None:
        """Read what the files say is served, so that nobody who starts again takes it away. Blocks."""
        listed = self._shape.certificates.read_text().splitlines() if self._shape.certificates.exists() else []
        for file, _, host in (line.partition(" ") for line in listed):
            path = self._shape.folder / Path(file).name
            if host and path.exists():
                self._recalled[host, path.name] = Pair(path.read_text())
                self._taken[str(path)] = path.read_text()

    def want(self, secrets: Mapping[str, Key]) -> None:
        """From now on these, by host."""
        self._wanted = dict(secrets)
        keys = set(secrets.values())
        for key in [known for known in self._followers if known not in keys]:
            self._followers.pop(key).cancel()
            self._pairs.pop(key, None)
            self._wrong.pop(key, None)
        for key in keys - self._followers.keys():
            if self._group is not None:
                self._missing(key)
                hosts = (host for host, wanted in secrets.items() if wanted == key)
                known = (self._recalled.get((host, file_name(key))) for host in hosts)
                if pair := next(filter(None, known), None):
                    self._pairs[key] = pair
                follow = keep_running(f"certificate {key}", lambda key=key: self._follow(key), self._clock)  # type: ignore[misc]  # bound now
                self._followers[key] = self._group.create_task(follow)
        if self._group is not None:
            self._recalled.clear()

    def _missing(self, key: Key) -> None:
        def over() -> None:
            self._fresh.discard(key)
            self._changed()

        self._wrong[key] = f"there is no Secret {key.name!r}"
        self._fresh.add(key)
        asyncio.get_running_loop().call_later(_MADE_WITHIN, over)

    async def _follow(self, key: Key) -> None:
        select = Select(namespace=key.namespace, fields=f"metadata.name={key.name}")
        async for event in self._client.watch(SECRET, select):
            if event.obj is None or event.obj.metadata.name != key.name:
                continue
            if event.type == "DELETED":
                self._missing(key)
            else:
                try:
                    self._pairs[key] = read(event.obj)
                    self._wrong.pop(key, None)
                except CertificateError as error:
                    self._wrong[key] = f"the Secret {key.name!r} is not served: {error}"
            self._changed()

    def problems(self, ingress: Ingress) -> Iterator[str]:
        """What is wrong with the certificates of an Ingress. One that is missing since a moment may still be made."""
        for key in secrets_of(ingress):
            if key in self._wrong and key not in self._fresh:
                yield self._wrong[key]

    def _served(self) -> _Served:
        """What can be served now. For other names a certificate of a listener for any host is shown, else our own."""
        pairs, folder = dict(self._pairs), self._shape.folder
        found = {host: str(folder / file_name(key)) for host, key in dict(self._wanted).items() if key in pairs}
        default = next((file for host, file in sorted(found.items()) if host.startswith("+")), str(folder / DEFAULT))
        return _Served(found, {str(folder / file_name(key)): pair.pem for key, pair in pairs.items()}, default)

    def refused(self, said: str) -> bool:
        """Leave out those whose files HAProxy names in a complaint, for the ones before; whether there are any."""
        named = [key for key in self._pairs if file_name(key) in said]
        for key in named:
            before = self._taken.get(str(self._shape.folder / file_name(key)))
            if before is None or before == self._pairs[key].pem:
                del self._pairs[key]
            else:
                self._pairs[key] = Pair(before)
            self._wrong[key] = f"the Secret {key.name!r} is not served: HAProxy refuses its certificate"
            self._fresh.discard(key)
        return bool(named)

    def write(self) -> None:
        """Everything to files, for a HAProxy that begins. Blocks; what arrives meanwhile is not among it."""
        served, default = self._served(), self._shape.folder / DEFAULT
        if not default.exists():
            files.write_if_changed(default, self_signed("wherry", self._clock))
        for file, pem in served.pems.items():
            files.write_if_changed(Path(file), pem.encode())
        files.write_if_changed(self._shape.certificates, listing(served.default, served.files).encode())
        self._written = served

    def begun(self) -> None:
        """HAProxy has read the files: what was written, not what has arrived since."""
        self._shown = self._written
        self._taken = dict(self._written.pems)

    async def show(self, haproxy: Haproxy) -> None:
        """Give the running HAProxy what is new. Raises HaproxyError."""
        wanted, shown = self._served(), self._shown
        if all(one.has(wanted) for one in (shown, self._written)):
            return
        await asyncio.to_thread(self.write)
        if wanted.default != shown.default or any(wanted.files.get(h) != file for h, file in shown.files.items()):
            # which of two certificates for one name HAProxy would show is not said, so the old one has to go
            await haproxy.reload()
            self.begun()
            return
        told = self._shown = _Served(dict(shown.files), dict(shown.pems), shown.default)
        for file in dict.fromkeys(wanted.files.values()):
            if told.pems.get(file) != wanted.pems[file]:
                load = self._load(haproxy, file, wanted.pems[file], new=file not in told.pems)
                if not await self._takes(haproxy, file, load):
                    return
                told.pems[file] = wanted.pems[file]
        for host, file in wanted.files.items():
            if host not in told.files:
                add = haproxy.payload(f"add ssl crt-list {self._shape.certificates}", entry(file, host))
                if not await self._takes(haproxy, file, add):
                    told.pems.pop(file)
                    return
                told.files[host] = file
        self._taken = dict(told.pems)

    async def _load(self, haproxy: Haproxy, file: str, pem: str, *, new: bool) -> None:
        """Raises HaproxyError."""
        if new:
            await haproxy.ask(f"new ssl cert {file}")
        await haproxy.payload(f"set ssl cert {file}", pem)
        await haproxy.payload(f"commit ssl cert {file}")

    async def _takes(self, haproxy: Haproxy, file: str, telling: Awaitable[None]) -> bool:
        """Whether HAProxy takes a certificate; if not, go on without it, or with the one before."""
        try:
            await telling
        except Unanswered:
            raise
        except HaproxyError as error:
            log.warning("the certificate in %s is refused: %s", file, error)
            await haproxy.ask(f"abort ssl cert {file}")
            await haproxy.ask(f"del ssl cert {file}")  # refused where it is in use
            self.refused(file)
            self._changed()
            return False
        return True
