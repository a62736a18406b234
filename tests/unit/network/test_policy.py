"""Network policies: who may talk to whom, by upstream's examples."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

import pytest

from wherry.api.types.core import Container, ContainerPort, Pod, PodSpec, PodStatus
from wherry.api.types.networking import (
    IPBlock,
    NetworkPolicy,
    NetworkPolicyEgressRule,
    NetworkPolicyIngressRule,
    NetworkPolicyPeer,
    NetworkPolicyPort,
    NetworkPolicySpec,
)
from wherry.machinery.meta import LabelSelector, ObjectMeta
from wherry.network.membership import Membership
from wherry.network.policy import Block, Member, Name, Ports, Rule, dns_member, member, read
from wherry.network.rules.policy import Ruleset

WEB = Member("d", {"app": "web"}, "10.244.1.2", {Name("tcp", "http"): 8080})
DB = Member("d", {"app": "db"}, "10.244.1.3", {Name("tcp", "sql"): 3306})
ALIEN = Member("e", {"app": "web"}, "10.244.2.2")
DNS = dns_member("10.96.0.10")


def labels(**wanted: str) -> LabelSelector:
    return LabelSelector(match_labels=wanted)


def pods(**wanted: str) -> NetworkPolicyPeer:
    return NetworkPolicyPeer(pod_selector=labels(**wanted))


def policy(**spec: Any) -> NetworkPolicy:
    return NetworkPolicy(metadata=ObjectMeta(name="p", namespace="d"), spec=NetworkPolicySpec(**spec))


def judge(*policies: NetworkPolicy) -> Membership:
    """A node with the database on it."""
    found = Membership()
    for name in ("d", "e", "kube-system"):
        found.put_namespace(name, {"team": name})
    for number, made in enumerate(policies):
        found.put_policy("d", str(number), read(made))
    for name, one in (("web", WEB), ("db", DB), ("alien", ALIEN), ("dns", DNS)):
        found.put_pod(name, one, local=name == "db")
    found.settle()
    return found


def into(*peers: NetworkPolicyPeer, ports: tuple[NetworkPolicyPort, ...] = ()) -> tuple[NetworkPolicyIngressRule, ...]:
    return (NetworkPolicyIngressRule(from_=peers, ports=ports),)


def out(*peers: NetworkPolicyPeer, ports: tuple[NetworkPolicyPort, ...] = ()) -> tuple[NetworkPolicyEgressRule, ...]:
    return (NetworkPolicyEgressRule(to=peers, ports=ports),)


SQL = (NetworkPolicyPort(port="sql"),)
NETWORK = IPv4Network("10.0.0.0/8")


@pytest.mark.parametrize(
    ("made", "isolated"),
    [
        pytest.param(policy(pod_selector=labels(app="db")), (True, False), id="default deny ingress"),
        pytest.param(policy(pod_selector=labels(app="web")), (False, False), id="another pod's"),
        pytest.param(policy(policy_types=("Egress",)), (False, True), id="default deny egress"),
        pytest.param(policy(egress=out()), (True, True), id="rules for egress isolate both"),
        pytest.param(policy(policy_types=("Ingress",), egress=out()), (True, False), id="unless said otherwise"),
    ],
)
def test_who_is_isolated(made: NetworkPolicy, isolated: tuple[bool, bool]) -> None:
    verdict = judge(made).verdicts.get(DB.address)
    found = (verdict is not None and verdict.ingress is not None, verdict is not None and verdict.egress is not None)
    assert found == isolated


@pytest.mark.parametrize(
    ("made", "rule", "addresses"),
    [
        pytest.param(policy(ingress=into()), Rule(anyone=True), set(), id="allow all"),
        pytest.param(
            policy(ingress=into(pods(app="web"), ports=SQL)),
            Rule(ports=(), named=(Name("tcp", "sql"),)),
            {WEB.address},
            id="pods of the same namespace, own named port",
        ),
        pytest.param(policy(ingress=into(pods(app="none"))), Rule(), set(), id="nobody selected is nobody"),
        pytest.param(
            policy(ingress=into(NetworkPolicyPeer(namespace_selector=labels(team="e")))),
            Rule(),
            {ALIEN.address},
            id="a namespace",
        ),
        pytest.param(
            policy(ingress=into(NetworkPolicyPeer(ip_block=IPBlock(cidr="10.0.0.0/8", except_=("10.1.0.0/16",))))),
            Rule(blocks=(Block(NETWORK, (IPv4Network("10.1.0.0/16"),)),)),
            set(),
            id="block with exception",
        ),
        pytest.param(
            policy(
                policy_types=("Egress",),
                egress=out(
                    NetworkPolicyPeer(namespace_selector=LabelSelector()),
                    ports=(NetworkPolicyPort(port=53, protocol="UDP"),),
                ),
            ),
            Rule(ports=(Ports("udp", 53, 53),)),
            {WEB.address, DB.address, ALIEN.address, DNS.address},
            id="DNS is among the pods of all namespaces",
        ),
        pytest.param(
            policy(policy_types=("Egress",), egress=out(ports=(NetworkPolicyPort(port=8000, end_port=8100),))),
            Rule(anyone=True, ports=(Ports("tcp", 8000, 8100),)),
            set(),
            id="a range of ports anywhere",
        ),
        pytest.param(
            policy(ingress=into(NetworkPolicyPeer(ip_block=IPBlock(cidr="fd00::/8")))),
            Rule(),
            set(),
            id="a block of another family is nobody",
        ),
    ],
)
def test_what_the_database_may(made: NetworkPolicy, rule: Rule, addresses: set[str]) -> None:
    found = judge(made)
    verdict = found.verdicts[DB.address]
    (part,) = verdict.ingress or verdict.egress or ()
    (said,) = part.rules
    assert Rule(said.anyone, None, said.blocks, said.ports, said.named) == rule
    assert (found.groups[said.group] if said.group else set()) == addresses


def test_a_name_means_what_the_receiver_calls_so() -> None:
    found = judge(policy(policy_types=("Egress",), egress=out(pods(), ports=(NetworkPolicyPort(port="http"),))))
    assert found.named == {Name("tcp", "http"): {(WEB.address, 8080)}}


def test_a_name_that_no_pod_has_is_no_port() -> None:
    found = judge(policy(ingress=into(ports=(NetworkPolicyPort(port="nothing"),))))
    assert found.named == {Name("tcp", "nothing"): set()}
    assert "dport @name_" in Ruleset().whole(found), "so the rule is there and matches nothing"


def test_policies_add_up() -> None:
    found = judge(policy(ingress=into(pods(app="web"))), policy(pod_selector=labels(app="db")))
    parts = found.verdicts[DB.address].ingress
    assert parts is not None
    assert sorted(len(part.rules) for part in parts) == [0, 1]


def test_members() -> None:
    container = Container(name="c", ports=(ContainerPort(container_port=80, name="http", protocol="TCP"),))
    pod = Pod(
        metadata=ObjectMeta(namespace="d"), spec=PodSpec(containers=(container,)), status=PodStatus(phase="Running")
    )
    assert member(pod) is None
    assert member(pod, "10.244.1.9") == Member("d", {}, "10.244.1.9", {Name("tcp", "http"): 80})


def test_text() -> None:
    block = NetworkPolicyPeer(ip_block=IPBlock(cidr="10.0.0.0/8", except_=("10.1.0.0/16",)))
    ports = (
        NetworkPolicyPort(port=80), NetworkPolicyPort(port=81, end_port=90), NetworkPolicyPort(port=100),
        NetworkPolicyPort(protocol="SCTP"),
    )  # fmt: skip
    text = Ruleset().whole(judge(policy(ingress=into(block, ports=ports))))
    assert "ip saddr 10.0.0.0/8 ip saddr != { 10.1.0.0/16 } tcp dport { 80-90, 100 } accept\n" in text
    assert "ip saddr 10.0.0.0/8 ip saddr != { 10.1.0.0/16 } meta l4proto sctp accept\n" in text
    assert "add element ip wherry_policy ingress { 10.244.1.3 : goto in_pods_" in text
