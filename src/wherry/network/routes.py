"""Routes: how packets reach the pods of other nodes, and the network switches every node needs.

Woken by: changes of Nodes. Writes: routes to each other node's podCIDR, through its InternalIP when that address is on
one of this node's links, through the overlay otherwise (`ways.py` decides, `overlay.py`); sysctls. Invariants: only
routes marked as wherry's are touched; a node that merely stops being Ready keeps its route (its pods may still run);
one that is deleted loses it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network

from wherry.api.core.node import NODE
from wherry.api.core.node_state import address
from wherry.api.types.core import Node
from wherry.host import links, nft
from wherry.machinery.meta import Object
from wherry.network import overlay
from wherry.network.proxy import pod_subnet
from wherry.network.rules import seal
from wherry.network.ways import Mine, Way, ways
from wherry.reconcile.cache import Caches

log = logging.getLogger(__name__)

_AGAIN = 30.0


@dataclass(frozen=True, slots=True)
class Networks:
    """The cluster's networks, and the address of its DNS that is to be this node's own, too."""

    pods: IPv4Network
    services: IPv4Network
    dns: IPv4Address | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the Nodes say: other nodes' pod networks with their addresses; this node's own, None while it has none."""

    peers: Mapping[IPv4Network, IPv4Address]
    source: IPv4Address | None = None
    subnet: IPv4Network | None = None


def _internal(node_address: str) -> IPv4Address | None:
    try:
        return IPv4Address(node_address)
    except AddressValueError:
        return None


def _facts(node: Object | None) -> tuple[str, str]:
    return (node.spec.pod_cidr, address(node, "InternalIP")) if isinstance(node, Node) else ("", "")


class Routes:
    """The routes of one node."""

    def __init__(self, caches: Caches, node: str, networks: Networks) -> None:
        self._nodes = caches.of(NODE)
        self._caches = caches
        self._node = node
        self._networks = networks
        self._wake = asyncio.Event()
        self.made = asyncio.Event()
        """Set once the routes to the nodes then known were made."""
        self._nodes.listen(self._on_node)

    def _on_node(self, old: Object | None, new: Object | None) -> None:
        if _facts(old) != _facts(new):
            self._wake.set()

    def _wanted(self) -> Wanted:
        peers: dict[IPv4Network, IPv4Address] = {}
        own: tuple[IPv4Address | None, IPv4Network | None] = (None, None)
        for node in self._nodes.list():
            subnet, via = pod_subnet(node), _internal(address(node, "InternalIP"))
            if node.metadata.name == self._node:
                own = (via, subnet)
            elif subnet is not None and via is not None:
                peers[subnet] = via
        return Wanted(peers, *own)

    async def run(self) -> None:
        """Keep routes as the nodes say until cancelled; look again every 30 s, for links that come and go."""
        await self._caches.synced((NODE,))
        while True:
            await asyncio.to_thread(apply, self._wanted(), self._networks)
            self.made.set()
            try:
                async with asyncio.timeout(_AGAIN):
                    await self._wake.wait()
            except TimeoutError:
                continue
            self._wake.clear()


def apply(wanted: Wanted, networks: Networks) -> None:
    """Make the kernel's marked routes those of `wanted`, as far as there are ways, and see that the DNS address is
    still there."""
    own = links.interfaces()
    addresses = {one.ip for one in own}
    if networks.dns is not None and networks.dns not in addresses:
        links.add_loopback(networks.dns)
    mine = Mine(wanted.subnet, wanted.source) if wanted.subnet is not None and wanted.source in addresses else None
    found = _with_overlay(ways(wanted.peers, own, mine), mine, networks.pods, there=overlay.LINK in own.values())
    present = links.routes()
    for network in present.keys() - found.keys():
        links.remove_route(network)
    for network, way in found.items():
        if present.get(network) == way.via:
            continue
        try:
            links.replace_route(network, via=way.via, through=overlay.LINK if way.tunnel else "")
        except links.LinkError as error:
            log.warning("no route to the pods on %s: %s", way.tunnel or way.via, error)
    links.claim_network(networks.services, wanted.source if wanted.source in addresses else None)


def _with_overlay(
    found: dict[IPv4Network, Way], mine: Mine | None, pods: IPv4Network, *, there: bool
) -> dict[IPv4Network, Way]:
    """The ways that can be had, with the overlay made or taken away for them. `there`: whether it is there."""
    tunnels = {network: way.tunnel for network, way in found.items() if way.tunnel is not None}
    if mine is None or not tunnels:
        if there and not tunnels:
            overlay.remove()
        return found
    try:
        overlay.keep(mine, tunnels, pods)
    except (links.LinkError, nft.NftError) as error:
        log.warning("no way to the pods on %s: %s", ", ".join(map(str, tunnels.values())), error)
        return {network: way for network, way in found.items() if way.tunnel is None}
    return found


def prepare(dns: IPv4Address) -> None:
    """Switches and addresses a node needs before its first pod: forwarding, the DNS address on lo; pods' links are
    closed to IPv6. Blocks. Raises OSError, links.LinkError, nft.NftMissing."""
    links.switch("ipv4/ip_forward", "1")
    links.add_loopback(dns)
    try:
        nft.run(seal.close())
    except nft.NftError as error:
        log.info("this kernel has no IPv6 to be closed: %s", error)
