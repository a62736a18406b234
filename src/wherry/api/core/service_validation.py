"""Validation of Services.

https://kubernetes.io/docs/concepts/services-networking/service/
Whether an address or node port is free and in range is the API server's business; here it is whether it makes sense.
"""

from __future__ import annotations

import ipaddress

from wherry.api.checks import (
    Errors,
    cidr,
    ip,
    label_map,
    named,
    numbered,
    one_of,
    parsed_ip,
    port,
    required_name,
    unsupported,
)
from wherry.api.types.core import LoadBalancerStatus, Service, ServicePort, ServiceSpec
from wherry.machinery.names import dns_label, dns_subdomain, port_number, qualified_name
from wherry.machinery.validation import duplicate, forbidden, invalid, required

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
PROTOCOLS = ("SCTP", "TCP", "UDP")
FAMILIES = ("IPv4", "IPv6")
FAMILY_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")
MAX_AFFINITY_SECONDS = 86400
_ONLY_BALANCED = "may only be used when `type` is 'LoadBalancer'"
_SET_ONCE = "may not change once set"


def is_headless(spec: ServiceSpec) -> bool:
    """Whether it has no address of its own: DNS names its endpoints."""
    return spec.cluster_ips == ("None",) or (not spec.cluster_ips and spec.cluster_ip == "None")


def externally_accessible(spec: ServiceSpec) -> bool:
    """Whether traffic from outside the cluster can reach it, so that externalTrafficPolicy means something."""
    return spec.type in ("NodePort", "LoadBalancer") or (spec.type == "ClusterIP" and bool(spec.external_ips))


def needs_health_check(spec: ServiceSpec) -> bool:
    """Whether load balancers ask each node if it has an endpoint."""
    return spec.type == "LoadBalancer" and spec.external_traffic_policy == "Local"


def validate(new: Service, old: Service | None) -> Errors:
    """A new Service, or what may change in one."""
    if old is not None:
        yield from _address_update(new.spec, old.spec)
        yield from _family_update(new.spec, old.spec)
        balanced = old.spec.type == new.spec.type == "LoadBalancer"
        if balanced and old.spec.load_balancer_class != new.spec.load_balancer_class:
            yield invalid("spec.loadBalancerClass", new.spec.load_balancer_class, _SET_ONCE)
        both = needs_health_check(old.spec) and needs_health_check(new.spec)
        if both and old.spec.health_check_node_port != new.spec.health_check_node_port:
            yield forbidden("spec.healthCheckNodePort", "field is immutable")
    spec = new.spec
    yield from _type(spec)
    yield from _ports(spec)
    yield from label_map("spec.selector", spec.selector)
    yield from _affinity(spec)
    if spec.type != "ExternalName":
        yield from _addresses(spec)
    for index, address in enumerate(spec.external_ips):
        yield from usable_ip(f"spec.externalIPs[{index}]", address)
    yield from _balancer(spec)
    yield from _traffic(spec)


def usable_ip(path: str, address: str) -> Errors:
    """An address that another machine can be reached at."""
    yield from ip(path, address)
    found = parsed_ip(address)
    if found is None:
        return
    if found.is_unspecified:
        yield invalid(path, address, f"may not be unspecified ({address})")
    if found.is_loopback:
        yield invalid(path, address, "may not be in the loopback range (127.0.0.0/8, ::1/128)")
    if found.is_link_local:
        yield invalid(path, address, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    if found in ipaddress.ip_network("224.0.0.0/24") or found in ipaddress.ip_network("ff02::/16"):
        yield invalid(path, address, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")


# --- Type and ports ---


def _type(spec: ServiceSpec) -> Errors:
    yield from one_of("spec.type", spec.type, TYPES)
    if not spec.ports and not is_headless(spec) and spec.type != "ExternalName":
        yield required("spec.ports")
    if spec.type in ("LoadBalancer", "NodePort") and is_headless(spec):
        yield invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {spec.type} services")
    if spec.type == "ExternalName":
        why = "may not be set for ExternalName services"
        if spec.cluster_ips:
            yield forbidden("spec.clusterIPs", why)
        if spec.ip_families:
            yield forbidden("spec.ipFamilies", why)
        if spec.ip_family_policy is not None:
            yield forbidden("spec.ipFamilyPolicy", why)
        yield from required_name("spec.externalName", spec.external_name.removesuffix("."), dns_subdomain)


def _ports(spec: ServiceSpec) -> Errors:
    names: set[str] = set()
    node_ports: set[tuple[str, int]] = set()
    pairs: set[tuple[str, int]] = set()
    for index, own in enumerate(spec.ports):
        at = f"spec.ports[{index}]"
        yield from _port(at, own, names, need_name=len(spec.ports) > 1)
        if own.node_port:
            if spec.type == "ClusterIP":
                yield forbidden(f"{at}.nodePort", "may not be used when `type` is 'ClusterIP'")
            if (own.protocol, own.node_port) in node_ports:
                yield duplicate(f"{at}.nodePort", own.node_port)
            node_ports.add((own.protocol, own.node_port))
        if (own.protocol, own.port) in pairs:
            yield duplicate(at, ServicePort(protocol=own.protocol, port=own.port))
        pairs.add((own.protocol, own.port))


def _port(path: str, own: ServicePort, names: set[str], *, need_name: bool) -> Errors:
    if own.name:
        yield from named(f"{path}.name", own.name, dns_label)
        if own.name in names:
            yield duplicate(f"{path}.name", own.name)
        names.add(own.name)
    elif need_name:
        yield required(f"{path}.name")
    yield from numbered(f"{path}.port", own.port, port_number)
    yield from one_of(f"{path}.protocol", own.protocol, PROTOCOLS)
    yield from port(f"{path}.targetPort", own.target_port)
    if own.app_protocol is not None:
        yield from named(f"{path}.appProtocol", own.app_protocol, qualified_name)


def _affinity(spec: ServiceSpec) -> Errors:
    yield from one_of("spec.sessionAffinity", spec.session_affinity, ("ClientIP", "None"))
    config, at = spec.session_affinity_config, "spec.sessionAffinityConfig"
    if spec.session_affinity == "None" and config is not None:
        yield forbidden(at, "must not be set when session affinity is None")
    if spec.session_affinity != "ClientIP":
        return
    lasting = config.client_ip.timeout_seconds if config and config.client_ip else None
    if lasting is None:
        yield required(at, "when session affinity type is ClientIP")
    elif not 0 < lasting <= MAX_AFFINITY_SECONDS:
        why = f"must be greater than 0 and less than {MAX_AFFINITY_SECONDS}"
        yield invalid(f"{at}.clientIP.timeoutSeconds", lasting, why)


# --- Addresses ---


def _addresses(spec: ServiceSpec) -> Errors:
    at = "spec.clusterIPs"
    if spec.cluster_ip and not spec.cluster_ips:
        yield required(at)
    elif spec.cluster_ip and spec.cluster_ips[0] != spec.cluster_ip:
        yield invalid(at, spec.cluster_ips, "first value must match `clusterIP`")
    elif not spec.cluster_ip and spec.cluster_ips:
        yield invalid(at, spec.cluster_ips, "must be empty when `clusterIP` is not specified")
    yield from _families(spec)
    bad = list(_each_address(at, spec.cluster_ips))
    yield from bad
    if len(spec.cluster_ips) > 2:
        yield invalid(at, spec.cluster_ips, "may only hold up to 2 values")
    if bad or is_headless(spec):
        return
    versions = [found.version for text in spec.cluster_ips if (found := parsed_ip(text)) is not None]
    if len(set(versions)) < len(versions):
        yield invalid(at, spec.cluster_ips, "may specify no more than one IP for each IP family")
    for index, (family, version) in enumerate(zip(spec.ip_families, versions, strict=False)):
        if family in FAMILIES and family != f"IPv{version}":
            why = f"expected an {family} value as indicated by `ipFamilies[{index}]`"
            yield invalid(f"{at}[{index}]", spec.cluster_ips[index], why)


def _each_address(path: str, addresses: tuple[str, ...]) -> Errors:
    for index, address in enumerate(addresses):
        if index == 0 and address == "None":
            if len(addresses) > 1:
                yield invalid(path, addresses, "'None' must be the first and only value")
        else:
            yield from ip(f"{path}[{index}]", address)


def _families(spec: ServiceSpec) -> Errors:
    seen: set[str] = set()
    for index, family in enumerate(spec.ip_families):
        if family not in FAMILIES:
            yield unsupported(f"spec.ipFamilies[{index}]", family, FAMILIES)
        if family in seen:
            yield duplicate(f"spec.ipFamilies[{index}]", family)
        seen.add(family)
    yield from one_of("spec.ipFamilyPolicy", spec.ip_family_policy, FAMILY_POLICIES)


def _address_update(new: ServiceSpec, old: ServiceSpec) -> Errors:
    mine, theirs = new.cluster_ips, old.cluster_ips
    if "ExternalName" in (new.type, old.type) or (is_headless(new) and is_headless(old)):
        return
    if theirs and not mine:
        yield invalid("spec.clusterIPs[0]", mine, "primary clusterIP can not be unset")
    for index, (one, other) in enumerate(zip(mine, theirs, strict=False)):
        if one != other:
            yield invalid(f"spec.clusterIPs[{index}]", mine, _SET_ONCE)
    if len(theirs) > len(mine) == 1 and new.ip_family_policy != "SingleStack":
        why = "must be set to 'SingleStack' when releasing the secondary clusterIP"
        yield invalid("spec.ipFamilyPolicy", new.ip_family_policy, why)


def _family_update(new: ServiceSpec, old: ServiceSpec) -> Errors:
    if "ExternalName" in (new.type, old.type) or is_headless(new) or is_headless(old):
        return
    mine, theirs = new.ip_families, old.ip_families
    if theirs and not mine:
        yield invalid("spec.ipFamilies[0]", mine, "primary ipFamily can not be unset")
    for one, other in zip(mine, theirs, strict=False):
        if one != other:
            yield invalid("spec.ipFamilies[0]", mine, _SET_ONCE)
    if len(theirs) > len(mine) == 1 and new.ip_family_policy != "SingleStack":
        why = "must be set to 'SingleStack' when releasing the secondary ipFamily"
        yield invalid("spec.ipFamilyPolicy", new.ip_family_policy, why)


# --- Load balancers and traffic ---


def _balancer(spec: ServiceSpec) -> Errors:
    balanced = spec.type == "LoadBalancer"
    if spec.load_balancer_source_ranges and not balanced:
        yield forbidden("spec.LoadBalancerSourceRanges", _ONLY_BALANCED)
    for index, network in enumerate(spec.load_balancer_source_ranges):
        yield from cidr(f"spec.LoadBalancerSourceRanges[{index}]", network.strip())
    if spec.allocate_load_balancer_node_ports is not None and not balanced:
        yield forbidden("spec.allocateLoadBalancerNodePorts", _ONLY_BALANCED)
    if spec.allocate_load_balancer_node_ports is None and balanced:
        yield required("allocateLoadBalancerNodePorts")
    if spec.load_balancer_class is not None and not balanced:
        yield forbidden("spec.loadBalancerClass", _ONLY_BALANCED)
    elif spec.load_balancer_class is not None:
        yield from named("spec.loadBalancerClass", spec.load_balancer_class, qualified_name)


def _traffic(spec: ServiceSpec) -> Errors:
    outer, at = spec.external_traffic_policy, "spec.externalTrafficPolicy"
    if externally_accessible(spec):
        yield from one_of(at, outer, ("Cluster", "Local"))
    elif outer:
        yield invalid(at, outer, "may only be set for externally-accessible services")
    check, check_at = spec.health_check_node_port, "spec.healthCheckNodePort"
    if needs_health_check(spec):
        if check:
            yield from numbered(check_at, check, port_number)
        else:
            yield required(check_at)
    elif check:
        why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        yield invalid(check_at, check, why)
    inner = spec.internal_traffic_policy
    if inner is None and spec.type in ("NodePort", "LoadBalancer", "ClusterIP"):
        yield required("spec.internalTrafficPolicy")
    yield from one_of("spec.internalTrafficPolicy", inner, ("Cluster", "Local"))
    if spec.traffic_distribution is not None and spec.traffic_distribution not in DISTRIBUTIONS:
        yield unsupported("spec.trafficDistribution", spec.traffic_distribution, DISTRIBUTIONS)


def balancer_status(path: str, own: LoadBalancerStatus, spec: ServiceSpec) -> Errors:
    """Where the load balancer is reached."""
    if spec.type != "LoadBalancer" and own.ingress:
        yield forbidden(f"{path}.ingress", "may only be used when `spec.type` is 'LoadBalancer'")
        return
    for index, point in enumerate(own.ingress):
        at = f"{path}.ingress[{index}]"
        if point.ip:
            yield from ip(f"{at}.ip", point.ip)
        if point.ip and point.ip_mode is None:
            yield required(f"{at}.ipMode", "must be specified when `ip` is set")
        elif point.ip_mode is not None and not point.ip:
            yield forbidden(f"{at}.ipMode", "may not be specified when `ip` is not set")
        elif point.ip_mode not in (None, "Proxy", "VIP"):
            yield unsupported(f"{at}.ipMode", point.ip_mode, ("Proxy", "VIP"))
        if point.hostname:
            yield from balancer_host(f"{at}.hostname", point.hostname)


def balancer_host(path: str, name: str) -> Errors:
    """A DNS name, no address."""
    yield from named(path, name, dns_subdomain)
    if parsed_ip(name) is not None:
        yield invalid(path, name, "must be a DNS name, not an IP address")
