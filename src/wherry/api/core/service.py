"""v1 Service: what the API adds to its schema (`wherry.api.types.core`)."""

from __future__ import annotations

from wherry.api.columns import AGE, balancer_addresses, or_none
from wherry.api.declare import declare
from wherry.api.types.core import Service
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

FIELDS = {"spec.clusterIP": lambda s: s.spec.cluster_ip, "spec.type": lambda s: s.spec.type}

SERVICE = declare(Service, columns=COLUMNS, fields=FIELDS)
