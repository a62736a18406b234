"""Secrets: follows the Secrets that hold sites' certificates, and gives them to HAProxy while it runs.

Each Secret is watched by its name, which is all that an agent may read of them. A new certificate is served to the next
connection; one that does not parse is told in `problems`, and what was served before stays.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping

from wherry.aio.clock import Clock
from wherry.aio.supervise import keep_running
from wherry.api.core.secret import SECRET
from wherry.api.networking.certificate_pair import CertificateError, Pair, read
from wherry.api.networking.site_certificates import secrets_of
from wherry.api.types.networking import Ingress
from wherry.client.interface import Client, Select
from wherry.host import files
from wherry.host.haproxy import Haproxy
from wherry.host.selfsigned import self_signed
from wherry.machinery.meta import Key
from wherry.network.ingress.certificates import entry, file_name, listing
from wherry.network.ingress.config import Shape

log = logging.getLogger(__name__)

DEFAULT = "default.pem"
"""Shown for hosts without a certificate: made here, trusted by nobody."""

_MADE_WITHIN = 5.0
"""Seconds within which a missing Secret may still be made."""


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
        self._shown: dict[str, str] = {}  # host -> file, as HAProxy has it
        self._loaded: dict[str, str] = {}  # file -> PEM, as HAProxy has it
        self._first = ""  # what HAProxy shows to whoever asks for another name

    async def run(self) -> None:
        """Follow what is wanted until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                await asyncio.get_running_loop().create_future()
        finally:  # who runs us again wants them followed again
            self._group = None
            self._followers.clear()

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
                follow = keep_running(f"certificate {key}", lambda key=key: self._follow(key), self._clock)  # type: ignore[misc]  # bound now
                self._followers[key] = self._group.create_task(follow)

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

    def _files(self) -> dict[str, str]:
        """Host -> file, of what can be served."""
        return {
            host: str(self._shape.folder / file_name(key)) for host, key in self._wanted.items() if key in self._pairs
        }

    def _default(self) -> str:
        """What is shown for other names: a certificate of a listener for any host, else our own."""
        own = (file for host, file in sorted(self._files().items()) if host.startswith("+"))
        return next(own, str(self._shape.folder / DEFAULT))

    def _pems(self) -> dict[str, str]:
        return {str(self._shape.folder / file_name(key)): pair.pem for key, pair in self._pairs.items()}

    def write(self) -> None:
        """Everything to files, for a HAProxy that begins. Blocks."""
        default = self._shape.folder / DEFAULT
        if not default.exists():
            files.write_if_changed(default, self_signed("wherry", self._clock))
        for file, pem in self._pems().items():
            files.write_if_changed(self._shape.folder / file, pem.encode())
        files.write_if_changed(self._shape.certificates, listing(self._default(), self._files()).encode())

    def begun(self) -> None:
        """HAProxy has read the files."""
        self._shown, self._loaded, self._first = self._files(), self._pems(), self._default()

    async def show(self, haproxy: Haproxy) -> None:
        """Give the running HAProxy what is new. Raises HaproxyError."""
        wanted, pems = self._files(), self._pems()
        same = wanted == self._shown and self._default() == self._first
        if same and all(self._loaded.get(f) == pems[f] for f in wanted.values()):
            return
        await asyncio.to_thread(self.write)
        if self._default() != self._first or any(wanted.get(host) != file for host, file in self._shown.items()):
            # which of two certificates for one name HAProxy would show is not said, so the old one has to go
            await haproxy.reload()
            self.begun()
            return
        for file in dict.fromkeys(wanted.values()):
            if self._loaded.get(file) == pems[file]:
                continue
            if file not in self._loaded:
                await haproxy.ask(f"new ssl cert {file}")
            await haproxy.payload(f"set ssl cert {file}", pems[file])
            await haproxy.ask(f"commit ssl cert {file}")
            self._loaded[file] = pems[file]
        names = self._shape.certificates
        for host, file in wanted.items():
            if host not in self._shown:
                await haproxy.payload(f"add ssl crt-list {names}", entry(file, host))
        self._shown = wanted
