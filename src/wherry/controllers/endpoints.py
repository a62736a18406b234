"""Endpoints controller: the older form of the addresses behind a Service, for clients that still read it.

Wakes on: Service; Pod (through selectors); Endpoints of the Service's name.
Writes:   Endpoints (create, replace; delete when the Service is gone).
Upstream: https://kubernetes.io/docs/reference/kubernetes-api/service-resources/endpoints-v1/

At most 1000 addresses are kept, with the annotation `endpoints.kubernetes.io/over-capacity: truncated`.
Endpoints of Services without selector belong to whoever made them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from wherry.api.core.endpoints import ENDPOINTS
from wherry.api.core.pod import POD, is_ready
from wherry.api.core.service import SERVICE
from wherry.api.types.core import EndpointAddress, EndpointPort, Endpoints, EndpointSubset, Pod, Service
from wherry.controllers.addresses import (
    HEADLESS,
    address,
    hostname,
    is_headless,
    members,
    pod_matters,
    reference_to,
    services_of,
    target_port,
)
from wherry.machinery.meta import Key, ObjectMeta, key_of
from wherry.reconcile.actions import Action, Create, Delete, Replace
from wherry.reconcile.controller import Controller, Watch
from wherry.reconcile.view import View

MANAGED_BY, MANAGER = "endpoints.kubernetes.io/managed-by", "endpoint-controller"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
FULL = 1000


def plan(view: View, key: Key) -> Iterator[Action]:
    """One run for one Service."""
    service, old = view.get(SERVICE, key), view.get(ENDPOINTS, key)
    if service is None:
        if old is not None and old.metadata.labels.get(MANAGED_BY) == MANAGER:
            yield Delete(ENDPOINTS, key, old.metadata.uid)
        return
    if not service.spec.selector or service.spec.type == "ExternalName":
        return
    pods = [pod for pod in members(view, service) if _counts(service, pod)]
    labels = _labels(service)
    over = {OVER_CAPACITY: "truncated"} if len(pods) > FULL else {}
    subsets = tuple(_subsets(service, pods[:FULL]))
    if old is None:
        meta = ObjectMeta(name=key.name, namespace=key.namespace, labels=labels, annotations=over)
        yield Create(ENDPOINTS, Endpoints(metadata=meta, subsets=subsets))
        return
    annotations = {k: v for k, v in old.metadata.annotations.items() if k != OVER_CAPACITY} | over
    new = replace(old, metadata=replace(old.metadata, labels=labels, annotations=annotations), subsets=subsets)
    if new != old:
        yield Replace(ENDPOINTS, new)


def _counts(service: Service, pod: Pod) -> bool:
    return pod.metadata.deletion_timestamp is None or service.spec.publish_not_ready_addresses


def _subsets(service: Service, pods: Sequence[Pod]) -> Iterator[EndpointSubset]:
    """Pods with the same port numbers share a subset; within it, ready and not ready are apart."""
    groups: dict[tuple[EndpointPort, ...], tuple[list[EndpointAddress], list[EndpointAddress]]] = {}
    for pod in sorted(pods, key=address):
        ports = _ports(service, pod)
        if ports is None:
            continue
        ready, not_ready = groups.setdefault(ports, ([], []))
        entry = EndpointAddress(
            ip=address(pod),
            node_name=pod.spec.node_name or None,
            hostname=hostname(service, pod) or "",
            target_ref=reference_to(pod),
        )
        (ready if service.spec.publish_not_ready_addresses or is_ready(pod) else not_ready).append(entry)
    for ports, (ready, not_ready) in groups.items():
        yield EndpointSubset(addresses=tuple(ready), not_ready_addresses=tuple(not_ready), ports=ports)


def _ports(service: Service, pod: Pod) -> tuple[EndpointPort, ...] | None:
    """Ports of this pod; None if it has none of those that the Service names."""
    found = []
    for port in service.spec.ports:
        number = target_port(pod, port)
        if number is not None:
            protocol = port.protocol or "TCP"
            found.append(EndpointPort(name=port.name, port=number, protocol=protocol, app_protocol=port.app_protocol))
    found.sort(key=lambda port: (port.name, port.port))
    return tuple(found) if found or not service.spec.ports else None


def _labels(service: Service) -> dict[str, str]:
    labels = {k: v for k, v in service.metadata.labels.items() if k != HEADLESS}
    labels[MANAGED_BY] = MANAGER
    if is_headless(service):
        labels[HEADLESS] = ""
    return labels


def _same_name(view: View, endpoints: Endpoints) -> Iterator[Key]:
    yield key_of(endpoints)


CONTROLLER = Controller(
    "endpoints",
    SERVICE,
    plan,
    watches=(Watch(POD, services_of, pod_matters), Watch(ENDPOINTS, _same_name)),
    component="endpoint-controller",
)
