"""v1 Node: what the API adds to its schema (`wherry.api.types.core`)."""

from __future__ import annotations

from msgspec.structs import replace

from wherry.api.columns import AGE, or_none
from wherry.api.core.node_state import address, condition, is_ready, roles
from wherry.api.declare import declare
from wherry.api.types.core import Node
from wherry.machinery.resource import Column

__all__ = ["NODE", "address", "condition", "is_ready", "roles"]


def _status(node: Node, _: float) -> str:
    ready = condition(node, "Ready")
    word = "Unknown" if ready is None else "Ready" if ready.status == "True" else "NotReady"
    return f"{word},SchedulingDisabled" if node.spec.unschedulable else word


def _kernel(node: Node, _: float) -> str:
    info = node.status.node_info
    kernel = info.kernel_version or "<unknown>"
    return f"{kernel} ({info.architecture})" if info.architecture else kernel


COLUMNS: tuple[Column[Node], ...] = (
    Column("Status", _status),
    Column("Roles", lambda n, _: or_none(",".join(roles(n)))),
    AGE,
    Column("Version", lambda n, _: n.status.node_info.kubelet_version),
    Column("Internal-IP", lambda n, _: or_none(address(n, "InternalIP")), wide=True),
    Column("External-IP", lambda n, _: or_none(address(n, "ExternalIP")), wide=True),
    Column("OS-Image", lambda n, _: n.status.node_info.os_image or "<unknown>", wide=True),
    Column("Kernel-Version", _kernel, wide=True),
    Column("Container-Runtime", lambda n, _: n.status.node_info.container_runtime_version or "<unknown>", wide=True),
)


def default(node: Node) -> Node:
    """Everything may be allocated unless the node says otherwise."""
    status = node.status
    if status.capacity and not status.allocatable:
        return replace(node, status=replace(status, allocatable=status.capacity))
    return node


NODE = declare(
    Node,
    columns=COLUMNS,
    fields={"spec.unschedulable": lambda n: "true" if n.spec.unschedulable else "false"},
    default=default,
)
