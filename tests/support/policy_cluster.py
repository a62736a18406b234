"""A small cluster for the truth table of network policies: pods, namespaces and policies, and each node's packet rules
kept up to date with them, change by change. What the rules are put into is the caller's: a `packets.Table`, a kernel.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from tests.support.policy_twin import End, Labels, Maker, Twin
from wherry.api.types.networking import NetworkPolicy
from wherry.network.membership import Membership
from wherry.network.policy import Member, Name, read
from wherry.network.rules.policy import Ruleset
from wherry.network.rules.standing import Standing

NODES = ("n1", "n2")
PORTS = (80, 81, 90, 5000)
PROTOCOLS = ("TCP", "UDP", "SCTP")
BLOCKS = (
    ("10.244.0.0/16", ("10.244.1.0/24", "10.244.2.0/25")), ("10.244.1.0/24", ("10.244.1.2/32",)),
    ("0.0.0.0/0", ("10.244.0.0/16", "192.168.0.0/16")), ("192.168.0.0/24", ("192.168.0.1/32",)),
)  # fmt: skip
OUTSIDE = End("192.168.0.9")
HOSTS = {node: End(f"192.168.0.{number}", node) for number, node in enumerate(NODES, start=1)}
Probe = tuple[End, End, str, int]


def cast(count: int = 9) -> dict[str, End]:
    """Pods in three namespaces on two nodes."""
    found = {}
    for number in range(count):
        node = 1 + number % 2
        named = {("TCP", "web"): 80 + number % 2, ("UDP", "web"): 90} if number % 3 else {}
        labels = {"pod": "abc"[number % 3]} if number != 8 else {}
        namespace = "xyz"[number * 3 // count]
        found[f"p{number}"] = End(f"10.244.{node}.{number + 2}", f"n{node}", namespace, labels, named)
    return found


def maker(seed: int) -> Maker:
    """Policies for this cluster."""
    return Maker(random.Random(seed), "xyz", BLOCKS, (80, 81, 85, "web", "none"))


@dataclass
class Cluster:
    """The API's objects, and each node's rules. `put(node, text)` takes a transaction."""

    put: Callable[[str, str], None]
    pods: dict[str, End] = field(default_factory=cast)
    namespaces: dict[str, Labels] = field(default_factory=dict)
    policies: dict[str, NetworkPolicy] = field(default_factory=dict)
    members: Mapping[str, Membership] = field(default_factory=lambda: {node: Membership() for node in NODES})
    rulesets: Mapping[str, Ruleset] = field(default_factory=lambda: {node: Ruleset() for node in NODES})

    def __post_init__(self) -> None:
        for name, team in (("x", "a"), ("y", "a"), ("z", "b")):
            self.name(name, {"team": team})
        for uid, end in list(self.pods.items()):
            self.pod(uid, end)
        for node in NODES:
            self.put(node, self.rulesets[node].whole(self.members[node]))

    def pod(self, uid: str, end: End | None) -> None:
        """A pod as it is now; None: gone."""
        for node, found in self.members.items():
            found.put_pod(uid, member(end) if end else None, local=end is not None and end.node == node)
        self.pods.pop(uid, None)
        if end is not None:
            self.pods[uid] = end

    def name(self, namespace: str, labels: Labels) -> None:
        """A namespace's labels."""
        self.namespaces[namespace] = labels
        for found in self.members.values():
            found.put_namespace(namespace, labels)

    def policy(self, name: str, policy: NetworkPolicy | None) -> None:
        """A policy as it is now; None: gone."""
        before = self.policies.pop(name, None)
        for found in self.members.values():
            if before is not None:
                found.put_policy(before.metadata.namespace, name, None)
            if policy is not None:
                found.put_policy(policy.metadata.namespace, name, read(policy))
        if policy is not None:
            self.policies[name] = policy

    def apply(self) -> dict[str, str]:
        """Bring the nodes' rules up to date; the transactions."""
        texts = {}
        for node in NODES:
            self.members[node].settle()
            taken = self.rulesets[node].take(self.members[node])
            texts[node] = "".join(taken)
            for text in taken:
                self.put(node, text)
        return texts

    def restart(self, standing: Callable[[str], Standing]) -> None:
        """A new process on each node, which finds the table that stands there."""
        self.rulesets = {node: Ruleset() for node in NODES}
        for node in NODES:
            self.members[node].settle()
            texts = self.rulesets[node].refill(self.members[node], standing(node))
            assert texts, "it has room for everything"
            for text in texts:
                self.put(node, text)

    def probes(self) -> Iterator[Probe]:
        """Every connection that policies can have a say in."""
        ends = (*self.pods.values(), *HOSTS.values(), OUTSIDE)
        for source in ends:
            for target in ends:
                if source.is_pod or target.is_pod:
                    for protocol in PROTOCOLS:
                        yield from ((source, target, protocol, port) for port in PORTS)

    def twin(self) -> Twin:
        """The specification on what is there now."""
        return Twin(tuple(self.policies.values()), self.namespaces)

    def change(self, dice: random.Random, policies: Maker, turn: int) -> str:
        """One change of the kinds that happen, but for new addresses; its kind."""
        kind = dice.choice(("policy", "policy", "policy", "drop", "label", "team", "follow"))
        uid = dice.choice(sorted(self.pods))
        one = self.pods[uid]
        if kind == "policy":
            self.policy(f"q{dice.randrange(6)}", policies.policy("q"))
        elif kind == "drop":
            self.policy(f"q{dice.randrange(6)}", None)
        elif kind == "label":
            self.pod(uid, replace(one, labels={"pod": dice.choice("abc")}))
        elif kind == "team":
            self.name(dice.choice("xyz"), {"team": dice.choice("abc")})
        else:
            self.pod(uid, None)
            self.pod(f"r{turn}", replace(one, namespace=dice.choice("xyz")))  # with the address of the other
        return kind


def member(end: End) -> Member:
    """A pod of the twin's as the code under test sees it."""
    named = {Name(protocol.lower(), name): number for (protocol, name), number in end.named.items()}
    return Member(end.namespace, end.labels, end.address, named)
