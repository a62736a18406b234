"""v1 Service: what the API adds to its schema (`wherry.api.types.core`)."""

from __future__ import annotations

from msgspec.structs import replace

from wherry.api.columns import AGE, balancer_addresses, or_none
from wherry.api.declare import declare
from wherry.api.defaulting import each, fill, within
from wherry.api.types.core import (
    ClientIPConfig,
    LoadBalancerIngress,
    Service,
    ServicePort,
    ServiceSpec,
    SessionAffinityConfig,
)
from wherry.machinery.resource import Column
from wherry.machinery.selectors import format_labels


def _external(service: Service, _: float) -> str:
    spec = service.spec
    if spec.type == "ExternalName":
        return spec.external_name
    own = list(spec.external_ips)
    if spec.type == "LoadBalancer":
        balanced = balancer_addresses(service.status.load_balancer.ingress)
        return ",".join(([balanced] if balanced else []) + own) or "<pending>"
    return ",".join(own) or "<none>"


def _ports(service: Service, _: float) -> str:
    written = (
        f"{p.port}:{p.node_port}/{p.protocol}" if p.node_port else f"{p.port}/{p.protocol}" for p in service.spec.ports
    )
    return or_none(",".join(written))


COLUMNS: tuple[Column[Service], ...] = (
    Column("Type", lambda s, _: s.spec.type),
    Column("Cluster-IP", lambda s, _: next(iter(s.spec.cluster_ips), "<none>")),
    Column("External-IP", _external),
    Column("Port(s)", _ports),
    AGE,
    Column("Selector", lambda s, _: format_labels(s.spec.selector), wide=True),
)

AFFINITY_SECONDS = 10800

FIELDS = {"spec.clusterIP": lambda s: s.spec.cluster_ip, "spec.type": lambda s: s.spec.type}


def _default_port(port: ServicePort) -> ServicePort:
    port = fill(port, protocol="TCP")
    return replace(port, target_port=port.port) if port.target_port in (None, 0, "") else port


def externally_accessible(spec: ServiceSpec) -> bool:
    """Whether traffic from outside the cluster can reach it, so that externalTrafficPolicy means something."""
    return spec.type in ("NodePort", "LoadBalancer") or (spec.type == "ClusterIP" and bool(spec.external_ips))


def _default_affinity(spec: ServiceSpec) -> ServiceSpec:
    spec = fill(spec, session_affinity="None")
    own = spec.session_affinity_config
    if spec.session_affinity == "None":
        return replace(spec, session_affinity_config=None) if own else spec
    if spec.session_affinity == "ClientIP" and not (
        own and own.client_ip and own.client_ip.timeout_seconds is not None
    ):
        config = SessionAffinityConfig(client_ip=ClientIPConfig(timeout_seconds=AFFINITY_SECONDS))
        return replace(spec, session_affinity_config=config)
    return spec


def default(service: Service) -> Service:
    """A ClusterIP service of TCP ports, spread over all endpoints."""
    spec = _default_affinity(fill(service.spec, type="ClusterIP"))
    spec = within(spec, ports=each(_default_port))
    if externally_accessible(spec):
        spec = fill(spec, external_traffic_policy="Cluster")
    if spec.type in ("NodePort", "LoadBalancer", "ClusterIP"):
        spec = fill(spec, internal_traffic_policy="Cluster")
    status = service.status
    if spec.type == "LoadBalancer":
        spec = fill(spec, allocate_load_balancer_node_ports=True)
        status = within(status, load_balancer=lambda s: within(s, ingress=each(_default_ingress)))
    return replace(service, spec=spec, status=status)


def _default_ingress(point: LoadBalancerIngress) -> LoadBalancerIngress:
    return fill(point, ip_mode="VIP") if point.ip else point


SERVICE = declare(Service, columns=COLUMNS, fields=FIELDS, default=default)
