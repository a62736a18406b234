"""Ingress addresses and the usual IngressClass: what wherry's own HTTP entry shows in the API.

Wakes on: Ingress, IngressClass; Node (addresses); once, the namespace kube-system.
Writes:   Ingress/status.loadBalancer of what wherry serves; the IngressClass `wherry`, once in a cluster's
          life (an annotation of kube-system remembers it).
Upstream: https://kubernetes.io/docs/concepts/services-networking/ingress/

Invariants:
- Ingresses of other controllers are never touched;
- every node is an entry, so the addresses are those of all nodes that do not refuse load balancers.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from wherry.api.core.namespace import NAMESPACE
from wherry.api.core.node import NODE
from wherry.api.core.node_state import address
from wherry.api.networking.ingress import INGRESS
from wherry.api.networking.ingressclass import CONTROLLER as SERVER
from wherry.api.networking.ingressclass import DEFAULT_ANNOTATION, INGRESSCLASS, served
from wherry.api.types.core import Node
from wherry.api.types.networking import (
    IngressClass,
    IngressClassSpec,
    IngressLoadBalancerIngress,
    IngressLoadBalancerStatus,
)
from wherry.machinery.meta import Key, Object, ObjectMeta, key_of
from wherry.reconcile.actions import Action, Create, Patch, Replace
from wherry.reconcile.controller import Controller, Watch
from wherry.reconcile.view import View

EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"
SYSTEM = Key("", "kube-system")
CLASS_MADE = "wherry.dev/default-ingress-class"
CLASS = IngressClass(
    metadata=ObjectMeta(name="wherry", annotations={DEFAULT_ANNOTATION: "true"}),
    spec=IngressClassSpec(controller=SERVER),
)
"""The usual class of a new cluster."""


def plan(view: View, key: Key) -> Iterator[Action]:
    """One run for one Ingress."""
    ingress = view.get(INGRESS, key)
    if ingress is None or not served(ingress, {one.metadata.name: one for one in view.list(INGRESSCLASS)}):
        return
    wanted = IngressLoadBalancerStatus(ingress=tuple(map(_entry, addresses(view))))
    if wanted != ingress.status.load_balancer:
        status = replace(ingress.status, load_balancer=wanted)
        yield Replace(INGRESS, replace(ingress, status=status), subresource="status")


def default_class(view: View, key: Key) -> Iterator[Action]:
    """Once in a cluster's life: make the usual class."""
    system = view.get(NAMESPACE, SYSTEM)
    if key != SYSTEM or system is None or CLASS_MADE in system.metadata.annotations:
        return
    if view.get(INGRESSCLASS, key_of(CLASS)) is None:
        yield Create(INGRESSCLASS, CLASS)
    else:
        yield Patch(NAMESPACE, SYSTEM, {"metadata": {"annotations": {CLASS_MADE: CLASS.metadata.name}}})


def _entry(ip: str) -> IngressLoadBalancerIngress:
    return IngressLoadBalancerIngress(ip=ip)


def addresses(view: View) -> list[str]:
    """Where sites are reached: the addresses of all nodes that do not refuse load balancers, older nodes first."""
    nodes = sorted(view.list(NODE), key=lambda node: (node.metadata.creation_timestamp or "", node.metadata.name))
    found = [address(node, "ExternalIP") or address(node, "InternalIP") for node in nodes
             if EXCLUDED not in node.metadata.labels]  # fmt: skip
    return list(dict.fromkeys(filter(None, found)))


def _all(view: View, obj: Object) -> Iterator[Key]:
    return (key_of(ingress) for ingress in view.list(INGRESS))


def _system(view: View, obj: Object) -> Iterator[Key]:
    yield SYSTEM


def _matters(old: Node, new: Node) -> bool:
    return old.status.addresses != new.status.addresses or old.metadata.labels != new.metadata.labels


CONTROLLER = Controller(
    "ingress",
    INGRESS,
    plan,
    watches=(Watch(INGRESSCLASS, _all), Watch(NODE, _all, _matters)),
    component="wherry-ingress",
)
DEFAULT = Controller(
    "defaultingressclass",
    NAMESPACE,
    default_class,
    watches=(Watch(INGRESSCLASS, _system),),
    component="wherry-ingress",
)
