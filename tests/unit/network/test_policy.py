"""Network policies: who may talk to whom, by upstream's examples."""

from __future__ import annotations

from typing import Any

import pytest

from wherry.api.types.core import Container, ContainerPort, Namespace, Pod, PodSpec, PodStatus
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
from wherry.network.policy import Allow, Member, Picture, Ports, Verdicts, dns_member, member
from wherry.network.rules import policy as rules

WEB = Member("d", {"app": "web"}, "10.244.1.2", {("tcp", "http"): 8080})
DB = Member("d", {"app": "db"}, "10.244.1.3", {("tcp", "sql"): 3306})
ALIEN = Member("e", {"app": "web"}, "10.244.2.2")
NAMESPACES = {
    name: Namespace(metadata=ObjectMeta(name=name, labels={"team": name})) for name in ("d", "e", "kube-system")
}

EVERYONE = ("10.244.1.2", "10.244.1.3", "10.244.2.2", "10.96.0.10")


def labels(**wanted: str) -> LabelSelector:
    return LabelSelector(match_labels=wanted)


def pods(**wanted: str) -> NetworkPolicyPeer:
    return NetworkPolicyPeer(pod_selector=labels(**wanted))


def policy(**spec: Any) -> NetworkPolicy:
    return NetworkPolicy(metadata=ObjectMeta(name="p", namespace="d"), spec=NetworkPolicySpec(**spec))


def judge(one: Member, *policies: NetworkPolicy) -> Verdicts:
    return Picture(policies, (WEB, DB, ALIEN, dns_member("10.96.0.10")), NAMESPACES).verdicts(one)


def into(*peers: NetworkPolicyPeer, ports: tuple[NetworkPolicyPort, ...] = ()) -> tuple[NetworkPolicyIngressRule, ...]:
    return (NetworkPolicyIngressRule(from_=peers, ports=ports),)


def out(*peers: NetworkPolicyPeer, ports: tuple[NetworkPolicyPort, ...] = ()) -> tuple[NetworkPolicyEgressRule, ...]:
    return (NetworkPolicyEgressRule(to=peers, ports=ports),)


SQL = (NetworkPolicyPort(port="sql"),)


@pytest.mark.parametrize(
    ("made", "verdicts"),
    [
        pytest.param(policy(pod_selector=labels(app="db")), Verdicts(ingress=()), id="default deny ingress"),
        pytest.param(policy(pod_selector=labels(app="web")), Verdicts(), id="another pod's"),
        pytest.param(policy(policy_types=("Egress",)), Verdicts(egress=()), id="default deny egress"),
        pytest.param(policy(ingress=into()), Verdicts(ingress=(Allow(None),)), id="allow all"),
        pytest.param(
            policy(ingress=into(pods(app="web"), ports=SQL)),
            Verdicts(ingress=(Allow(("10.244.1.2",), (), (Ports("tcp", 3306, 3306),)),)),
            id="pods of the same namespace, own named port",
        ),
        pytest.param(policy(ingress=into(pods(app="none"))), Verdicts(ingress=()), id="nobody selected is nobody"),
        pytest.param(
            policy(ingress=into(NetworkPolicyPeer(namespace_selector=labels(team="e")))),
            Verdicts(ingress=(Allow(("10.244.2.2",)),)),
            id="a namespace",
        ),
        pytest.param(
            policy(ingress=into(NetworkPolicyPeer(ip_block=IPBlock(cidr="10.0.0.0/8", except_=("10.1.0.0/16",))))),
            Verdicts(ingress=(Allow(("10.0.0.0/8",), ("10.1.0.0/16",)),)),
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
            Verdicts(egress=(Allow(EVERYONE, (), (Ports("udp", 53, 53),)),)),
            id="DNS is among the pods of all namespaces",
        ),
        pytest.param(
            policy(policy_types=("Egress",), egress=out(ports=(NetworkPolicyPort(port=8000, end_port=8100),))),
            Verdicts(egress=(Allow(None, (), (Ports("tcp", 8000, 8100),)),)),
            id="a range of ports anywhere",
        ),
        pytest.param(
            policy(policy_types=("Egress",), egress=out(pods(), ports=(NetworkPolicyPort(port="http"),))),
            Verdicts(egress=(Allow(("10.244.1.2",), (), (Ports("tcp", 8080, 8080),)),)),
            id="a name means what the receiver calls so",
        ),
    ],
)
def test_verdicts_on_the_database(made: NetworkPolicy, verdicts: Verdicts) -> None:
    assert judge(DB, made) == verdicts


def test_policies_add_up() -> None:
    found = judge(DB, policy(ingress=into(pods(app="web"))), policy(pod_selector=labels(app="db")))
    assert found == Verdicts(ingress=(Allow(("10.244.1.2",)),))


def test_members() -> None:
    container = Container(name="c", ports=(ContainerPort(container_port=80, name="http", protocol="TCP"),))
    pod = Pod(
        metadata=ObjectMeta(namespace="d"), spec=PodSpec(containers=(container,)), status=PodStatus(phase="Running")
    )
    assert member(pod) is None
    assert member(pod, "10.244.1.9") == Member("d", {}, "10.244.1.9", {("tcp", "http"): 80})


def test_text() -> None:
    verdicts = Verdicts((Allow(("10.0.0.0/8",), ("10.1.0.0/16",), (Ports("tcp", 80, 80), Ports("udp", 1, 9))),), ())
    text = rules.whole({"10.244.1.3": verdicts})
    assert "ip saddr { 10.0.0.0/8 } ip saddr != { 10.1.0.0/16 } meta l4proto tcp th dport 80 return\n" in text
    assert "meta l4proto udp th dport 1-9 return\ndrop\n" in text
    assert "add element ip wherry_policy egress { 10.244.1.3 : jump egress_10_244_1_3 }" in text
