"""Services, slices and endpoints for tests, in few words."""

from __future__ import annotations

from typing import Any

from wherry.api.types.core import ObjectReference, Service, ServicePort, ServiceSpec
from wherry.api.types.discovery import Endpoint, EndpointConditions, EndpointHints, EndpointPort, EndpointSlice, ForZone
from wherry.machinery.meta import ObjectMeta

VIP = "10.96.0.50"


def service(name: str = "web", ip: str = VIP, node_port: int = 0, **spec: Any) -> Service:
    ports = spec.pop("ports", (ServicePort(name="http", port=80, protocol="TCP", node_port=node_port),))
    return Service(
        metadata=ObjectMeta(name=name, namespace="d", labels=spec.pop("labels", {})),
        status=spec.pop("status", Service().status),
        spec=ServiceSpec(cluster_ip=ip, cluster_ips=(ip,) if ip else (), ports=ports, **spec),
    )


def endpoint(ip: str, node: str = "n1", zone: str = "", **more: Any) -> Endpoint:
    conditions = EndpointConditions(
        ready=more.pop("ready", None), serving=more.pop("serving", None), terminating=more.pop("terminating", None)
    )
    return Endpoint(
        addresses=(ip,),
        node_name=node,
        conditions=conditions,
        hints=EndpointHints(for_zones=(ForZone(name=zone),)) if zone else None,
        target_ref=ObjectReference(kind="Pod", namespace="d", uid=f"uid-{ip}"),
        **more,
    )


def slice_of(
    *endpoints: Endpoint, name: str = "web", port: int = 8080, labels: dict[str, str] | None = None
) -> EndpointSlice:
    return EndpointSlice(
        metadata=ObjectMeta(
            name=f"{name}-1", namespace="d", labels={"kubernetes.io/service-name": name, **(labels or {})}
        ),
        address_type="IPv4",
        endpoints=endpoints,
        ports=(EndpointPort(name="http", port=port, protocol="TCP"),),
    )
