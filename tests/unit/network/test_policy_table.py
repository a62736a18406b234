"""The truth table of network policies: generated policies, every pair of ends, every port and protocol, change by
change; the packet rules' text against a naive twin of the specification. `tests/host/network` does it in a kernel."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.packets import Packet, Table
from tests.support.policy_cluster import NODES, Cluster, Probe, maker, member
from wherry.api.types.networking import NetworkPolicy, NetworkPolicySpec
from wherry.machinery.meta import ObjectMeta
from wherry.network.membership import SHUT, Membership, Verdict
from wherry.network.policy import Member, read
from wherry.network.rules.policy import Ruleset

Tables = dict[str, Table]


def passes(tables: Tables, probe: Probe) -> bool:
    """Through the rules of every node on the way."""
    source, target, protocol, port = probe
    packet = Packet(source.address, target.address, protocol.lower(), port)
    for node in {source.node, target.node} & tables.keys():
        into, out = (not end.is_pod and end.node == node for end in (target, source))
        if not tables[node].passes(packet, into_node=into, from_node=out):
            return False
    return True


def check(cluster: Cluster, tables: Tables, why: str) -> int:
    """Compare with the twin; how many connections are refused."""
    twin = cluster.twin()
    refused = 0
    for probe in cluster.probes():
        wanted = twin.may(*probe)
        assert passes(tables, probe) == wanted, f"{why}: {probe}: {cluster.policies}"
        refused += not wanted
    return refused


@pytest.mark.parametrize("seed", range(16))
def test_generated_policies_change_by_change(seed: int) -> None:
    policies = maker(seed)
    dice = policies.dice
    tables = {node: Table() for node in NODES}
    cluster = Cluster(lambda node, text: tables[node].run(text))
    for number in range(dice.randrange(1, 5)):
        cluster.policy(f"q{number}", policies.policy("q"))
    cluster.apply()
    refused = check(cluster, tables, "at first")
    for turn in range(8):
        kind = cluster.change(dice, policies, turn)
        if turn == 4:
            uid, one = next(iter(cluster.pods.items()))
            cluster.pod(uid, replace(one, address=f"10.244.{one.node[1]}.100"))
        if turn in (2, 5):
            kind += " and a restart"
            cluster.restart(lambda node: tables[node].standing())
        else:
            cluster.apply()
        refused += check(cluster, tables, f"after {turn} {kind}")
    assert refused
    for node in NODES:
        fresh = Table()
        fresh.run(Ruleset().whole(cluster.members[node]))
        assert (fresh.sets, fresh.chains) == (tables[node].sets, tables[node].chains)
    for name in list(cluster.policies):
        cluster.policy(name, None)
    cluster.apply()
    assert check(cluster, tables, "without policies") == 0
    assert not any(table.chains for table in tables.values())


def test_a_label_is_a_change_of_elements() -> None:
    """A pod that joins or leaves what selectors mean changes sets, and no rule."""
    for seed in range(40):
        policies = maker(seed)
        cluster = Cluster(lambda node, text: None)
        for number in range(4):
            cluster.policy(f"q{number}", policies.policy("q"))
        cluster.apply()
        selected = {node: set(found.verdicts.values()) for node, found in cluster.members.items()}
        uid, one = policies.dice.choice(sorted(cluster.pods.items(), key=lambda pair: pair[0]))
        cluster.pod(uid, replace(one, labels={"pod": policies.dice.choice("abc")}))
        for node, text in cluster.apply().items():
            if set(cluster.members[node].verdicts.values()) == selected[node]:
                assert all(line.split()[1] == "element" for line in text.splitlines()), text


def test_an_address_belongs_to_who_came_last() -> None:
    cluster = Cluster(lambda node, text: None)
    cluster.policy("deny", deny("x"))
    old = cluster.pods["p0"]
    cluster.pod("new", replace(old, namespace="z"))
    found = cluster.members[old.node]
    assert old.address not in found.verdicts, "the new one is not isolated"
    found.put_pod("p0", member(replace(old, labels={"pod": "late"})), local=True)
    assert old.address not in found.verdicts, "late news of the old one"
    cluster.pod("p0", None)
    assert old.address not in found.verdicts
    cluster.pod("new", None)
    cluster.pod("again", old)
    assert old.address in found.verdicts


def deny(namespace: str, *types: str) -> NetworkPolicy:
    return NetworkPolicy(
        metadata=ObjectMeta(name="deny", namespace=namespace),
        spec=NetworkPolicySpec(policy_types=types or ("Ingress",)),
    )


def test_a_pod_whose_object_went_first_may_nothing_until_it_ends() -> None:
    found = Membership()
    found.put_policy("x", "deny", read(deny("x", "Egress")))
    one = Member("x", {}, "10.244.1.2")
    found.put_pod("u", one, local=True)
    found.shut("u")
    found.put_policy("x", "deny", None)
    assert found.verdicts == {one.address: Verdict(None, ())}, "where it was isolated, with or without the policy"
    found.put_pod("next", replace(one, namespace="y"), local=True)
    assert found.verdicts == {}, "the address has gone on"
    found.put_pod("u", None)
    assert found.verdicts == {}
    found.shut("next")
    assert found.verdicts == {}, "it was free"
    found.shut_address("unknown", one.address)
    assert found.verdicts == {one.address: SHUT}
    found.put_pod("unknown", None)
    assert found.verdicts == {}
