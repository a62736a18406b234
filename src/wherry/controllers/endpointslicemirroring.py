"""EndpointSlice mirroring: Endpoints that people write by hand, for Services without selector, as EndpointSlices.

Wakes on: Endpoints; Service of the same name; EndpointSlice (through its owner, the Endpoints).
Writes:   EndpointSlice (create, replace, delete).
Upstream: https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#endpointslice-mirroring

One slice per subset; at most 1000 addresses of each are mirrored. Endpoints with the label
`endpointslice.kubernetes.io/skip-mirror: true` or a leader election annotation are left alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from wherry.api.core.endpoints import ENDPOINTS
from wherry.api.core.service import SERVICE
from wherry.api.discovery.endpointslice import ENDPOINTSLICE
from wherry.api.types.core import EndpointAddress, Endpoints, EndpointSubset, Service
from wherry.api.types.discovery import Endpoint, EndpointConditions, EndpointPort, EndpointSlice
from wherry.machinery.meta import Key, ObjectMeta, key_of
from wherry.reconcile.actions import Action, Create, Delete, Replace
from wherry.reconcile.controller import Controller, Watch
from wherry.reconcile.ownership import reference
from wherry.reconcile.view import View

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY, MANAGER = "endpointslice.kubernetes.io/managed-by", "endpointslicemirroring-controller.k8s.io"
SKIP, LEADER = "endpointslice.kubernetes.io/skip-mirror", "control-plane.alpha.kubernetes.io/leader"
FULL = 1000


def plan(view: View, key: Key) -> Iterator[Action]:
    """One run for one Endpoints."""
    endpoints, service = view.get(ENDPOINTS, key), view.get(SERVICE, key)
    if endpoints is None:
        return  # its slices are garbage now
    mine = [s for s in view.owned(ENDPOINTSLICE, endpoints) if s.metadata.labels.get(MANAGED_BY) == MANAGER]
    wanted = list(_slices(endpoints)) if _is_mirrored(endpoints, service) else []
    for old, new in zip(mine, wanted, strict=False):
        kept = replace(new, metadata=replace(old.metadata, labels=new.metadata.labels))
        if (kept.address_type, kept.endpoints, kept.ports, kept.metadata.labels) != (
            old.address_type, old.endpoints, old.ports, old.metadata.labels,
        ):  # fmt: skip
            yield Replace(ENDPOINTSLICE, kept)
    yield from (Create(ENDPOINTSLICE, new) for new in wanted[len(mine) :])
    yield from (Delete(ENDPOINTSLICE, key_of(old), old.metadata.uid) for old in mine[len(wanted) :])


def _is_mirrored(endpoints: Endpoints, service: Service | None) -> bool:
    meta = endpoints.metadata
    if service is None or service.spec.selector or meta.deletion_timestamp is not None:
        return False
    return meta.labels.get(SKIP) != "true" and LEADER not in meta.annotations


def _slices(endpoints: Endpoints) -> Iterator[EndpointSlice]:
    meta = ObjectMeta(
        generate_name=f"{endpoints.metadata.name}-",
        namespace=endpoints.metadata.namespace,
        labels={**endpoints.metadata.labels, SERVICE_NAME: endpoints.metadata.name, MANAGED_BY: MANAGER},
        owner_references=(reference(ENDPOINTS, endpoints),),
    )
    for subset in endpoints.subsets:
        ports = tuple(
            EndpointPort(name=p.name, port=p.port, protocol=p.protocol or "TCP", app_protocol=p.app_protocol)
            for p in subset.ports
        )
        for family in ("IPv4", "IPv6"):
            found = tuple(_endpoints(subset, family))[:FULL]
            if found:
                yield EndpointSlice(metadata=meta, address_type=family, endpoints=found, ports=ports)


def _endpoints(subset: EndpointSubset, family: str) -> Iterator[Endpoint]:
    for ready, addresses in ((True, subset.addresses), (False, subset.not_ready_addresses)):
        for address in addresses:
            if (":" in address.ip) == (family == "IPv6"):
                yield _endpoint(address, ready=ready)


def _endpoint(address: EndpointAddress, *, ready: bool) -> Endpoint:
    return Endpoint(
        addresses=(address.ip,),
        conditions=EndpointConditions(ready=ready, serving=ready, terminating=False),
        hostname=address.hostname or None,
        node_name=address.node_name,
        target_ref=address.target_ref,
    )


def _same_name(view: View, service: Service) -> Iterator[Key]:
    yield key_of(service)


CONTROLLER = Controller(
    "endpointslicemirroring",
    ENDPOINTS,
    plan,
    owns=(ENDPOINTSLICE,),
    watches=(Watch(SERVICE, _same_name),),
    component="endpoint-slice-mirroring-controller",
)
