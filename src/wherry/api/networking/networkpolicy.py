"""networking.k8s.io/v1 NetworkPolicy: what the API adds to its schema (`wherry.api.types.networking`)."""

from __future__ import annotations

from typing import TypeVar

from msgspec.structs import replace

from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.defaulting import each, fill, within
from wherry.api.types.networking import (
    NetworkPolicy,
    NetworkPolicyEgressRule,
    NetworkPolicyIngressRule,
    NetworkPolicyPort,
    NetworkPolicySpec,
)
from wherry.machinery.resource import Column
from wherry.machinery.selectors import format_selector

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


NETWORKPOLICY = declare(NetworkPolicy, columns=COLUMNS, default=default)
