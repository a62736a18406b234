"""Entry: keeps one node's HAProxy as Ingresses and Gateways say; it runs only while there is one to serve.

Woken by: Ingresses and IngressClasses; Gateways and what belongs to them (`watched.py`); Services and EndpointSlices
behind them; the Secrets with their certificates;
what ACME authorities are to be answered; neighbours that give no sign, and their pods (`doubts.py`).
Writes: the folder `ingress` of the node and the running HAProxy; Events about Ingresses that cannot be served as they
are (from one node only). Nothing else in the API.
Invariants: routes and endpoints change in the running process; a new configuration is taken over without closing a
connection; a HAProxy that ends is started again at once, and who comes meanwhile waits; a certificate that does not
parse leaves the one before in place; `applied` is the EndpointSlice revision that HAProxy shows, so that a pod is told
to stop only after nobody sends it requests (`health.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable

from wherry.aio.backoff import Backoff
from wherry.aio.clock import Clock
from wherry.aio.supervise import keep_running
from wherry.api.core.node import NODE
from wherry.api.core.service import SERVICE
from wherry.api.discovery.endpointslice import ENDPOINTSLICE
from wherry.api.networking.ingress import INGRESS
from wherry.api.networking.ingressclass import INGRESSCLASS, all_served
from wherry.api.types.networking import Ingress
from wherry.client.events import Recorder
from wherry.client.interface import Client
from wherry.host import daemons, files, sockets
from wherry.host.haproxy import Haproxy, HaproxyError
from wherry.machinery.meta import Object, key_of
from wherry.network.ingress import mirrors
from wherry.network.ingress.answers import Answers
from wherry.network.ingress.config import Shape, listens, render
from wherry.network.ingress.doors import Doors
from wherry.network.ingress.doubts import Doubts
from wherry.network.ingress.gateways import Asked, Known, asked
from wherry.network.ingress.hold import Hold
from wherry.network.ingress.maps import FILES, Desk, Doubtful, Wanted, commands, text
from wherry.network.ingress.routes import Picture, Readings, find_endpoints, picture
from wherry.network.ingress.secrets import Secrets
from wherry.network.ingress.watched import Watched
from wherry.network.neighbours import Neighbours
from wherry.network.proxy import SLICES_OF
from wherry.reconcile.cache import Caches, Pace

log = logging.getLogger(__name__)

_GATHER = 0.003
"""Seconds in which changes gather before they are applied together."""


class Entry:
    """The HTTP entry of one node. `caches` must have services, slices and nodes."""

    def __init__(
        self, client: Client, clock: Clock, caches: Caches, node: str, shape: Shape, neighbours: Neighbours
    ) -> None:  # fmt: skip
        self._client, self._clock, self._caches, self._node = client, clock, caches, node
        self._shape, self._neighbours = shape, neighbours
        self._doubts = Doubts(self._wake_up)
        self._haproxy = Haproxy(shape.folder)
        self._own = Caches((INGRESS, INGRESSCLASS))
        self._desk = Desk()
        self._readings = Readings()
        self._hold = Hold()
        self._recorder = Recorder(client, clock, "wherry-ingress", node)
        self._secrets = Secrets(client, clock, shape, self._wake_up)
        self._answers = Answers(client, self._wake_up)
        self._gateways = Watched(client, clock, self._ask_again)
        self._known = Known()
        self._found: Asked | None = None  # until a Gateway, a route or a Service is another
        self._doors = Doors(client, node, self._wake_up)
        self._answering = asyncio.Event()
        self._wake = asyncio.Event()
        self._begun = asyncio.Event()
        self._shown: Wanted | None = None
        self._told: set[tuple[str, str]] = set()
        self._moved = asyncio.Condition()
        self.applied = 0
        """Revision of the EndpointSlices that HAProxy shows."""
        self.problem = ""
        """Why there is no entry although there should be one."""
        self._own.of(INGRESS).listen(self._on_ingress)
        self._own.of(INGRESSCLASS).listen(self._on_change)
        caches.of(SERVICE).listen(self._on_service)
        caches.of(ENDPOINTSLICE).listen(self._on_change)
        neighbours.listen(lambda _: self._wake_up())

    def _on_change(self, old: Object | None, new: Object | None) -> None:
        self._wake_up()

    def _on_ingress(self, old: Object | None, new: Object | None) -> None:
        if old is None or new is None or _asks_otherwise(old, new):
            self._wake_up()

    def _on_service(self, old: Object | None, new: Object | None) -> None:
        self._ask_again()

    def _ask_again(self) -> None:
        self._found = None
        self._wake_up()

    def _wake_up(self) -> None:
        self._wake.set()

    async def wait_applied(self, revision: int) -> None:
        """Wait until HAProxy shows EndpointSlices as of this revision."""
        if self.applied < revision:
            self._wake_up()  # nothing may have changed, but bookmarks moved the revision on
        async with self._moved:
            await self._moved.wait_for(lambda: self.applied >= revision)

    async def run(self) -> None:
        """Serve until cancelled. HAProxy goes on when this ends, and is told everything anew when this runs again."""
        self._shown = None
        if self._haproxy.running() and self._shape.file.exists():
            self._doors.taken(listens(self._shape.file.read_text()))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._own.follow(self._client, self._clock, Pace(self._clock)))
                group.create_task(self._recorder.run())
                group.create_task(self._secrets.run())
                group.create_task(self._answer())
                group.create_task(self._mind())
                group.create_task(self._gateways.run())
                await self._own.synced((INGRESS, INGRESSCLASS))
                await self._caches.synced((SERVICE, ENDPOINTSLICE))
                await self._gateways.ready.wait()
                await asyncio.to_thread(self._secrets.recall)
                await self._keep()
        finally:
            self._hold.close()
            self._doubts.close()

    async def _answer(self) -> None:
        await self._answering.wait()
        await keep_running("ACME answers", self._answers.follow, self._clock)

    async def _mind(self) -> None:
        """Wake up when HAProxy has ended."""
        while True:
            await self._begun.wait()
            self._begun.clear()
            await self._haproxy.ended()
            self._wake_up()

    async def _keep(self) -> None:
        backoff = Backoff(self._clock, cap=10.0)
        self._wake.set()
        while True:
            await self._wake.wait()
            await asyncio.sleep(_GATHER)
            self._wake.clear()
            try:
                await self._apply()
            except (HaproxyError, OSError) as error:
                self.problem = str(error)
                log.error("the HTTP entry: %s", error)  # noqa: TRY400 - the message says it all
                self._shown = None
                self._wake.set()
                await asyncio.sleep(backoff.failed())
            else:
                self.problem = ""
                backoff.reset()

    async def _apply(self) -> None:
        revision = self._caches.of(ENDPOINTSLICE).revision
        ingresses = self._ours()
        gateways = await self._asked()
        if not ingresses and not gateways.sites and self._shown is None:
            await self._haproxy.stop()
            sockets.release(self._shape.listeners)
        else:
            await self._show(ingresses, gateways)
        self.applied = max(self.applied, revision)
        async with self._moved:
            self._moved.notify_all()

    def _ours(self) -> list[Ingress]:
        classes = {one.metadata.name: one for one in self._own.of(INGRESSCLASS).list()}
        return all_served(self._own.of(INGRESS).list(), classes)

    async def _asked(self) -> Asked:
        """What Gateways ask for, on the ports that this node can have."""
        if self._found is None:
            world = self._gateways.world(self._caches.of(SERVICE).objects)
            self._found = asked(world, self._known)
        found = self._found
        usual = (self._shape.http, self._shape.https)
        shared = (door.port for door in found.doors if not door.address)
        usable = await self._doors.usable(port for port in shared if port not in usual)
        return found.on({*usual, *usable})

    async def _show(self, ingresses: Iterable[Ingress], gateways: Asked) -> None:
        listed = list(ingresses)
        slices = self._caches.of(ENDPOINTSLICE)
        services = self._caches.of(SERVICE).objects
        by_service = {key: slices.indexed(SLICES_OF, str(key)) for key in services}
        found = picture(listed, services, by_service, self._readings)
        self._readings.keep(listed)
        for backend in gateways.backends:
            find_endpoints(found, backend, services, by_service)
        gateways.add_to(found)
        waiting = await self._hold.match(found.endpoints)
        silent = self._neighbours.silent
        self._doubts.ask(found, silent)
        wanted = self._desk.wanted(found, waiting, self._answers.entries, Doubtful(silent, self._doubts.hung))
        self._secrets.want(found.secrets)
        if found.secrets:
            self._answering.set()
        shown = self._shown
        if shown is None or wanted.ruled != shown.ruled or self._desk.grown or not self._haproxy.running():
            await self._begin(wanted)
            shown = Wanted(wanted.maps, wanted.servers, wanted.ruled)
        if wanted != shown:
            paths = {name: str(self._shape.map(name)) for name in FILES}
            await self._haproxy.tell(commands(shown, wanted, paths))
        self._shown = wanted
        await self._secrets.show(self._haproxy)
        self._complain(listed, found)

    async def _begin(self, wanted: Wanted) -> None:
        """Start HAProxy, or give the running one a configuration with everything in it."""
        while True:
            await asyncio.to_thread(self._write, wanted)
            try:
                await (self._haproxy.reload() if self._haproxy.running() else self._start())
                break
            except HaproxyError as error:
                if not self._secrets.refused(str(error)):  # one certificate must not keep all others from being served
                    raise
        self._begun.set()
        self._desk.grown = False
        self._doors.taken(door.port for door in wanted.ruled.doors if not door.address)
        self._secrets.begun()

    async def _start(self) -> None:
        shape = self._shape
        with contextlib.ExitStack() as open_here:  # HAProxy and the keeper have their own
            listeners = sockets.listeners(shape.listeners, "0.0.0.0", (shape.http, shape.https))
            for one in listeners:
                open_here.enter_context(one)
            await self._haproxy.start(listeners)

    def _write(self, wanted: Wanted) -> None:
        shape = self._shape
        files.private_folder(shape.folder)
        for name in FILES:
            files.write_if_changed(shape.map(name), text(wanted.maps[name]).encode())
        self._secrets.write()
        files.write_if_changed(shape.folder / mirrors.FILE, mirrors.script(shape.folder).encode())
        files.write_if_changed(shape.file, render(shape, self._desk.size, wanted.servers, wanted.ruled).encode())

    def _complain(self, ingresses: Iterable[Ingress], found: Picture) -> None:
        """Tell users what cannot be done: once, from the first node only."""
        if not self._first():
            return
        seen: set[tuple[str, str]] = set()
        for ingress in ingresses:
            if not ingress.spec.tls and not found.problems:
                continue
            problems = [*found.problems.get(key_of(ingress), ()), *self._secrets.problems(ingress)]
            for why in problems:
                note = (f"{ingress.metadata.uid}/{ingress.metadata.generation}", why)
                seen.add(note)
                if note not in self._told:
                    self._recorder.event(ingress, "Warning", "Refused", why)
        self._told = seen

    def _first(self) -> bool:
        names = [node.metadata.name for node in self._caches.of(NODE).list()]
        return not names or min(names) == self._node


def _asks_otherwise(old: Object, new: Object) -> bool:
    """Whether more than the status is another."""
    before, after = old.metadata, new.metadata
    return (before.uid, before.generation, before.annotations) != (after.uid, after.generation, after.annotations)


def remove(shape: Shape) -> None:
    """End the HAProxy of a node for good. Blocks; safe to repeat."""
    process = daemons.read_pid(shape.folder / "haproxy.pid")
    if process is not None:
        daemons.stop(process, 2.0)
    sockets.release(shape.listeners)
