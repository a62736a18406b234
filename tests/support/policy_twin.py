"""Network policies by the specification's words alone: a naive twin of the packet rules, and policies to try it on.

`may` answers for one new connection. Nothing here is taken from the code under test but the API's objects.
https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from wherry.api.types.networking import (
    IPBlock,
    NetworkPolicy,
    NetworkPolicyEgressRule,
    NetworkPolicyIngressRule,
    NetworkPolicyPeer,
    NetworkPolicyPort,
    NetworkPolicySpec,
)
from wherry.machinery.meta import LabelSelector, LabelSelectorRequirement, ObjectMeta

Labels = Mapping[str, str]


@dataclass(frozen=True)
class End:
    """One end of a connection. `namespace` "" is no pod: a node (`address` its own) or somebody outside."""

    address: str
    node: str = ""
    namespace: str = ""
    labels: Labels = field(default_factory=dict)
    named: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """(protocol, name) -> port."""

    @property
    def is_pod(self) -> bool:
        """Whether policies can select it."""
        return bool(self.namespace)


@dataclass(frozen=True)
class Twin:
    """What the API holds."""

    policies: Sequence[NetworkPolicy]
    namespaces: Mapping[str, Labels]

    def may(self, source: End, target: End, protocol: str, port: int) -> bool:
        """Whether a new connection goes through."""
        if source.address == target.address:
            return True
        return self._sends(source, target, protocol, port) and self._receives(source, target, protocol, port)

    def _sends(self, source: End, target: End, protocol: str, port: int) -> bool:
        if not source.is_pod:
            return True
        about = [p for p in self.policies if self._selects(p, source) and "Egress" in _types(p)]
        if not about:
            return True
        rules = [(p, rule.to, rule.ports) for p in about for rule in p.spec.egress]
        return any(self._peers(p, peers, target) and _port(ports, target, protocol, port) for p, peers, ports in rules)

    def _receives(self, source: End, target: End, protocol: str, port: int) -> bool:
        if not target.is_pod or (not source.is_pod and source.node == target.node):
            return True  # "or if the traffic source is the pod's local node"
        about = [p for p in self.policies if self._selects(p, target) and "Ingress" in _types(p)]
        if not about:
            return True
        rules = [(p, rule.from_, rule.ports) for p in about for rule in p.spec.ingress]
        return any(self._peers(p, peers, source) and _port(ports, target, protocol, port) for p, peers, ports in rules)

    def _selects(self, policy: NetworkPolicy, pod: End) -> bool:
        return policy.metadata.namespace == pod.namespace and _fits(policy.spec.pod_selector, pod.labels)

    def _peers(self, policy: NetworkPolicy, peers: Sequence[NetworkPolicyPeer], other: End) -> bool:
        return not peers or any(self._peer(policy, peer, other) for peer in peers)

    def _peer(self, policy: NetworkPolicy, peer: NetworkPolicyPeer, other: End) -> bool:
        if peer.ip_block is not None:
            address = IPv4Address(other.address)
            inside = address in IPv4Network(peer.ip_block.cidr, strict=False)
            return inside and not any(address in IPv4Network(part) for part in peer.ip_block.except_)
        if not other.is_pod:
            return False
        if peer.namespace_selector is None:
            there = other.namespace == policy.metadata.namespace
        else:
            labels = self.namespaces.get(other.namespace)
            there = labels is not None and _fits(peer.namespace_selector, labels)
        return there and (peer.pod_selector is None or _fits(peer.pod_selector, other.labels))


def _types(policy: NetworkPolicy) -> Sequence[str]:
    if policy.spec.policy_types:
        return policy.spec.policy_types
    return ("Ingress", "Egress") if policy.spec.egress else ("Ingress",)


def _fits(selector: LabelSelector, labels: Labels) -> bool:
    for key, value in selector.match_labels.items():
        if labels.get(key) != value:
            return False
    for wanted in selector.match_expressions:
        if wanted.operator == "In" and labels.get(wanted.key) not in wanted.values:
            return False
        if wanted.operator == "NotIn" and labels.get(wanted.key) in wanted.values:
            return False
        if wanted.operator == "Exists" and wanted.key not in labels:
            return False
        if wanted.operator == "DoesNotExist" and wanted.key in labels:
            return False
    return True


def _port(ports: Sequence[NetworkPolicyPort], target: End, protocol: str, port: int) -> bool:
    if not ports:
        return True
    for wanted in ports:
        if (wanted.protocol or "TCP") != protocol:
            continue
        if wanted.port is None:
            return True
        if isinstance(wanted.port, str):
            if target.named.get((protocol, wanted.port)) == port:
                return True
        elif wanted.port <= port <= (wanted.end_port or wanted.port):
            return True
    return False


# --- policies to try


@dataclass
class Maker:
    """Draws policies from everything a policy can say, over these namespaces and blocks."""

    dice: random.Random
    namespaces: Sequence[str]
    blocks: Sequence[tuple[str, Sequence[str]]]
    """Networks, each with parts that may be taken out."""
    ports: Sequence[int | str]
    protocols: Sequence[str] = ("TCP", "UDP", "SCTP")
    values: Sequence[str] = ("a", "b", "c")

    def policy(self, name: str) -> NetworkPolicy:
        """One policy."""
        dice = self.dice
        types = dice.choice(((), ("Ingress",), ("Egress",), ("Ingress", "Egress")))
        ingress = tuple(
            NetworkPolicyIngressRule(from_=self.peers(), ports=self.some_ports()) for _ in range(dice.choice((0, 1, 2)))
        )
        egress = tuple(
            NetworkPolicyEgressRule(to=self.peers(), ports=self.some_ports()) for _ in range(dice.choice((0, 0, 1, 2)))
        )
        spec = NetworkPolicySpec(pod_selector=self.selector("pod"), policy_types=types, ingress=ingress, egress=egress)
        return NetworkPolicy(metadata=ObjectMeta(name=name, namespace=dice.choice(self.namespaces)), spec=spec)

    def selector(self, key: str) -> LabelSelector:
        """Everything, a value, or an expression."""
        value = self.dice.choice(self.values)
        expressions = {
            "In": tuple(self.dice.sample(self.values, 2)), "NotIn": (value,), "Exists": (), "DoesNotExist": (),
        }  # fmt: skip
        kind = self.dice.choice(("all", "label", "label", *expressions))
        if kind == "all":
            return LabelSelector()
        if kind == "label":
            return LabelSelector(match_labels={key: value})
        requirement = LabelSelectorRequirement(key=key, operator=kind, values=expressions[kind])
        return LabelSelector(match_expressions=(requirement,))

    def peers(self) -> tuple[NetworkPolicyPeer, ...]:
        """None to two."""
        return tuple(self.peer() for _ in range(self.dice.choice((0, 1, 1, 2))))

    def peer(self) -> NetworkPolicyPeer:
        """By pod, namespace, both, or address."""
        kind = self.dice.choice(("pod", "namespace", "both", "block"))
        if kind == "block":
            network, parts = self.dice.choice(self.blocks)
            without = tuple(part for part in parts if self.dice.random() < 0.5)
            return NetworkPolicyPeer(ip_block=IPBlock(cidr=network, except_=without))
        return NetworkPolicyPeer(
            pod_selector=self.selector("pod") if kind != "namespace" else None,
            namespace_selector=self.selector("team") if kind != "pod" else None,
        )

    def some_ports(self) -> tuple[NetworkPolicyPort, ...]:
        """None to two: numbers, ranges, names, whole protocols."""
        return tuple(self.port() for _ in range(self.dice.choice((0, 0, 1, 2))))

    def port(self) -> NetworkPolicyPort:
        """One."""
        protocol = self.dice.choice((None, *self.protocols))
        port = self.dice.choice((None, *self.ports))
        end = port + self.dice.choice((0, 1, 10)) if isinstance(port, int) and self.dice.random() < 0.3 else None
        return NetworkPolicyPort(protocol=protocol, port=port, end_port=end)
