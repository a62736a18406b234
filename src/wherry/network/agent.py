"""NodeNetwork: everything the network does on one node, put together for the agent.

    network = NodeNetwork(client, clock, Settings(node="n1", root=Path("/var/lib/wherry/nodes/n1")))
    await asyncio.to_thread(network.prepare)       # before the node registers: switches, the DNS address on lo
    async with TaskGroup() as group:
        group.create_task(network.run())           # proxy, DNS, routes, health, host ports, CNI configuration
        await network.ready.wait()                 # rules applied, DNS answering, CNI configuration written
        ...
        await network.guarded(pod, ip)             # after its sandbox, before its first container
        await network.drained(pod)                 # before SIGTERM
        network.released(uid)                      # after its last process

The process must be in the node's network namespace already. A part that fails is started again by itself. Nothing is
taken down at the end: connections of pods go on while the agent is away. `remove` takes everything down for good.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from wherry.aio.clock import Clock
from wherry.aio.supervise import keep_running
from wherry.api.core.node import NODE
from wherry.api.core.pod import POD
from wherry.api.core.service import SERVICE
from wherry.api.discovery.endpointslice import ENDPOINTSLICE
from wherry.api.types.core import Node, Pod
from wherry.client.interface import Client, Select
from wherry.host import links, nft, resolv, sockets, users
from wherry.machinery.resource import Resource
from wherry.network import cni, host_ports, overlay, routes
from wherry.network.dns import Files, Question, Server, nobody
from wherry.network.dns_forward import Forwarder
from wherry.network.dns_records import Zone
from wherry.network.dns_service import CLUSTER_IP, DOMAIN
from wherry.network.drain import Drain
from wherry.network.firewall import Addresses, Firewall, nothing_runs
from wherry.network.health import PORT, Health
from wherry.network.ingress import entry
from wherry.network.ingress.config import Shape
from wherry.network.ingress.entry import Entry
from wherry.network.loopback import Loopback
from wherry.network.neighbours import Neighbours
from wherry.network.proxy import Proxy, pod_subnet
from wherry.network.rules import nft as rules
from wherry.network.rules import policy as policy_rules
from wherry.network.rules import seal
from wherry.reconcile.cache import Caches, Pace

log = logging.getLogger(__name__)

WATCHED: tuple[Resource[Any], ...] = (SERVICE, ENDPOINTSLICE, NODE)
"""What the network needs to know; `caches` passed to NodeNetwork must have these."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One node's network. `root` is the node's folder: CNI's configuration goes to root/cni. `own_namespace`: the node
    is in a namespace of its own, where resolvers on the machine's loopback do not answer."""

    node: str
    root: Path
    pods: IPv4Network = rules.PODS
    services: IPv4Network = rules.SERVICES
    dns: str = CLUSTER_IP
    domain: str = DOMAIN
    own_namespace: bool = False
    upstream: tuple[str, ...] = ()  # resolvers to use instead of the machine's
    reserved: tuple[int, ...] = (6443, 10250, PORT)  # the node's own TCP ports, which no service takes over

    @property
    def dns_files(self) -> Files:
        """What of DNS outlives the process."""
        return Files.below(self.root)

    @property
    def entry(self) -> Shape:
        """The node's HTTP entry."""
        return Shape(self.root / "ingress", user=users.first("haproxy", "nobody"))

    @property
    def cni_folder(self) -> Path:
        """What containerd's `conf_dir` must be."""
        return self.root / "cni"


class NodeNetwork:
    """Service proxy, DNS, routes, health and CNI configuration of one node."""

    def __init__(
        self, client: Client, clock: Clock, settings: Settings, caches: Caches | None = None,
        running: Addresses = nothing_runs, before: Callable[[], Iterable[Question]] = nobody,
    ) -> None:  # fmt: skip
        """`caches`: followed by the caller, with at least `WATCHED`; None for own ones. `running`: the addresses of the
        sandboxes that are there already. `before` ends who answers DNS queries until now."""
        self.settings = settings
        self.ready = asyncio.Event()
        """Set once pods can be started: rules in force, routes made, CNI configuration written."""
        self._client = client
        self._clock = clock
        self._own = caches is None
        self._caches = caches if caches is not None else Caches(WATCHED)
        networks = rules.Networks(settings.pods, settings.services, reserved=settings.reserved)
        self._proxy = Proxy(self._caches, clock, settings.node, networks, own=(settings.dns,))
        self._loopback = Loopback()
        self._proxy.listen(self._loopback.take)
        self._drain = Drain(self._caches, self._proxy, settings.node)
        self._routes = routes.Routes(
            self._caches, settings.node, routes.Networks(settings.pods, settings.services, IPv4Address(settings.dns))
        )
        self._health = Health(self._caches, self._proxy, clock, settings.node)
        zone = Zone(settings.domain, (settings.services, settings.pods), settings.dns)
        self._firewall = Firewall(client, clock, settings.node, settings.dns, running)
        self._neighbours = Neighbours(self._caches, settings.node)
        self._neighbours.listen(self._proxy.prefer_others)
        self._entry = Entry(client, clock, self._caches, settings.node, settings.entry, self._neighbours)
        self._health.also(self._entry.wait_applied)
        self._drain.also(self._entry.wait_applied)
        forward = Forwarder(self._resolvers)
        self._dns = Server(self._caches, zone, forward, (settings.dns, 53), settings.dns_files, before)

    def prepare(self) -> None:
        """Switches and addresses of the namespace. Blocks. Raises OSError, links.LinkError, nft.NftMissing."""
        routes.prepare(IPv4Address(self.settings.dns))

    async def run(self) -> None:
        """Do all of it until cancelled."""
        parts: list[tuple[str, Callable[[], Awaitable[None]]]] = [
            ("service proxy", self._proxy.run),
            ("cluster DNS", self._dns.run),
            ("node routes", self._routes.run),
            ("proxy health", self._health.run),
            ("loopback relay", self._loopback.run),
            ("host ports", self._follow_pods),
            ("CNI configuration", self._configure),
            ("network policies", self._firewall.run),
            ("HTTP entry", self._entry.run),
            ("neighbours", self._neighbours.run),
        ]
        async with asyncio.TaskGroup() as group:
            if self._own:
                group.create_task(self._caches.follow(self._client, self._clock, Pace(self._clock)))
            for name, part in parts:
                group.create_task(keep_running(name, part, self._clock), name=name)

    def nodes(self) -> tuple[Node, ...]:
        """All nodes, as last heard of."""
        return tuple(self._caches.of(NODE).list())

    async def drained(self, pod: Pod) -> None:
        """Wait, some seconds at most, until no node sends the pod new connections (`drain.py`)."""
        await self._drain.drained(pod)

    async def guarded(self, pod: Pod, ip: str) -> None:
        """Wait until the network policies on the pod at its address are in force (`firewall.py`): between making its
        sandbox and starting its first container."""
        await self._firewall.guarded(pod, ip)

    def released(self, uid: str) -> None:
        """Nothing of the pod runs any more."""
        self._firewall.released(uid)

    def search_domains(self, namespace: str) -> tuple[str, ...]:
        """What a pod's resolv.conf searches, the machine's own domains last."""
        domain = self.settings.domain
        own = (f"{namespace}.svc.{domain}", f"svc.{domain}", domain)
        return own + tuple(d for d in resolv.host_resolvers().search if d not in own and d != ".")

    def _resolvers(self) -> tuple[str, ...]:
        if self.settings.upstream:
            return self.settings.upstream
        return resolv.host_resolvers((self.settings.dns,), loopback=not self.settings.own_namespace).servers

    async def _follow_pods(self) -> None:
        select = Select(fields=f"spec.nodeName={self.settings.node}")
        async for event in self._client.watch(POD, select):
            if isinstance(event.obj, Pod):
                fronts = {} if event.type == "DELETED" else host_ports.fronts(event.obj)
                self._proxy.put(f"pod/{event.obj.metadata.uid}", fronts)

    async def _configure(self) -> None:
        """Write the CNI configuration when the node has its subnet, then say that the network is ready."""
        nodes = self._caches.of(NODE)
        subnet: IPv4Network | None = None

        def known() -> bool:
            nonlocal subnet
            node = next((n for n in nodes.list() if n.metadata.name == self.settings.node), None)
            subnet = pod_subnet(node) if node else None
            return subnet is not None

        await nodes.wait_until(known)
        if subnet is not None:
            mtu = await asyncio.to_thread(links.mtu_of_default_route)
            await asyncio.to_thread(cni.write, self.settings.cni_folder, subnet, mtu)
        await self._proxy.wait_applied(1)
        await self._routes.made.wait()
        self.ready.set()


def release(settings: Settings) -> None:
    """End the keeper of the node's DNS sockets, and the HTTP entry. Blocks; safe to repeat; from any namespace."""
    sockets.release(settings.dns_files.sockets)
    entry.remove(settings.entry)


def remove(settings: Settings) -> None:
    """Take down the rules, routes and addresses of the namespace the process is in, and the keeper of DNS sockets.
    Blocks; safe to repeat."""
    release(settings)
    nft.run(rules.remove() + policy_rules.remove())
    with contextlib.suppress(nft.NftError):  # a kernel without IPv6
        nft.run(seal.remove())
    overlay.remove()
    links.remove_loopback(IPv4Address(settings.dns))
    for network in links.routes():
        links.remove_route(network)
    links.remove_route(settings.services)
