"""networking.k8s.io/v1 Ingress: what the API adds to its schema (`wherry.api.types.networking`)."""

from __future__ import annotations

from collections.abc import Iterator

from wherry.api.columns import AGE, balancer_addresses
from wherry.api.declare import declare
from wherry.api.networking.ingress_validation import CLASS_ANNOTATION, validate, validate_status
from wherry.api.types.networking import Ingress
from wherry.machinery.resource import Column


def _hosts(ingress: Ingress, _: float) -> str:
    rules = ingress.spec.rules
    hosts = [rule.host for rule in rules if rule.host]
    if not hosts:
        return "*"
    shown = ",".join(hosts[:3])
    # upstream counts rules, not hosts, once three hosts are shown
    return f"{shown} + {len(rules) - 3} more..." if len(hosts) >= 3 and len(rules) > 3 else shown


COLUMNS: tuple[Column[Ingress], ...] = (
    Column("Class", lambda i, _: "<none>" if i.spec.ingress_class_name is None else i.spec.ingress_class_name),
    Column("Hosts", _hosts),
    Column("Address", lambda i, _: balancer_addresses(i.status.load_balancer.ingress)),
    Column("Ports", lambda i, _: "80, 443" if i.spec.tls else "80"),
    AGE,
)


def warn(new: Ingress, old: Ingress | None) -> Iterator[str]:
    """The annotation that ingressClassName has replaced."""
    if old is None and CLASS_ANNOTATION in new.metadata.annotations:
        yield f"annotation \"{CLASS_ANNOTATION}\" is deprecated, please use 'spec.ingressClassName' instead"


INGRESS = declare(Ingress, columns=COLUMNS, validate=validate, validate_status=validate_status, warn=warn)
