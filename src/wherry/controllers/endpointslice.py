"""EndpointSlice controller: the addresses behind every Service that has a selector, at most 100 to a slice.

Wakes on: Service; Pod (through selectors); EndpointSlice (through its Service); Node (zone).
Writes:   EndpointSlice (create, replace, delete).
Upstream: https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/

Invariants (checked in tests/unit/controllers/test_endpointslice.py):
- every member is in exactly one slice of its set of ports;
- an endpoint stays in its slice while it lives: one pod's change rewrites one slice;
- ready = Ready and not terminating (or publishNotReadyAddresses); serving = Ready; terminating = being deleted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from wherry.api.core.node import NODE
from wherry.api.core.pod import POD, is_ready
from wherry.api.core.service import SERVICE
from wherry.api.discovery.endpointslice import ENDPOINTSLICE
from wherry.api.types.core import Node, Pod, Service
from wherry.api.types.discovery import (
    Endpoint,
    EndpointConditions,
    EndpointHints,
    EndpointPort,
    EndpointSlice,
    ForNode,
    ForZone,
)
from wherry.controllers.addresses import (
    HEADLESS,
    address,
    has_named_targets,
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
from wherry.reconcile.ownership import reference
from wherry.reconcile.view import View

FULL = 100
SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"
ZONE = "topology.kubernetes.io/zone"

Ports = tuple[EndpointPort, ...]


def plan(view: View, key: Key) -> Iterator[Action]:
    """One run for one Service."""
    service = view.get(SERVICE, key)
    if service is None or service.metadata.deletion_timestamp is not None:
        return  # its slices are garbage now
    mine = [s for s in view.owned(ENDPOINTSLICE, service) if s.metadata.labels.get(MANAGED_BY) == MANAGER]
    if not service.spec.selector or service.spec.type == "ExternalName":
        yield from (Delete(ENDPOINTSLICE, key_of(s), s.metadata.uid) for s in mine)
        return
    wanted = _wanted(view, service)
    for ports in [*wanted, *(s.ports for s in mine if s.ports not in wanted)]:
        slices = [s for s in mine if s.ports == ports]
        mine = [s for s in mine if s.ports != ports]
        yield from _fit(service, ports, wanted.get(ports), slices)


def _wanted(view: View, service: Service) -> dict[Ports, dict[str, Endpoint]]:
    """Endpoints by set of ports and pod uid. Without members there is still one, empty, set."""
    found: dict[Ports, dict[str, Endpoint]] = {}
    zones: dict[str, str | None] = {}
    same = None if has_named_targets(service) else found.setdefault(_ports(service, Pod()), {})
    for pod in members(view, service):
        node = pod.spec.node_name
        if node not in zones:
            zones[node] = _zone(view, node)
        group = found.setdefault(_ports(service, pod), {}) if same is None else same
        group[pod.metadata.uid] = _endpoint(service, pod, zones[node])
    return found if any(found.values()) else {(): {}}


def _zone(view: View, name: str) -> str | None:
    node = view.get(NODE, Key("", name))
    return node.metadata.labels.get(ZONE) if node is not None else None


def _ports(service: Service, pod: Pod) -> Ports:
    ports = []
    for port in service.spec.ports:
        number = target_port(pod, port)
        if number is not None:
            protocol = port.protocol or "TCP"
            ports.append(EndpointPort(name=port.name, port=number, protocol=protocol, app_protocol=port.app_protocol))
    return tuple(ports)


def _endpoint(service: Service, pod: Pod, zone: str | None) -> Endpoint:
    serving, terminating = is_ready(pod), pod.metadata.deletion_timestamp is not None
    return Endpoint(
        addresses=(address(pod),),
        conditions=EndpointConditions(
            ready=service.spec.publish_not_ready_addresses or (serving and not terminating),
            serving=serving,
            terminating=terminating,
        ),
        hostname=hostname(service, pod),
        node_name=pod.spec.node_name or None,
        zone=zone,
        target_ref=reference_to(pod),
        hints=_hints(service, pod, zone),
    )


def _hints(service: Service, pod: Pod, zone: str | None) -> EndpointHints | None:
    """`trafficDistribution`: whom this endpoint should serve."""
    match service.spec.traffic_distribution:
        case "PreferSameNode" if pod.spec.node_name:
            zones = (ForZone(name=zone),) if zone else ()
            return EndpointHints(for_nodes=(ForNode(name=pod.spec.node_name),), for_zones=zones)
        case "PreferClose" | "PreferSameZone" if zone:
            return EndpointHints(for_zones=(ForZone(name=zone),))
        case _:
            return None


# --- Slices ---


def _fit(
    service: Service, ports: Ports, members: Mapping[str, Endpoint] | None, slices: Sequence[EndpointSlice]
) -> Iterator[Action]:
    """Keep endpoints where they are, put new ones where there is room, and open or close slices as needed.

    `members` None: no pod has these ports (any more); empty: the one slice that says that there are no pods.
    """
    wanted = members or {}
    placed: set[str] = set()
    contents: list[list[Endpoint]] = []
    for old in slices:
        kept = []
        for endpoint in old.endpoints:
            uid = endpoint.target_ref.uid if endpoint.target_ref is not None else ""
            if uid in wanted and uid not in placed:
                placed.add(uid)
                kept.append(wanted[uid])
        contents.append(kept)
    for uid, endpoint in wanted.items():
        if uid not in placed:
            _room(contents).append(endpoint)
    keep_one = members is not None and not members
    for n, content in enumerate(contents):
        if n < len(slices):
            yield from _rewrite(service, slices[n], content, keep=keep_one and n == 0)
        else:
            yield Create(ENDPOINTSLICE, _new(service, ports, content))
    if keep_one and not contents:
        yield Create(ENDPOINTSLICE, _new(service, ports, ()))


def _room(contents: list[list[Endpoint]]) -> list[Endpoint]:
    for content in contents:
        if len(content) < FULL:
            return content
    contents.append([])
    return contents[-1]


def _rewrite(service: Service, old: EndpointSlice, content: Sequence[Endpoint], *, keep: bool) -> Iterator[Action]:
    if not content and not keep:
        yield Delete(ENDPOINTSLICE, key_of(old), old.metadata.uid)
        return
    meta = replace(old.metadata, labels=_labels(service))
    new = replace(old, endpoints=tuple(content), metadata=meta)
    if new != old:
        yield Replace(ENDPOINTSLICE, new)


def _new(service: Service, ports: Ports, content: Sequence[Endpoint]) -> EndpointSlice:
    meta = ObjectMeta(
        generate_name=f"{service.metadata.name}-",
        namespace=service.metadata.namespace,
        labels=_labels(service),
        owner_references=(reference(SERVICE, service),),
    )
    return EndpointSlice(metadata=meta, address_type="IPv4", endpoints=tuple(content), ports=ports)


def _labels(service: Service) -> dict[str, str]:
    own = {SERVICE_NAME: service.metadata.name, MANAGED_BY: MANAGER}
    if is_headless(service):
        own[HEADLESS] = ""
    return {**{k: v for k, v in service.metadata.labels.items() if k != HEADLESS}, **own}


# --- What wakes it ---


def _in_zone(view: View, node: Node) -> Iterator[Key]:
    return (key_of(service) for service in view.list(SERVICE) if service.spec.selector)


def _zone_changed(old: Node, new: Node) -> bool:
    return old.metadata.labels.get(ZONE) != new.metadata.labels.get(ZONE)


CONTROLLER = Controller(
    "endpointslice",
    SERVICE,
    plan,
    owns=(ENDPOINTSLICE,),
    watches=(Watch(POD, services_of, pod_matters), Watch(NODE, _in_zone, _zone_changed)),
    component="endpoint-slice-controller",
)
