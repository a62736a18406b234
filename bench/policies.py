"""Network policies: the rules of a node with its share of 2,000 pods, beside the rules of services.

`python -m bench.policies [pods]` as root; works in a network namespace that it makes and removes. A policy
for each namespace lets its tiers talk to each other, by selectors, to cluster DNS, and to a block. A change is timed
from the object to the rule in force: a pod of another node that comes, a label, a policy.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from itertools import pairwise

from bench.rows import Row, latencies, table
from bench.service_rules import HERE, service, slice_of, timed
from wherry.api.types.networking import (
    IPBlock,
    NetworkPolicy,
    NetworkPolicyEgressRule,
    NetworkPolicyIngressRule,
    NetworkPolicyPeer,
    NetworkPolicyPort,
    NetworkPolicySpec,
)
from wherry.host import netns, nft
from wherry.machinery.meta import LabelSelector, ObjectMeta
from wherry.network.membership import Membership
from wherry.network.policy import Member, Name, read
from wherry.network.rules import nft as services_rules
from wherry.network.rules.policy import Ruleset
from wherry.network.services import entries

SPACE = "wherry-bench-policies"
NAMESPACES = 50
TIERS = ("web", "app", "cache", "database")
LOCAL = 110
CHANGES = 200


def member(number: int, tier: str = "") -> Member:
    labels = {"tier": tier or TIERS[number % 4], "pod": str(number)}
    address = str(IPv4Address("10.244.1.2") + number)
    return Member(f"n{number % NAMESPACES}", labels, address, {Name("tcp", "http"): 8080})


def _tier(name: str) -> NetworkPolicyPeer:
    return NetworkPolicyPeer(pod_selector=LabelSelector(match_labels={"tier": name}))


def policies(namespace: str, port: int = 8080) -> dict[str, NetworkPolicy]:
    """By name: nothing by default, each tier from the one before, and out to DNS and a block."""
    dns = NetworkPolicyPeer(
        namespace_selector=LabelSelector(match_labels={"kubernetes.io/metadata.name": "kube-system"}),
        pod_selector=LabelSelector(match_labels={"k8s-app": "kube-dns"}),
    )
    block = NetworkPolicyPeer(ip_block=IPBlock(cidr="0.0.0.0/0", except_=("10.0.0.0/8", "169.254.0.0/16")))
    tiers = [_tier(name) for name in TIERS]
    ports = (NetworkPolicyPort(port=port), NetworkPolicyPort(port="http"))
    specs = {"nothing": NetworkPolicySpec(policy_types=("Ingress", "Egress"))}
    for before, name in pairwise(TIERS):
        specs[name] = NetworkPolicySpec(
            pod_selector=LabelSelector(match_labels={"tier": name}),
            ingress=(NetworkPolicyIngressRule(from_=(_tier(before),), ports=ports),),
        )
    specs["out"] = NetworkPolicySpec(
        policy_types=("Egress",),
        egress=(
            NetworkPolicyEgressRule(to=(dns,), ports=(NetworkPolicyPort(protocol="UDP", port=53),)),
            NetworkPolicyEgressRule(to=(*tiers, block)),
        ),
    )
    return {
        name: NetworkPolicy(metadata=ObjectMeta(name=name, namespace=namespace), spec=spec)
        for name, spec in specs.items()
    }


class Node:
    """One node's rules, in the kernel."""

    def __init__(self, pods: int) -> None:
        self.members, self.rules, self.pods = Membership(), Ruleset(), pods

    def fill(self) -> None:
        for number in range(NAMESPACES):
            self.members.put_namespace(f"n{number}", {"kubernetes.io/metadata.name": f"n{number}"})
            for name, made in policies(f"n{number}").items():
                self.members.put_policy(f"n{number}", name, read(made))
        for number in range(self.pods):
            self.members.put_pod(str(number), member(number), local=number < LOCAL)
        self.members.settle()

    def apply(self) -> None:
        self.members.settle()
        for text in self.rules.take(self.members):
            nft.run(text)

    def changed(self, change: Callable[[int], None]) -> list[float]:
        """Seconds that each of some changes takes, from the object to the kernel."""
        dice, took = random.Random(1), []
        for _ in range(CHANGES):
            number = dice.randrange(LOCAL, self.pods)

            def whole(number: int = number) -> None:
                change(number)
                self.apply()

            took.append(timed(whole))
        return took

    def comes(self, number: int) -> None:
        self.members.put_pod(str(number), None)
        self.members.put_pod(str(number), replace(member(number), address=str(IPv4Address("10.245.0.0") + number)))

    def label(self, number: int) -> None:
        self.members.put_pod(str(number), member(number, TIERS[(number + 1) % 4]))

    def policy(self, number: int) -> None:
        namespace = f"n{number % NAMESPACES}"
        self.members.put_policy(namespace, "app", read(policies(namespace, 1024 + number)["app"]))


def _services(count: int) -> None:
    rules = services_rules.Ruleset(services_rules.Networks(subnet=IPv4Network("10.244.1.0/24")))
    for number in range(count):
        rules.set(f"bench/s{number}", entries(service(number), (slice_of(number, 2),), HERE))
    nft.run(rules.whole())


def measure(services: int, pods: int) -> list[Row]:
    _services(services)
    node = Node(pods)
    decide = timed(node.fill)
    kernel = timed(lambda: nft.run(node.rules.whole(node.members)))
    title = f"network policies: {NAMESPACES * 5} policies, {pods} pods ({LOCAL} here), {services} services"
    return [
        Row(f"{title}: load", f"decide {decide:.2f} s, write and kernel {kernel:.2f} s", "1 s"),
        *(
            Row(f"... {what}", latencies(node.changed(change)), "5 ms")
            for what, change in (
                ("a pod comes elsewhere", node.comes),
                ("a label", node.label),
                ("a policy", node.policy),
            )
        ),
    ]


def rows(pods: int = 2000) -> list[Row]:
    """The lines of the table; none without root."""
    if os.geteuid() != 0:
        return []
    netns.create(SPACE)
    try:
        with netns.entered(SPACE):
            return [row for services in (1_000, 10_000) for row in measure(services, pods)]
    finally:
        netns.delete(SPACE)


if __name__ == "__main__":
    print(table(rows(*map(int, sys.argv[1:]))))
