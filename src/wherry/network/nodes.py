"""Nodes of `wherry up --nodes N` that live in network namespaces of this machine, and the wire between them.

Node 1 is in the machine's own namespace. Each other node has a namespace `wherry-<node>` with a veth to the bridge
`wherry-nodes` (10.89.0.0/24, the machine is .1), a default route through the machine, and goes out masqueraded by the
table `ip wherry_nodes`. Everything is idempotent; `remove_all` leaves the machine as it was, except that forwarding
stays on: others may have come to need it.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from zlib import crc32

from wherry.host import links, netns, nft

BRIDGE = "wherry-nodes"
NETWORK = IPv4Network("10.89.0.0/24")
PODS = IPv4Network("10.244.0.0/16")
_TABLE = "wherry_nodes"
_PREFIX = "wherry-"


@dataclass(frozen=True, slots=True)
class NodeNetns:
    """A node's namespace and its address on the bridge."""

    node: str
    netns: str
    address: IPv4Address


def machine_address() -> IPv4Address:
    """The machine's own address on the bridge: node 1's, and every other node's gateway."""
    return NETWORK[1]


def netns_of(node: str) -> str:
    """The namespace of a node: `wherry-2` has `wherry-2`, `east` has `wherry-east`."""
    return node if node.startswith(_PREFIX) else _PREFIX + node


def _link(node: str) -> str:
    """The machine's end of the veth; at most 15 characters."""
    return f"wn-{crc32(node.encode()):08x}"


def _rules() -> str:
    inside = f"{{ {NETWORK}, {PODS} }}"
    return (
        f"add table ip {_TABLE}\n"
        f"delete table ip {_TABLE}\n"
        f"table ip {_TABLE} {{\n"
        f"  chain postrouting {{\n"
        f"    type nat hook postrouting priority srcnat\n"
        f"    ip saddr {NETWORK} ip daddr != {inside} masquerade\n"
        f"  }}\n"
        f"}}\n"
    )


def prepare_machine() -> None:
    """The bridge, its address, forwarding and masquerading. Raises links.LinkError, nft.NftError."""
    links.ensure(["link", "add", BRIDGE, "type", "bridge"])
    links.ensure(["address", "add", f"{machine_address()}/{NETWORK.prefixlen}", "dev", BRIDGE])
    links.ip(["link", "set", BRIDGE, "up"])
    links.switch("ipv4/ip_forward", "1")
    nft.run(_rules())


def create(node: str, number: int, namespace: str = "") -> NodeNetns:
    """The namespace of node `number` (2 to 254), wired; `namespace` is its name (`netns_of`).

    Raises ValueError, links.LinkError, nft.NftError.
    """
    if not 2 <= number <= 254:
        raise ValueError(f"a node in a namespace has a number from 2 to 254, not {number}")
    prepare_machine()
    place = NodeNetns(node, namespace or netns_of(node), NETWORK[number])
    netns.create(place.netns)
    link = _link(node)
    if not links.show(["address", "show", "dev", "eth0"], place.netns):
        links.ensure(["link", "delete", link])  # half made before a crash
        mtu = str(links.mtu_of_default_route())  # pods take the same, so nothing needs to be cut on the way out
        peer = ["name", "eth0", "mtu", mtu, "netns", place.netns]
        links.ip(["link", "add", link, "mtu", mtu, "type", "veth", "peer", *peer])
    links.ip(["link", "set", link, "master", BRIDGE, "up"])
    # where the kernel hands bridged packets to the rules (bridge-nf-call-iptables), one that node 1 translates back to
    # the node it came from never leaves the bridge: it has to go out where it came in
    links.ip(["link", "set", link, "type", "bridge_slave", "hairpin", "on"])
    links.ensure(["address", "add", f"{place.address}/{NETWORK.prefixlen}", "dev", "eth0"], place.netns)
    links.ip(["link", "set", "eth0", "up"], place.netns)
    links.ip(["route", "replace", "default", "via", str(machine_address())], place.netns)
    with netns.entered(place.netns):
        links.switch("ipv4/ip_forward", "1")
    return place


def remove(node: str, namespace: str = "") -> None:
    """Remove one node's namespace and wire. Its processes must have ended: they would keep it alive unseen."""
    links.ensure(["link", "delete", _link(node)])
    netns.delete(namespace or netns_of(node))


def remove_all(nodes: tuple[str, ...]) -> None:
    """Remove these nodes, the bridge and its rules."""
    for node in nodes:
        remove(node)
    links.ensure(["link", "delete", BRIDGE])
    nft.run(f"add table ip {_TABLE}\ndelete table ip {_TABLE}\n")
