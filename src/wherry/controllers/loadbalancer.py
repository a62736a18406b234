"""Load balancer addresses where no cloud gives any: a Service of type LoadBalancer answers on the nodes' addresses.

Wakes on: Service; Node (addresses, readiness).
Writes:   Service/status.loadBalancer.
Upstream: https://kubernetes.io/docs/concepts/services-networking/service/#loadbalancer

Services with a loadBalancerClass belong to whoever implements that class. An address is kept while a node that has it
is known, ready or not: it is the service proxy of each node that answers there, and it needs no agent to do so.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from wherry.api.core.node import NODE
from wherry.api.core.node_state import address
from wherry.api.core.service import SERVICE
from wherry.api.types.core import LoadBalancerIngress, LoadBalancerStatus, Node
from wherry.controllers.settings import Settings
from wherry.machinery.meta import Key, key_of
from wherry.reconcile.actions import Action, Replace
from wherry.reconcile.controller import Controller, Watch
from wherry.reconcile.view import View

EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"


def controller(settings: Settings) -> Controller:
    """The controller; it does nothing where `settings.load_balancer` is off."""

    def plan(view: View, key: Key) -> Iterator[Action]:
        """One run for one Service."""
        service = view.get(SERVICE, key)
        if service is None or not settings.load_balancer or service.spec.load_balancer_class is not None:
            return
        if service.spec.type == "LoadBalancer":
            ingress = tuple(LoadBalancerIngress(ip=ip, ip_mode="VIP") for ip in _addresses(view))
            wanted = LoadBalancerStatus(ingress=ingress)
        else:
            wanted = LoadBalancerStatus()
        if wanted != service.status.load_balancer:
            status = replace(service.status, load_balancer=wanted)
            yield Replace(SERVICE, replace(service, status=status), subresource="status")

    watches = (Watch(NODE, _balanced, _matters),)
    return Controller("loadbalancer", SERVICE, plan, watches=watches, component="service-controller")


def _addresses(view: View) -> list[str]:
    """One per node, the first nodes first."""
    nodes = sorted(view.list(NODE), key=lambda node: (node.metadata.creation_timestamp or "", node.metadata.name))
    found = [_address(node) for node in nodes if EXCLUDED not in node.metadata.labels]
    return list(dict.fromkeys(filter(None, found)))


def _address(node: Node) -> str:
    return address(node, "ExternalIP") or address(node, "InternalIP")


def _balanced(view: View, node: Node) -> Iterator[Key]:
    return (key_of(service) for service in view.list(SERVICE) if service.spec.type == "LoadBalancer")


def _matters(old: Node, new: Node) -> bool:
    return old.status.addresses != new.status.addresses or old.metadata.labels != new.metadata.labels
