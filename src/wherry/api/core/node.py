"""v1 Node: what the API adds to its schema (`wherry.api.types.core`)."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from wherry.api.checks import Errors, cidr
from wherry.api.columns import AGE, or_none
from wherry.api.core.node_state import address, condition, is_ready, roles
from wherry.api.core.placement_validation import taints
from wherry.api.core.resource_validation import quantity_value
from wherry.api.declare import declare
from wherry.api.types.core import Node
from wherry.machinery.resource import Column
from wherry.machinery.validation import duplicate, forbidden, invalid

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


def validate(new: Node, old: Node | None) -> Errors:
    """Taints, networks and amounts; the pod network and the provider's identity stay once set."""
    yield from taints("metadata.taints", new.spec.taints)
    yield from validate_status(new, old)
    if old is None or not old.spec.pod_cidrs:
        for index, network in enumerate(new.spec.pod_cidrs):
            yield from cidr(f"spec.podCIDRs[{index}]", network)
        if len(new.spec.pod_cidrs) > 2:
            why = "may specify no more than one CIDR for each IP family"
            yield invalid("spec.podCIDRs", new.spec.pod_cidrs, why)
    elif old.spec.pod_cidrs != new.spec.pod_cidrs:
        yield forbidden("spec.podCIDRs", 'node updates may not change podCIDR except from "" to valid')
    if old is not None and old.spec.external_id != new.spec.external_id:
        yield forbidden("spec.externalID", "may not be updated")
    before = old.spec.provider_id if old else ""
    if before and new.spec.provider_id != before:
        verb = "modified" if new.spec.provider_id else "cleared"
        yield invalid("spec.providerID", None, f"field cannot be {verb} once set")


def validate_status(new: Node, old: Node | None) -> Errors:
    """Amounts that can be; no address twice."""
    for field, amounts in (("capacity", new.status.capacity), ("allocatable", new.status.allocatable)):
        for name, amount in amounts.items():
            yield from quantity_value(f"status.{field}.{name}", name, amount)
    for index, own in enumerate(new.status.addresses):
        if own in new.status.addresses[:index]:
            yield duplicate(f"status.addresses[{index}]", own)


def prepare(new: Node, old: Node | None) -> Node:
    """podCIDR is the first of podCIDRs; no alpha fields."""
    spec = new.spec
    if spec.config_source is not None or spec.pod_preemption_policy is not None:
        spec = replace(spec, config_source=None, pod_preemption_policy=None)
        new = replace(new, spec=spec)
    if spec.pod_cidr and not spec.pod_cidrs:
        return replace(new, spec=replace(spec, pod_cidrs=(spec.pod_cidr,)))
    if spec.pod_cidrs and spec.pod_cidr != spec.pod_cidrs[0]:
        return replace(new, spec=replace(spec, pod_cidr=spec.pod_cidrs[0]))
    return new


def warn(new: Node, old: Node | None) -> Iterator[str]:
    """About fields that mean nothing any more."""
    if new.spec.external_id:
        yield "spec.externalID: this field is deprecated, and is unused by Kubernetes"


NODE = declare(
    Node,
    warn=warn,
    columns=COLUMNS,
    fields={"spec.unschedulable": lambda n: "true" if n.spec.unschedulable else "false"},
    default=default,
    validate=validate,
    validate_status=validate_status,
    prepare=prepare,
)
