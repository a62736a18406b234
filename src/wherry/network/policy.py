"""NetworkPolicy: what may reach a pod and what it may reach, decided from policies, pods and namespaces. Pure.

`verdicts(local pod)` gives for each direction None (not isolated: everything may) or the peers and ports that may; a
pod selected by several policies may what any of them allows. Selectors select pods by their present addresses; pods on
the host's network have none of their own and are never selected. Cluster DNS counts as a pod `k8s-app=kube-dns` of
kube-system, since policies that allow DNS name it so.

https://kubernetes.io/docs/concepts/services-networking/network-policies/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv4Network, NetmaskValueError
from typing import NamedTuple

from wherry.api.core.pod_state import is_terminal
from wherry.api.types.core import Namespace, Pod
from wherry.api.types.networking import IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort
from wherry.machinery.selectors import matches
from wherry.network.services import address, port_number

Peers = tuple[NetworkPolicyPeer, ...]
_PROTOCOLS = {"TCP": "tcp", "UDP": "udp", "SCTP": "sctp"}
_DNS_LABELS = {"k8s-app": "kube-dns"}


class Ports(NamedTuple):
    """A range of ports of one protocol."""

    protocol: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Allow:
    """One permission: `networks` less `without` (None: every address), on `ports` (None: every port and protocol)."""

    networks: tuple[str, ...] | None
    without: tuple[str, ...] = ()
    ports: tuple[Ports, ...] | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A pod as policies see it."""

    namespace: str
    labels: Mapping[str, str]
    address: str
    named: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """(protocol, port name) -> number."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What one pod may: from whom (`ingress`), to whom (`egress`); None is not isolated."""

    ingress: tuple[Allow, ...] | None = None
    egress: tuple[Allow, ...] | None = None


def member(pod: Pod, ip: str = "") -> Member | None:
    """The pod as policies see it; `ip` stands in until its status has one. None when it has no address of its own."""
    own = address(ip or pod.status.pod_ip)
    if not own or pod.spec.host_network or is_terminal(pod):
        return None
    named = {
        (_PROTOCOLS.get(port.protocol or "TCP", ""), port.name): port.container_port
        for container in (*pod.spec.containers, *pod.spec.init_containers)
        for port in container.ports
        if port.name
    }
    return Member(pod.metadata.namespace, pod.metadata.labels, own, named)


def dns_member(ip: str) -> Member:
    """Cluster DNS, which no pod serves."""
    named = {("udp", "dns"): 53, ("tcp", "dns-tcp"): 53}
    return Member("kube-system", _DNS_LABELS, ip, named)


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything policies refer to."""

    policies: tuple[NetworkPolicy, ...]
    members: tuple[Member, ...]
    namespaces: Mapping[str, Namespace]

    def verdicts(self, pod: Member) -> Verdicts:
        """What `pod` may."""
        mine = [p for p in self.policies if p.metadata.namespace == pod.namespace]
        chosen = [p for p in mine if matches(p.spec.pod_selector, pod.labels)]
        inward = [p for p in chosen if "Ingress" in _types(p)]
        outward = [p for p in chosen if "Egress" in _types(p)]
        ingress = tuple(a for p in inward for rule in p.spec.ingress for a in self._in(p, rule.from_, rule.ports, pod))
        egress = tuple(a for p in outward for rule in p.spec.egress for a in self._out(p, rule.to, rule.ports))
        return Verdicts(ingress if inward else None, egress if outward else None)

    def _in(
        self, policy: NetworkPolicy, peers: Peers, ports: tuple[NetworkPolicyPort, ...], to: Member
    ) -> Iterator[Allow]:
        known = _ports(ports, to)
        if known is None or known:
            yield from self._peers(policy, peers, known)

    def _out(self, policy: NetworkPolicy, peers: Peers, ports: tuple[NetworkPolicyPort, ...]) -> Iterator[Allow]:
        fixed = tuple(port for port in ports if not isinstance(port.port, str))
        known = _ports(fixed, None)
        if known is None and not ports:
            yield from self._peers(policy, peers, None)
        elif known:
            yield from self._peers(policy, peers, known)
        if len(fixed) < len(ports):
            # a port's name means what the pod at the other end calls so
            named = tuple(port for port in ports if isinstance(port.port, str))
            for other in self._selected(policy, peers):
                found = _ports(named, other)
                if found:
                    yield Allow((other.address,), (), found)

    def _peers(self, policy: NetworkPolicy, peers: Peers, ports: tuple[Ports, ...] | None) -> Iterator[Allow]:
        if not peers:
            yield Allow(None, (), ports)
            return
        for peer in peers:
            if peer.ip_block is not None:
                block = _block(peer.ip_block)
                if block:
                    yield Allow((block,), tuple(filter(None, map(_network, peer.ip_block.except_))), ports)
        found = tuple(sorted({m.address for m in self._selected(policy, peers)}))
        if found:
            yield Allow(found, (), ports)

    def _selected(self, policy: NetworkPolicy, peers: Iterable[NetworkPolicyPeer]) -> Iterator[Member]:
        listed = list(peers)
        for one in self.members:
            if not listed or any(peer.ip_block is None and self._is(policy, peer, one) for peer in listed):
                yield one

    def _is(self, policy: NetworkPolicy, peer: NetworkPolicyPeer, one: Member) -> bool:
        if peer.namespace_selector is None:
            if one.namespace != policy.metadata.namespace:
                return False
        else:
            namespace = self.namespaces.get(one.namespace)
            if namespace is None or not matches(peer.namespace_selector, namespace.metadata.labels):
                return False
        return peer.pod_selector is None or matches(peer.pod_selector, one.labels)


def _types(policy: NetworkPolicy) -> tuple[str, ...]:
    """Unset means ingress, and egress when there are rules for it."""
    return policy.spec.policy_types or (("Ingress", "Egress") if policy.spec.egress else ("Ingress",))


def _network(text: str) -> str:
    try:
        return str(IPv4Network(text, strict=False))
    except (AddressValueError, NetmaskValueError, ValueError):
        return ""


def _block(block: IPBlock) -> str:
    return _network(block.cidr)


def _ports(ports: tuple[NetworkPolicyPort, ...], to: Member | None) -> tuple[Ports, ...] | None:
    """The ports as numbers; None for all. Names are looked up at `to`; those it has not are left out."""
    if not ports:
        return None
    found: list[Ports] = []
    for port in ports:
        protocol = _PROTOCOLS.get(port.protocol or "TCP", "")
        if port.port is None:
            found.append(Ports(protocol, 0, 65535))
            continue
        number = to.named.get((protocol, port.port), 0) if isinstance(port.port, str) and to else port.port
        if isinstance(number, int) and port_number(number):
            found.append(Ports(protocol, number, max(number, port_number(port.end_port))))
    return tuple(p for p in found if p.protocol)
