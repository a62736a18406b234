"""NetworkPolicy: what a policy says, in the terms of packets. Pure.

`read` turns a policy into an `Isolation`: whom it selects and, for each direction it isolates (None: it does not), the
rules of what may. A pod that several policies select may what any of them allows. Selectors select pods by their
present addresses; pods on the host's network have none of their own and are never selected. Cluster DNS counts as a pod
`k8s-app=kube-dns` of kube-system, since policies that allow DNS name it so. Who is in which `Group` now is kept by
`membership.py`, the kernel's rules by `rules/policy.py`.

https://kubernetes.io/docs/concepts/services-networking/network-policies/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import AddressValueError, IPv4Network, NetmaskValueError
from typing import NamedTuple

from wherry.api.core.pod_state import is_terminal
from wherry.api.types.core import Pod
from wherry.api.types.networking import IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort
from wherry.machinery.selectors import LabelQuery, as_query
from wherry.network.services import address, port_number

PROTOCOLS = {"TCP": "tcp", "UDP": "udp", "SCTP": "sctp"}
_DNS_LABELS = {"k8s-app": "kube-dns"}
Labels = Mapping[str, str]


class Ports(NamedTuple):
    """A range of ports of one protocol."""

    protocol: str
    first: int
    last: int


class Name(NamedTuple):
    """A port by the name that the pod at the receiving end gives it."""

    protocol: str
    name: str


@dataclass(frozen=True, slots=True)
class Member:
    """A pod as policies see it."""

    namespace: str
    labels: Labels
    address: str
    named: Mapping[Name, int] = field(default_factory=dict)


class Peer(NamedTuple):
    """Pods by label, in namespaces by label (None: in the namespace of the group)."""

    namespaces: LabelQuery | None
    pods: LabelQuery


@dataclass(frozen=True, slots=True)
class Group:
    """The pods that any of some peers selects. `namespace` is "" when no peer depends on it. Equal groups have the
    same `id`, made from the rest."""

    namespace: str = field(compare=False)
    peers: tuple[Peer, ...] = field(compare=False)
    id: str

    def has(self, one: Member, namespace: Labels | None) -> bool:
        """Whether the pod is in it; `namespace`: the labels of the pod's namespace, None when it is not known."""
        for peer in self.peers:
            if peer.namespaces is None:
                there = one.namespace == self.namespace
            else:
                there = namespace is not None and peer.namespaces(namespace)
            if there and peer.pods(one.labels):
                return True
        return False


@dataclass(frozen=True, slots=True)
class Block:
    """A network less parts of it."""

    network: IPv4Network
    without: tuple[IPv4Network, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """One permission: the other end is anyone, or one of `group` or in one of `blocks`; and the receiving port is one
    of `ports` or called one of `named`, or any (`ports` None)."""

    anyone: bool = False
    group: Group | None = None
    blocks: tuple[Block, ...] = ()
    ports: tuple[Ports, ...] | None = None
    named: tuple[Name, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """What one policy allows in one direction. Equal parts of several policies have the same `id`."""

    rules: tuple[Rule, ...] = field(compare=False)
    id: str


@dataclass(frozen=True, slots=True)
class Isolation:
    """One policy: the pods of its namespace it is about, and what they may; None where it does not isolate."""

    selects: Callable[[Labels], bool]
    ingress: Part | None
    egress: Part | None


def member(pod: Pod, ip: str = "") -> Member | None:
    """The pod as policies see it; `ip` counts before what its status says. None when it has no address of its own."""
    own = address(ip or pod.status.pod_ip)
    if not own or pod.spec.host_network or is_terminal(pod):
        return None
    named: dict[Name, int] = {}
    for container in (*pod.spec.containers, *pod.spec.init_containers):
        for port in container.ports:
            if port.name:
                named.setdefault(Name(PROTOCOLS.get(port.protocol or "TCP", ""), port.name), port.container_port)
    return Member(pod.metadata.namespace, pod.metadata.labels, own, named)


def dns_member(ip: str) -> Member:
    """Cluster DNS, which no pod serves."""
    return Member("kube-system", _DNS_LABELS, ip, {Name("udp", "dns"): 53, Name("tcp", "dns-tcp"): 53})


def read(policy: NetworkPolicy) -> Isolation:
    """What a policy says. Raises ValueError for a selector that validation refuses."""
    spec, namespace = policy.spec, policy.metadata.namespace
    # unset means ingress, and egress when there are rules for it
    types = spec.policy_types or (("Ingress", "Egress") if spec.egress else ("Ingress",))
    inward = (_rule(namespace, rule.from_, rule.ports) for rule in spec.ingress)
    outward = (_rule(namespace, rule.to, rule.ports) for rule in spec.egress)
    return Isolation(
        as_query(spec.pod_selector),
        _part(inward) if "Ingress" in types else None,
        _part(outward) if "Egress" in types else None,
    )


def _part(rules: Iterable[Rule]) -> Part:
    found = tuple(dict.fromkeys(rules))
    return Part(found, mark(found))


def mark(of: object) -> str:
    """A short name for a value, the same in every process."""
    return sha256(repr(of).encode()).hexdigest()[:20]


def _rule(namespace: str, peers: tuple[NetworkPolicyPeer, ...], ports: tuple[NetworkPolicyPort, ...]) -> Rule:
    fixed, named = tuple(_fixed(ports)), tuple(_named(ports))
    wanted = fixed if ports else None
    if not peers:
        return Rule(anyone=True, ports=wanted, named=named)
    selected = tuple(_peer(peer) for peer in peers if peer.ip_block is None)
    own = namespace if any(peer.namespaces is None for peer in selected) else ""
    group = Group(own, selected, mark((own, selected))) if selected else None
    blocks = tuple(block for peer in peers if peer.ip_block for block in _block(peer.ip_block))
    return Rule(group=group, blocks=blocks, ports=wanted, named=named)


def _peer(peer: NetworkPolicyPeer) -> Peer:
    namespaces = None if peer.namespace_selector is None else as_query(peer.namespace_selector)
    return Peer(namespaces, LabelQuery() if peer.pod_selector is None else as_query(peer.pod_selector))


def _block(block: IPBlock) -> Iterator[Block]:
    """None for another family of addresses: pods have IPv4 alone."""
    network = _network(block.cidr)
    if network is not None:
        without = (_network(text) for text in block.except_)
        yield Block(network, tuple(part for part in without if part is not None))


def _network(text: str) -> IPv4Network | None:
    try:
        return IPv4Network(text, strict=False)
    except (AddressValueError, NetmaskValueError, ValueError):
        return None


def _fixed(ports: tuple[NetworkPolicyPort, ...]) -> Iterator[Ports]:
    for port in ports:
        protocol = PROTOCOLS.get(port.protocol or "TCP", "")
        if not protocol or isinstance(port.port, str):
            continue
        if port.port is None:
            yield Ports(protocol, 0, 65535)
        elif port_number(port.port):
            yield Ports(protocol, port.port, max(port.port, port_number(port.end_port)))


def _named(ports: tuple[NetworkPolicyPort, ...]) -> Iterator[Name]:
    for port in ports:
        protocol = PROTOCOLS.get(port.protocol or "TCP", "")
        if protocol and isinstance(port.port, str):
            yield Name(protocol, port.port)
