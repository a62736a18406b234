"""Ports that a listener cannot have on the nodes, as far as the API tells. Pure.

An agent that cannot bind a port says so in an annotation of its Node, since nobody else can know.
"""

from __future__ import annotations

from collections.abc import Iterable

from wherry.api.types.core import Node, Service

TAKEN = "wherry.dev/ports-taken"
"""On a Node: ports that its entry was asked to bind and could not, with commas between."""
OWN = {6443: "the API server", 10250: "the agent", 10256: "the health of the service proxy", 53: "DNS"}


def taken(nodes: Iterable[Node], services: Iterable[Service]) -> dict[int, str]:
    """Port -> who has it."""
    found = dict(OWN)
    for service in services:
        name = f"{service.metadata.namespace}/{service.metadata.name}"
        for port in service.spec.ports:
            if port.node_port:
                found.setdefault(port.node_port, f"the node port of the Service {name}")
            if service.status.load_balancer.ingress and port.protocol in ("", "TCP"):
                found.setdefault(port.port, f"the Service {name} on the nodes' addresses")
    for node in nodes:
        for number in listed(node):
            found.setdefault(number, f"a program on the node {node.metadata.name}")
    return found


def listed(node: Node) -> list[int]:
    """The ports that a node's annotation names."""
    said = node.metadata.annotations.get(TAKEN, "").split(",")
    return sorted({int(one) for one in said if one.isascii() and one.isdigit() and len(one) < 6})


def text(ports: Iterable[int]) -> str:
    """The annotation."""
    return ",".join(map(str, sorted(set(ports))))
