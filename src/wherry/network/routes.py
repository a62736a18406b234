"""Routes: how packets reach the pods of other nodes, and the network switches every node needs.

Woken by: changes of Nodes. Writes: routes to each other node's podCIDR through its InternalIP, when that address is on
one of this node's links; sysctls. Invariants: only routes marked as wherry's are touched; a node that merely stops
being Ready keeps its route (its pods may still run); one that is deleted loses it.
"""

from __future__ import annotations

import asyncio
import logging
from ipaddress import AddressValueError, IPv4Address, IPv4Network

from wherry.api.core.node import NODE
from wherry.api.core.node_state import address
from wherry.api.types.core import Node
from wherry.host import links
from wherry.machinery.meta import Object
from wherry.network.proxy import pod_subnet
from wherry.reconcile.cache import Caches

log = logging.getLogger(__name__)

_AGAIN = 30.0


def _internal(node_address: str) -> IPv4Address | None:
    try:
        return IPv4Address(node_address)
    except AddressValueError:
        return None


def _facts(node: Object | None) -> tuple[str, str]:
    return (node.spec.pod_cidr, address(node, "InternalIP")) if isinstance(node, Node) else ("", "")


class Routes:
    """The routes of one node."""

    def __init__(self, caches: Caches, node: str, services: IPv4Network, dns: IPv4Address) -> None:
        self._nodes = caches.of(NODE)
        self._caches = caches
        self._dns = dns
        self._node = node
        self._services = services
        self._wake = asyncio.Event()
        self.made = asyncio.Event()
        """Set once the routes to the nodes then known were made."""
        self._nodes.listen(self._on_node)

    def _on_node(self, old: Object | None, new: Object | None) -> None:
        if _facts(old) != _facts(new):
            self._wake.set()

    def _wanted(self) -> tuple[dict[IPv4Network, IPv4Address], IPv4Address | None]:
        wanted: dict[IPv4Network, IPv4Address] = {}
        source: IPv4Address | None = None
        for node in self._nodes.list():
            subnet, via = pod_subnet(node), _internal(address(node, "InternalIP"))
            if node.metadata.name == self._node:
                source = via
            elif subnet is not None and via is not None:
                wanted[subnet] = via
        return wanted, source

    async def run(self) -> None:
        """Keep routes as the nodes say until cancelled; look again every 30 s, for links that come and go."""
        await self._caches.synced((NODE,))
        while True:
            wanted, source = self._wanted()
            await asyncio.to_thread(apply, wanted, source, self._services, self._dns)
            self.made.set()
            try:
                async with asyncio.timeout(_AGAIN):
                    await self._wake.wait()
            except TimeoutError:
                continue
            self._wake.clear()


def apply(
    wanted: dict[IPv4Network, IPv4Address],
    source: IPv4Address | None,
    services: IPv4Network,
    dns: IPv4Address | None = None,
) -> None:
    """Make the kernel's marked routes those of `wanted` (network -> next hop), as far as next hops are on a link, and
    see that the address `dns` is still there."""
    own = links.addresses()
    if dns is not None and dns not in own:
        links.add_loopback(dns)
    there = links.routes()
    for network in there.keys() - wanted.keys():
        links.remove_route(network)
    for network, via in wanted.items():
        if via in own or there.get(network) == via:
            continue
        try:
            links.replace_route(network, via=via)
        except links.LinkError as error:
            log.warning("no route to the pods on %s: %s", via, error)
    links.claim_network(services, source if source in own else None)


def prepare(dns: IPv4Address) -> None:
    """Switches and addresses a node needs before its first pod: forwarding, the DNS address on lo. Blocks.
    Raises OSError, links.LinkError."""
    links.switch("ipv4/ip_forward", "1")
    links.add_loopback(dns)
