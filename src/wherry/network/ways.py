"""Ways to other nodes' pods: straight to the node where it is on one of our links, through the overlay elsewhere. Pure.

Routers between machines know nothing of pods' addresses: what has to pass one goes wrapped, from node to node.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network


@dataclass(frozen=True, slots=True)
class Way:
    """The next hop. `tunnel`: the node at the other end of the overlay, None for a direct route."""

    via: IPv4Address
    tunnel: IPv4Address | None = None


@dataclass(frozen=True, slots=True)
class Mine:
    """This node: its pods' network and its address as others know it."""

    subnet: IPv4Network
    address: IPv4Address


def ways(
    peers: Mapping[IPv4Network, IPv4Address], own: Collection[IPv4Interface], mine: Mine | None
) -> dict[IPv4Network, Way]:
    """Pod network of each other node -> the way there. `peers`: the nodes' addresses; `own`: the addresses of this
    namespace's links; without `mine` (the node has no network yet) nothing goes through the overlay.

    A node at one of our own addresses has no way.
    """
    addresses = {one.ip for one in own}
    found: dict[IPv4Network, Way] = {}
    for network, address in peers.items():
        if address in addresses:
            continue
        if any(address in one.network for one in own):
            found[network] = Way(address)
        elif mine is not None:
            found[network] = Way(end(network), address)
    return found


def end(network: IPv4Network) -> IPv4Address:
    """The address of a node's end of the overlay: the first of its pods' network, which no pod gets."""
    return network.network_address


def hardware(network: IPv4Network) -> str:
    """The hardware address of that end, which every node can work out: locally administered, unique as the network."""
    return ":".join(f"{byte:02x}" for byte in (0x02, 0x77, *network.network_address.packed))
