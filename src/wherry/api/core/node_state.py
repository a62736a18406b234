"""Questions about a node's state that several parts must answer alike."""

from __future__ import annotations

from wherry.api.types.core import Node, NodeCondition
from wherry.machinery.conditions import get

ROLE_PREFIX = "node-role.kubernetes.io/"


def condition(node: Node, type_: str) -> NodeCondition | None:
    """The node's condition of this type, if it has one."""
    return get(node.status.conditions, type_)


def is_ready(node: Node) -> bool:
    """Whether its Ready condition is True."""
    ready = condition(node, "Ready")
    return ready is not None and ready.status == "True"


def is_lost(node: Node) -> bool:
    """Whether nobody knows how it is: its agent has not been heard of for long, or never."""
    ready = condition(node, "Ready")
    return ready is None or ready.status == "Unknown"


def address(node: Node, type_: str) -> str:
    """Its first address of this type (InternalIP, ExternalIP, Hostname), or ""."""
    return next((a.address for a in node.status.addresses if a.type == type_), "")


def roles(node: Node) -> list[str]:
    """Its roles by its labels, sorted."""
    found = {key.removeprefix(ROLE_PREFIX) for key in node.metadata.labels if key.startswith(ROLE_PREFIX)}
    found.add(node.metadata.labels.get("kubernetes.io/role", ""))
    return sorted(found - {""})
