"""Node address management: every Node gets a subnet of the pod network, once and for good.

Wakes on: Node.
Writes:   Node.spec.podCIDR and podCIDRs; Event CIDRNotAvailable.
Upstream: https://kubernetes.io/docs/reference/command-line-tools-reference/kube-controller-manager/ (--cluster-cidr)

Invariant: no two nodes share an address. All nodes are one key, planned as a whole, so that two new nodes cannot be
given the same subnet before either has been seen to take it.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from msgspec.structs import replace

from wherry.api.core.node import NODE
from wherry.api.types.core import Node
from wherry.controllers.settings import Settings
from wherry.machinery.meta import Key
from wherry.reconcile.actions import Action, Emit, Replace
from wherry.reconcile.controller import Controller, Watch
from wherry.reconcile.view import View

ALL = Key("", "nodes")


def controller(settings: Settings) -> Controller:
    """The controller that cuts up `settings.pod_network`."""
    network = IPv4Network(settings.pod_network)

    def plan(view: View, key: Key) -> Iterator[Action]:
        """One run for all Nodes."""
        nodes = sorted(view.list(NODE), key=lambda node: (node.metadata.creation_timestamp or "", node.metadata.name))
        taken = {IPv4Network(text) for node in nodes if (text := node.spec.pod_cidr) and ":" not in text}
        free = (s for s in network.subnets(new_prefix=settings.node_prefix) if not any(s.overlaps(t) for t in taken))
        for node in nodes:
            if node.spec.pod_cidr or node.metadata.deletion_timestamp is not None:
                continue
            subnet = next(free, None)
            if subnet is None:
                yield Emit(
                    node, "Normal", "CIDRNotAvailable", f"Node {node.metadata.name} status is now: CIDRNotAvailable"
                )
                continue
            spec = replace(node.spec, pod_cidr=str(subnet), pod_cidrs=(str(subnet),))
            yield Replace(NODE, replace(node, spec=spec))

    return Controller("nodeipam", None, plan, watches=(Watch(NODE, _all, _matters),), component="cidrAllocator")


def _all(view: View, node: Node) -> Iterator[Key]:
    yield ALL


def _matters(old: Node, new: Node) -> bool:
    return old.spec.pod_cidr != new.spec.pod_cidr
