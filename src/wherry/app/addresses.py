"""Names and addresses under which this machine's API server is reached, for its certificate and its Service."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv4Network

from wherry.app.config import Config, node_name
from wherry.host import links

PROBE = IPv4Address("1.1.1.1")
"""Any address of the world: the route to it is the default route. Nothing is sent there."""


def primary() -> IPv4Address | None:
    """The address this machine would use towards the world; None without a default route."""
    try:
        return links.source_for(PROBE)
    except links.LinkError:
        return None


def towards(config: Config) -> IPv4Address | None:
    """The address of this machine that others of the cluster know it by: the one towards its server, or the world."""
    if not config.join:
        return primary()
    try:
        return links.source_for(IPv4Address(socket.gethostbyname(config.join.partition(":")[0])))
    except (OSError, links.LinkError):
        return primary()


def own(config: Config) -> tuple[IPv4Address, ...]:
    """Every IPv4 address of this machine except those of pods and Services, sorted."""
    inside = (IPv4Network(config.pod_cidr), IPv4Network(config.service_cidr))
    return tuple(sorted(a for a in links.addresses() if not any(a in network for network in inside)))


def server_names(config: Config) -> tuple[str, ...]:
    """DNS names in the API server's certificate."""
    service = "kubernetes"
    names = [service, f"{service}.default", f"{service}.default.svc", f"{service}.default.svc.{config.cluster_domain}"]
    return ("localhost", node_name(socket.gethostname()), *names, *(node.name for node in config.machines()))


def server_addresses(config: Config) -> tuple[str, ...]:
    """Addresses in the API server's certificate."""
    fixed = ("127.0.0.1", config.kubernetes_address, config.bridge_address)
    return tuple(sorted({*fixed, *(str(address) for address in own(config))}))


def node_addresses(config: Config, name: str) -> tuple[str, ...]:
    """Addresses in a node's serving certificate."""
    node = config.machine(name)
    if node.netns:
        return ("127.0.0.1", node.address)
    return tuple(sorted({"127.0.0.1", config.bridge_address, *(str(address) for address in own(config))}))
