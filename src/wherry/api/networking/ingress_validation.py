"""Validation of Ingresses.

https://kubernetes.io/docs/concepts/services-networking/ingress/
"""

from __future__ import annotations

from wherry.api.checks import Errors, ip, named, numbered, parsed_ip, required_name, unsupported
from wherry.api.core.service_validation import balancer_host
from wherry.api.types.core import TypedLocalObjectReference
from wherry.api.types.networking import (
    HTTPIngressPath,
    Ingress,
    IngressBackend,
    IngressRule,
    IngressServiceBackend,
    IngressSpec,
)
from wherry.machinery.names import (
    dns_label,
    dns_subdomain,
    path_segment,
    port_name,
    port_number,
    wildcard_subdomain,
)
from wherry.machinery.validation import invalid, required

CLASS_ANNOTATION = "kubernetes.io/ingress.class"
PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_BAD_SEQUENCES = ("//", "/./", "/../", "%2f", "%2F")
_BAD_ENDS = ("/..", "/.")


def validate(new: Ingress, old: Ingress | None) -> Errors:
    """Rules or a default backend; hosts, paths and backends that can be."""
    spec = new.spec
    if not spec.rules and spec.default_backend is None:
        yield invalid("spec", spec.rules or None, "either `defaultBackend` or `rules` must be specified")
    if spec.default_backend is not None:
        yield from _backend("spec.defaultBackend", spec.default_backend)
    for index, rule in enumerate(spec.rules):
        yield from _rule(f"spec.rules[{index}]", rule)
    yield from _tls(spec)
    if spec.ingress_class_name is not None:
        yield from named("spec.ingressClassName", spec.ingress_class_name, dns_subdomain)
    annotated = new.metadata.annotations.get(CLASS_ANNOTATION)
    if old is None and annotated is not None and spec.ingress_class_name not in (None, annotated):
        why = "must match `ingressClassName` when both are specified"
        yield invalid(f"annotations.{CLASS_ANNOTATION}", annotated, why)


def _tls(spec: IngressSpec) -> Errors:
    for index, own in enumerate(spec.tls):
        for place, host in enumerate(own.hosts):
            yield from _host(f"spec.tls[{index}].hosts[{place}]", host)
        if own.secret_name:
            yield from named(f"spec.tls[{index}].secretName", own.secret_name, dns_subdomain)


def _host(path: str, host: str) -> Errors:
    yield from named(path, host, wildcard_subdomain if "*" in host else dns_subdomain)


def _rule(path: str, rule: IngressRule) -> Errors:
    if rule.host:
        if parsed_ip(rule.host) is not None:
            yield invalid(f"{path}.host", rule.host, "must be a DNS name, not an IP address")
        yield from _host(f"{path}.host", rule.host)
    if rule.http is None:
        return
    if not rule.http.paths:
        yield required(f"{path}.http.paths")
    for index, own in enumerate(rule.http.paths):
        yield from _path(f"{path}.http.paths[{index}]", own)


def _path(path: str, own: HTTPIngressPath) -> Errors:
    if own.path_type is None:
        yield required(f"{path}.pathType", "pathType must be specified")
        return
    if own.path_type in ("Exact", "Prefix"):
        if not own.path.startswith("/"):
            yield invalid(f"{path}.path", own.path, "must be an absolute path")
        for part in _BAD_SEQUENCES:
            if part in own.path:
                yield invalid(f"{path}.path", own.path, f"must not contain '{part}'")
        for end in _BAD_ENDS:
            if own.path.endswith(end):
                yield invalid(f"{path}.path", own.path, f"cannot end with '{end}'")
    elif own.path_type != "ImplementationSpecific":
        yield unsupported(f"{path}.pathType", own.path_type, PATH_TYPES)
    elif own.path and not own.path.startswith("/"):
        yield invalid(f"{path}.path", own.path, "must be an absolute path")
    yield from _backend(f"{path}.backend", own.backend)


def _backend(path: str, own: IngressBackend) -> Errors:
    if own.resource is not None and own.service is not None:
        yield invalid(path, "", "cannot set both resource and service backends")
    elif own.resource is not None:
        yield from object_reference(f"{path}.resource", own.resource)
    elif own.service is not None:
        yield from _service(path, own.service)
    else:
        yield invalid(path, "", "resource or service backend is required")


def _service(path: str, own: IngressServiceBackend) -> Errors:
    yield from required_name(f"{path}.service.name", own.name, dns_label)
    name, number = own.port.name, own.port.number
    if name and number:
        yield invalid(path, "", "cannot set both port name & port number")
    elif name:
        yield from named(f"{path}.service.port.name", name, port_name)
    elif number:
        yield from numbered(f"{path}.service.port.number", number, port_number)
    else:
        yield required(path, "port name or number is required")


def object_reference(path: str, ref: TypedLocalObjectReference) -> Errors:
    """Kind and name of an object, in a group."""
    if ref.api_group is not None:
        yield from named(f"{path}.apiGroup", ref.api_group, dns_subdomain)
    yield from required_name(f"{path}.kind", ref.kind, path_segment)
    yield from required_name(f"{path}.name", ref.name, path_segment)


def validate_status(new: Ingress, old: Ingress | None) -> Errors:
    """Where it is reached."""
    for index, point in enumerate(new.status.load_balancer.ingress):
        at = f"status.loadBalancer.ingress[{index}]"
        if point.ip:
            yield from ip(f"{at}.ip", point.ip)
        if point.hostname:
            yield from balancer_host(f"{at}.hostname", point.hostname)
