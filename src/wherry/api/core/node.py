"""v1 Node: what the API adds to its schema (`wherry.api.types.core`)."""

from __future__ import annotations

from wherry.api.core.node_state import address, condition, is_ready, roles
from wherry.api.declare import declare
from wherry.api.types.core import Node

__all__ = ["NODE", "address", "condition", "is_ready", "roles"]

NODE = declare(Node)
