"""v1 Service: what the API adds to its schema (`wherry.api.types.core`)."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from wherry.api.checks import Errors
from wherry.api.columns import AGE, balancer_addresses, or_none
from wherry.api.core.service_validation import balancer_status, externally_accessible, needs_health_check, validate
from wherry.api.declare import declare
from wherry.api.defaulting import each, fill, within
from wherry.api.types.core import (
    ClientIPConfig,
    LoadBalancerIngress,
    LoadBalancerStatus,
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
    """A ClusterIP service of TCP ports, spread over all endpoints; clusterIP is the first of clusterIPs."""
    spec = _default_affinity(fill(service.spec, type="ClusterIP"))
    if spec.cluster_ip and not spec.cluster_ips:
        spec = replace(spec, cluster_ips=(spec.cluster_ip,))
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


def prepare(new: Service, old: Service | None) -> Service:
    """What the old type needed goes with it, unless the client says otherwise in the same breath."""
    if old is None or old.spec.type == new.spec.type:
        return new if old is None else replace(new, spec=_without_health_check(new.spec, old.spec))
    spec, before = new.spec, old.spec
    if spec.type == "ExternalName" and (spec.cluster_ip, spec.cluster_ips) == (before.cluster_ip, before.cluster_ips):
        spec = replace(spec, cluster_ip="", cluster_ips=(), ip_families=(), ip_family_policy=None)
    if spec.type in ("ClusterIP", "ExternalName") and _node_ports(spec) <= _node_ports(before):
        spec = replace(spec, ports=tuple(replace(port, node_port=0) for port in spec.ports))
    if spec.type != "LoadBalancer":
        spec = _without_balancer(spec, before)
    if not externally_accessible(spec) and spec.external_traffic_policy == before.external_traffic_policy:
        spec = replace(spec, external_traffic_policy="")
    if spec.type == "ExternalName" and spec.internal_traffic_policy == before.internal_traffic_policy:
        spec = replace(spec, internal_traffic_policy=None)
    status = new.status if spec.type == "LoadBalancer" else replace(new.status, load_balancer=LoadBalancerStatus())
    return replace(new, spec=_without_health_check(spec, before), status=status)


def _node_ports(spec: ServiceSpec) -> set[int]:
    return {port.node_port for port in spec.ports} - {0}


def _without_balancer(spec: ServiceSpec, before: ServiceSpec) -> ServiceSpec:
    if spec.allocate_load_balancer_node_ports == before.allocate_load_balancer_node_ports:
        spec = replace(spec, allocate_load_balancer_node_ports=None)
    if spec.load_balancer_class == before.load_balancer_class:
        spec = replace(spec, load_balancer_class=None)
    return spec


def _without_health_check(spec: ServiceSpec, before: ServiceSpec) -> ServiceSpec:
    kept = needs_health_check(spec) or spec.health_check_node_port != before.health_check_node_port
    return spec if kept else replace(spec, health_check_node_port=0)


def validate_status(new: Service, old: Service | None) -> Errors:
    """Where the load balancer is reached."""
    return balancer_status("status.loadBalancer", new.status.load_balancer, new.spec)


def warn(new: Service, old: Service | None) -> Iterator[str]:
    """What is accepted but ignored."""
    spec = new.spec
    if old is not None and old.spec == spec:
        return
    headless = spec.type == "ClusterIP" and spec.cluster_ip == "None"
    if headless:
        if spec.load_balancer_ip:
            yield "spec.loadBalancerIP is ignored for headless services"
        if spec.external_ips:
            yield "spec.externalIPs is ignored for headless services"
        if spec.session_affinity != "None":
            yield "spec.SessionAffinity is ignored for headless services"
    if spec.external_ips and spec.type == "ExternalName":
        yield 'spec.externalIPs is ignored when spec.type is "ExternalName"'
    elif spec.external_ips and not headless:
        yield "spec.externalIPs is deprecated and may no longer be implemented in some clusters"
    if spec.external_name and spec.type != "ExternalName":
        yield 'spec.externalName is ignored when spec.type is not "ExternalName"'
    if spec.traffic_distribution == "PreferClose":
        yield 'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"'


SERVICE = declare(
    Service,
    columns=COLUMNS,
    fields=FIELDS,
    default=default,
    prepare=prepare,
    validate=validate,
    validate_status=validate_status,
    warn=warn,
)
