"""What an agent does before it is loaded: answer DNS queries from what was last known. Imports little, on purpose."""

from __future__ import annotations

from ipaddress import IPv4Network

from wherry.app import memory
from wherry.app.config import Config, Node
from wherry.network.dns import Files
from wherry.network.dns_early import Early
from wherry.network.dns_records import Zone


def begin(config: Config, node: Node) -> Early | None:
    """Answer the queries of a node's pods from now on; None where nothing is known from before."""
    memory.begin()
    networks = (IPv4Network(config.service_cidr), IPv4Network(config.pod_cidr))
    zone = Zone(config.cluster_domain, networks, config.dns_address)
    return Early.begin(Files.below(config.node_root(node.name)), zone, (config.dns_address, 53))
