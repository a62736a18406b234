"""Overlay: a VXLAN between nodes that are not on one network segment. There only while some node needs it.

Owns: the link `wherry-overlay` of the namespace, its neighbours and forwarding entries, the nft table of that name.
Called by `routes.py`. Nothing is learned from packets: every node's end has an address and a hardware address that
follow from its pods' network (`ways.py`). Packets that do not come from a pod take this node's end as their source, so
that answers come back the same way; wrapped packets are taken only from nodes of the cluster.
https://www.rfc-editor.org/rfc/rfc7348
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network

from wherry.host import links, nft
from wherry.network.ways import Mine, end, hardware

log = logging.getLogger(__name__)

LINK = "wherry-overlay"
TABLE = "wherry_overlay"
NUMBER, PORT = 7443, 4789
HEADERS = 50
"""Bytes that wrapping adds to each packet."""


def keep(mine: Mine, peers: Mapping[IPv4Network, IPv4Address], pods: IPv4Network) -> None:
    """Have the overlay lead to `peers` (pod network -> node's address), and to nobody else.

    Raises links.LinkError where the kernel has no VXLAN, nft.NftError.
    """
    nft.run(rules(peers.values(), pods))
    _link(mine)
    entries = {hardware(network): str(address) for network, address in peers.items()}
    neighbours = {str(end(network)): hardware(network) for network in peers}
    for row in links.forwarding(LINK):
        if "dst" in row and entries.get(row["mac"]) != row["dst"]:
            links.bridge(["fdb", "delete", row["mac"], "dev", LINK, "dst", row["dst"]])
    for mac, address in entries.items():
        links.bridge(["fdb", "replace", mac, "dev", LINK, "dst", address])
    for row in links.show(["-4", "neighbour", "show", "dev", LINK]):
        if neighbours.get(row["dst"]) != row.get("lladdr"):
            links.ensure(["neighbour", "delete", row["dst"], "dev", LINK])
    for address, mac in neighbours.items():
        links.ip(["neighbour", "replace", address, "lladdr", mac, "dev", LINK, "nud", "permanent"])


def _link(mine: Mine) -> None:
    """The link with this node's end, made anew when the node's address or network is another than before."""
    wanted = {"id": NUMBER, "local": str(mine.address), "port": PORT}
    for row in links.show_or_nothing(["-d", "link", "show", "dev", LINK]):
        data = row.get("linkinfo", {}).get("info_data", {})
        same = {name: data.get(name) for name in wanted} == wanted and row.get("address") == hardware(mine.subnet)
        if same and row.get("flags") and "UP" in row["flags"]:
            return
        links.ensure(["link", "delete", LINK])
    mtu = str(links.mtu_of_default_route() - HEADERS)
    kind = ["type", "vxlan", "id", str(NUMBER), "dstport", str(PORT), "local", str(mine.address), "nolearning"]
    links.ip(["link", "add", LINK, "address", hardware(mine.subnet), "mtu", mtu, *kind])
    links.ensure(["address", "add", f"{end(mine.subnet)}/32", "dev", LINK])
    links.ip(["link", "set", LINK, "up"])
    log.info("some nodes are not on a network of this machine; their pods are reached through %s", LINK)


def remove() -> None:
    """Take the overlay away; safe to repeat."""
    links.ensure(["link", "delete", LINK])
    nft.run(f"add table ip {TABLE}\ndelete table ip {TABLE}\n")


def rules(peers: Iterable[IPv4Address], pods: IPv4Network) -> str:
    """The table, whatever is in it. Pure text."""
    known = ", ".join(str(address) for address in sorted(set(peers)))
    return (
        f"add table ip {TABLE}\n"
        f"delete table ip {TABLE}\n"
        f"table ip {TABLE} {{\n"
        f"  chain input {{\n"
        f"    type filter hook input priority filter\n"
        f"    udp dport {PORT} ip saddr != {{ {known} }} drop\n"
        f"  }}\n"
        f"  chain postrouting {{\n"
        f"    type nat hook postrouting priority srcnat\n"
        f'    oifname "{LINK}" ip saddr != {pods} masquerade\n'
        f"  }}\n"
        f"}}\n"
    )
