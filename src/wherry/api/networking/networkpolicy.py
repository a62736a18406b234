"""networking.k8s.io/v1 NetworkPolicy: what the API adds to its schema (`wherry.api.types.networking`)."""

from __future__ import annotations

import ipaddress
from typing import TypeVar

from msgspec.structs import replace

from wherry.api.checks import Errors, cidr, numbered, port, selector, unsupported
from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.defaulting import each, fill, within
from wherry.api.types.networking import (
    IPBlock,
    NetworkPolicy,
    NetworkPolicyEgressRule,
    NetworkPolicyIngressRule,
    NetworkPolicyPeer,
    NetworkPolicyPort,
    NetworkPolicySpec,
)
from wherry.machinery.names import port_number
from wherry.machinery.resource import Column
from wherry.machinery.selectors import format_selector
from wherry.machinery.validation import forbidden, invalid, required

COLUMNS: tuple[Column[NetworkPolicy], ...] = (
    Column("Pod-Selector", lambda p, _: format_selector(p.spec.pod_selector)),
    AGE,
)

R = TypeVar("R", NetworkPolicyIngressRule, NetworkPolicyEgressRule)


def _default_port(port: NetworkPolicyPort) -> NetworkPolicyPort:
    return fill(port, protocol="TCP")


def _default_rule(rule: R) -> R:
    return within(rule, ports=each(_default_port))


def _default_spec(spec: NetworkPolicySpec) -> NetworkPolicySpec:
    if not spec.policy_types:
        spec = replace(spec, policy_types=("Ingress", "Egress") if spec.egress else ("Ingress",))
    return within(spec, ingress=each(_default_rule), egress=each(_default_rule))


def default(policy: NetworkPolicy) -> NetworkPolicy:
    """It is about incoming traffic, and about outgoing where it has such rules; ports are TCP."""
    return within(policy, spec=_default_spec)


def validate(new: NetworkPolicy, old: NetworkPolicy | None) -> Errors:
    """Ports and peers that can be told apart."""
    spec = new.spec
    yield from selector("spec.podSelector", spec.pod_selector)
    for index, incoming in enumerate(spec.ingress):
        at = f"spec.ingress[{index}]"
        yield from _ports(f"{at}.ports", incoming.ports)
        yield from _peers(f"{at}.from", incoming.from_)
    for index, outgoing in enumerate(spec.egress):
        at = f"spec.egress[{index}]"
        yield from _ports(f"{at}.ports", outgoing.ports)
        yield from _peers(f"{at}.to", outgoing.to)
    if len(spec.policy_types) > 2:
        yield invalid("spec.policyTypes", spec.policy_types, "may not specify more than two policyTypes")
    for index, kind in enumerate(spec.policy_types):
        if kind not in ("Ingress", "Egress"):
            yield unsupported(f"spec.policyTypes[{index}]", kind, ("Ingress", "Egress"))


def _ports(path: str, ports: tuple[NetworkPolicyPort, ...]) -> Errors:
    for index, own in enumerate(ports):
        at = f"{path}[{index}]"
        if own.protocol not in (None, "TCP", "UDP", "SCTP"):
            yield unsupported(f"{at}.protocol", own.protocol, ("TCP", "UDP", "SCTP"))
        if own.port is not None:
            yield from port(f"{at}.port", own.port)
        if own.end_port is None:
            continue
        if own.port is None:
            yield invalid(f"{at}.endPort", own.end_port, "may not be specified when `port` is not specified")
        elif isinstance(own.port, str):
            yield invalid(f"{at}.endPort", own.end_port, "may not be specified when `port` is non-numeric")
        else:
            if own.end_port < own.port:
                yield invalid(f"{at}.endPort", own.end_port, "must be greater than or equal to `port`")
            yield from numbered(f"{at}.endPort", own.end_port, port_number)


def _peers(path: str, peers: tuple[NetworkPolicyPeer, ...]) -> Errors:
    for index, peer in enumerate(peers):
        at = f"{path}[{index}]"
        yield from selector(f"{at}.podSelector", peer.pod_selector)
        yield from selector(f"{at}.namespaceSelector", peer.namespace_selector)
        if peer.ip_block is not None:
            yield from _block(f"{at}.ipBlock", peer.ip_block)
        selectors = peer.pod_selector is not None or peer.namespace_selector is not None
        if peer.ip_block is None and not selectors:
            yield required(at, "must specify a peer")
        elif peer.ip_block is not None and selectors:
            yield forbidden(at, "may not specify both ipBlock and another peer")


def _block(path: str, block: IPBlock) -> Errors:
    if not block.cidr:
        yield required(f"{path}.cidr")
        return
    yield from cidr(f"{path}.cidr", block.cidr)
    whole = _network(block.cidr)
    for index, text in enumerate(block.except_):
        at = f"{path}.except[{index}]"
        yield from cidr(at, text)
        part = _network(text)
        if whole is None or part is None:
            continue
        inside = part.version == whole.version and part.network_address in whole
        if not inside or whole.prefixlen >= part.prefixlen:
            yield invalid(at, text, "must be a strict subset of `cidr`")


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


NETWORKPOLICY = declare(NetworkPolicy, columns=COLUMNS, default=default, validate=validate)
