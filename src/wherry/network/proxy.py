"""Proxy: keeps one node's packet rules as the Services and EndpointSlices say.

Woken by: changes of Services, EndpointSlices, this Node, and this node's pods with host ports.
Writes: the table `ip wherry` of the network namespace the process is in (`rules.nft`); forgets UDP connections whose
target left. Nothing in the API.
Invariants: rules change in single transactions; starting replaces whatever table is there at once, so a restart has no
gap; the changes that arrive while a transaction runs go into the next one together; `applied` is the EndpointSlice
revision that the kernel's rules show, and never ahead of them. Python work on rules and the transaction itself run in
one worker thread.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network

from wherry.aio.backoff import Backoff
from wherry.aio.clock import Clock
from wherry.api.core.node import NODE
from wherry.api.core.service import SERVICE
from wherry.api.discovery.endpointslice import ENDPOINTSLICE
from wherry.api.types.core import Node, Service
from wherry.api.types.discovery import EndpointSlice
from wherry.host import conntrack, nft
from wherry.machinery.meta import Key, Object, key_of
from wherry.network.flows import stale
from wherry.network.rules import nft as rules
from wherry.network.rules.standing import listed
from wherry.network.services import OTHER_PROXY, SERVICE_NAME, Entry, Front, Place, entries
from wherry.reconcile.cache import Caches
from wherry.reconcile.view import Index

log = logging.getLogger(__name__)

ZONE = "topology.kubernetes.io/zone"


def service_of(piece: EndpointSlice) -> Key:
    """The service an EndpointSlice belongs to; with an empty name when to none."""
    return Key(piece.metadata.namespace, piece.metadata.labels.get(SERVICE_NAME, ""))


def _by_service(piece: EndpointSlice) -> Iterable[str]:
    return (str(service_of(piece)),)


SLICES_OF = Index(ENDPOINTSLICE, _by_service)
"""EndpointSlices by "namespace/service"."""


@dataclass(frozen=True, slots=True)
class _Work:
    """What one transaction brings: services with their slices (None: gone), and fronts of other owners."""

    services: tuple[tuple[Key, Service | None, tuple[EndpointSlice, ...]], ...]
    others: Mapping[str, Mapping[Front, Entry]]
    place: Place
    subnet: IPv4Network | None
    whole: bool
    revision: int


@dataclass(slots=True)
class _Waiting:
    """What has changed since the last transaction was begun."""

    services: set[Key] = field(default_factory=set)
    others: dict[str, Mapping[Front, Entry]] = field(default_factory=dict)
    whole: bool = True
    revision: bool = False


Listener = Callable[[Mapping[Front, Entry]], None]


class Proxy:
    """The service rules of one node. `node` is its name; `own` are addresses the agent itself answers (DNS); every
    `look` seconds it sees whether its table is still there: other programs flush what is not theirs."""

    def __init__(
        self,
        caches: Caches,
        clock: Clock,
        node: str,
        networks: rules.Networks | None = None,
        own: Iterable[str] = (),
        look: float = 30.0,
    ) -> None:
        self._services = caches.of(SERVICE)
        self._slices = caches.of(ENDPOINTSLICE)
        self._nodes = caches.of(NODE)
        self._caches = caches
        self._node = node
        self._own = frozenset(own)
        self._clock = clock
        self._look = look
        self._kernel = _Kernel(networks or rules.Networks())
        self._place = Place(node)
        self._subnet: IPv4Network | None = self._kernel.networks.subnet
        self._waiting = _Waiting()
        self._wake = asyncio.Event()
        self._moved = asyncio.Condition()
        self._listeners: list[Listener] = []
        self._others: set[str] = set()
        self.applied = 0
        """Revision of the EndpointSlices that the kernel's rules show."""
        self._services.listen(self._on_service)
        self._slices.listen(self._on_slice)
        self._nodes.listen(self._on_node)

    def prefer_others(self, silent: frozenset[str]) -> None:
        """These nodes, and no others, give no sign: new connections go to pods elsewhere where there are some."""
        changed = silent ^ self._place.silent
        self._place = replace(self._place, silent=silent)
        for piece in self._slices.list():
            if any(endpoint.node_name in changed for endpoint in piece.endpoints):
                self._touch(service_of(piece))

    def listen(self, listener: Listener) -> None:
        """Call `listener(all fronts in force)` on the loop after every transaction."""
        self._listeners.append(listener)

    def put(self, owner: str, entries_: Mapping[Front, Entry]) -> None:
        """Fronts that are no Service's: host ports of a pod. An empty mapping takes the owner's away."""
        owner = f"~{owner}"
        if entries_ or owner in self._others:
            (self._others.add if entries_ else self._others.discard)(owner)
            self._waiting.others[owner] = entries_
            self._wake.set()

    async def wait_applied(self, revision: int) -> None:
        """Wait until the rules show EndpointSlices as of `revision` or later."""
        self._note_revision()
        async with self._moved:
            await self._moved.wait_for(lambda: self.applied >= revision)

    async def run(self) -> None:
        """Apply changes until cancelled."""
        await self._caches.synced((SERVICE, ENDPOINTSLICE, NODE))
        self._waiting.services.update(self._services.objects)
        self._waiting.whole = True
        self._wake.set()
        backoff = Backoff(self._clock, cap=5.0)
        with ThreadPoolExecutor(1, thread_name_prefix="proxy") as worker:
            while True:
                await self._woken(worker)
                work = self._begin()
                fronts = await asyncio.get_running_loop().run_in_executor(worker, self._kernel.apply, work)
                if fronts is None:
                    self._waiting.whole = True
                    self._wake.set()
                    await asyncio.sleep(backoff.failed())
                else:
                    await self._done(work.revision, fronts)

    async def _woken(self, worker: ThreadPoolExecutor) -> None:
        """Wait for something to do; losing the table is something to do."""
        while not self._wake.is_set():
            try:
                async with asyncio.timeout(self._look):
                    await self._wake.wait()
            except TimeoutError:
                if not await asyncio.get_running_loop().run_in_executor(worker, self._kernel.intact):
                    log.warning("table ip %s was removed by another program; putting it back", rules.TABLE)
                    self._waiting.whole = True
                    self._wake.set()
        self._wake.clear()

    async def _done(self, revision: int, fronts: Mapping[Front, Entry]) -> None:
        async with self._moved:
            self.applied = max(self.applied, revision)
            self._moved.notify_all()
        for listener in self._listeners:
            listener(fronts)
        self._note_revision()

    def _note_revision(self) -> None:
        """Nothing may have changed for the rules, but bookmarks moved the revision on."""
        if self._slices.revision > self.applied and not self._waiting.services:
            self._wake.set()

    def _begin(self) -> _Work:
        waiting, self._waiting = self._waiting, _Waiting(whole=False)
        services = tuple(self._of(key) for key in waiting.services)
        return _Work(services, waiting.others, self._place, self._subnet, waiting.whole, self._slices.revision)

    def _of(self, key: Key) -> tuple[Key, Service | None, tuple[EndpointSlice, ...]]:
        service = self._services.objects.get(key)
        if service is not None and (service.spec.cluster_ip in self._own or OTHER_PROXY in service.metadata.labels):
            service = None
        return key, service, self._slices.indexed(SLICES_OF, str(key))

    def _on_service(self, old: Object | None, new: Object | None) -> None:
        if isinstance(old, Service) and isinstance(new, Service) and _same_service(old, new):
            return
        self._touch(key_of(new or old))  # type: ignore[arg-type]  # one of both is there

    def _on_slice(self, old: Object | None, new: Object | None) -> None:
        for piece in (old, new):
            if isinstance(piece, EndpointSlice):
                self._touch(service_of(piece))

    def _on_node(self, old: Object | None, new: Object | None) -> None:
        if not isinstance(new, Node) or new.metadata.name != self._node:
            return
        place = replace(self._place, zone=new.metadata.labels.get(ZONE, ""))
        subnet = pod_subnet(new)
        if place != self._place or (subnet is not None and subnet != self._subnet):
            self._place, self._subnet = place, subnet or self._subnet
            self._waiting.services.update(self._services.objects)
            self._waiting.whole = True
            self._wake.set()

    def _touch(self, key: Key) -> None:
        if key.name:
            self._waiting.services.add(key)
        self._wake.set()


def _same_service(old: Service, new: Service) -> bool:
    return (
        old.spec == new.spec
        and old.status.load_balancer == new.status.load_balancer
        and old.metadata.labels == new.metadata.labels
    )


def pod_subnet(node: Node) -> IPv4Network | None:
    """The part of the pod network that belongs to the node; None until it has one."""
    for text in node.spec.pod_cidrs or (node.spec.pod_cidr,):
        try:
            return IPv4Network(text)
        except ValueError:
            continue
    return None


class _Kernel:
    """The worker thread's side: the mirror of the kernel's table, and the transactions."""

    def __init__(self, networks: rules.Networks) -> None:
        self.networks = networks
        self._rules = rules.Ruleset(networks)
        self._place: Place | None = None

    def apply(self, work: _Work) -> Mapping[Front, Entry] | None:
        """Bring the kernel to what `work` says. Returns all fronts; None when the kernel refused (then ask for all)."""
        if work.subnet != self._rules.networks.subnet:
            self._rebuild(replace(self.networks, subnet=work.subnet))
        for key, service, slices in work.services:
            self._rules.set(str(key), entries(service, slices, work.place) if service else {})
        for owner, fronts in work.others.items():
            self._rules.set(owner, fronts)
        try:
            self._commit(whole=work.whole)
        except nft.NftError as error:
            log.error("%s; replacing the whole table", error)  # noqa: TRY400 - the message says it all
            return None
        self._forget(self._rules.gone())
        if work.whole:  # what has left since the last process knew, nobody has told this one
            for flow in stale(conntrack.udp_flows(), self._rules.fronts()):
                conntrack.forget(flow)
        return dict(self._rules.fronts())

    def intact(self) -> bool:
        """Whether our table is in the kernel."""
        try:
            nft.run(f"list chain ip {rules.TABLE} refuse\n")
        except nft.NftError:
            return False
        return True

    def _rebuild(self, networks: rules.Networks) -> None:
        fresh = rules.Ruleset(networks)
        for owner, fronts in self._rules.wanted():
            fresh.set(owner, fronts)
        self._rules = fresh

    def _commit(self, *, whole: bool) -> None:
        if whole or self._rules.outgrown:
            self._put_all()
            return
        text = self._rules.take()
        if text:
            nft.run(text)

    def _put_all(self) -> None:
        """Into the table that stands there (an earlier process's), or instead of it."""
        text = self._rules.refill(listed(nft.outline(rules.TABLE)))
        if text:
            try:
                nft.run(text)
            except nft.NftError as error:
                log.info("%s; replacing the whole table", error)
            else:
                self._forget_places()
                return
        nft.run(self._rules.whole() + self._kept_affinity())

    def _kept_affinity(self) -> str:
        """Clients' places survive the replacement of the table."""
        if not self._rules.sticky:
            return ""
        kept = [e.text for e in _affinity() if e.target in self._rules.places_of(e.front)]
        return f"add element ip {rules.TABLE} affinity {{ {', '.join(kept)} }}\n" if kept else ""

    def _forget_places(self) -> None:
        for element in _affinity():
            if element.target not in self._rules.places_of(element.front):
                _try(f"delete element ip {rules.TABLE} affinity {{ {element.key} }}\n")

    def _forget(self, gone: list[rules.Gone]) -> None:
        lost = {(g.front, g.target.address, g.target.port) for g in gone}
        if self._rules.freed() or (lost and self._rules.sticky):
            self._forget_places()
        for front, target in sorted(gone):
            if front.protocol == "udp":
                address = IPv4Address(front.address) if front.address else None
                conntrack.forget_udp(front.port, address, IPv4Address(target.address))


@dataclass(frozen=True, slots=True)
class _Stuck:
    """One client's place, as the kernel lists it."""

    key: str
    text: str
    front: Front
    target: tuple[str, int]


_AFFINITY = re.compile(
    r"(?P<key>(?P<client>[\d.]+) \. (?P<protocol>tcp|udp) \. (?P<address>[\d.]+) \. (?P<port>\d+))"
    r"(?: timeout (?P<timeout>\w+))?(?: expires (?P<expires>\w+))? : (?P<target>[\d.]+) \. (?P<tport>\d+)"
)


def _affinity() -> Iterator[_Stuck]:
    try:
        listing = nft.run(f"list map ip {rules.TABLE} affinity\n")
    except nft.NftError:
        return
    for match in _AFFINITY.finditer(listing):
        m = match.groupdict()
        timeout = f" timeout {m['timeout']}" if m["timeout"] else ""
        expires = f" expires {m['expires']}" if m["expires"] else ""
        front = Front(m["protocol"], m["address"], int(m["port"]))
        target = (m["target"], int(m["tport"]))
        yield _Stuck(m["key"], f"{m['key']}{timeout}{expires} : {target[0]} . {target[1]}", front, target)


def _try(text: str) -> None:
    try:
        nft.run(text)
    except nft.NftError as error:
        log.debug("already gone: %s", error)
