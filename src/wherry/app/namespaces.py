"""The network namespaces of this machine's nodes: made by `wherry up`, and by each agent for itself after a reboot."""

from __future__ import annotations

from wherry.app.config import Node
from wherry.host import netns
from wherry.network import nodes


def make_namespace(node: Node) -> bool:
    """Make the node's namespace with its link to the others; returns whether it was new. Raises links.LinkError."""
    if not node.netns:
        return False
    new = not netns.exists(node.netns)
    nodes.create(node.name, node.index + 1, node.netns)
    return new
