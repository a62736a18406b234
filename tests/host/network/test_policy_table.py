"""The truth table of network policies in a real kernel: every connection between pods, nodes and a client outside, over
two nodes and through a service, change by change, against a naive twin of the specification."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

import pytest

from tests.host.network.policy_net import Net, net
from tests.support.policy_cluster import NODES, Cluster, cast, maker
from wherry.host import nft
from wherry.network.rules.nft import Networks
from wherry.network.rules.nft import Ruleset as Services
from wherry.network.rules.policy import TABLE
from wherry.network.rules.standing import listed
from wherry.network.services import Entry, Front, Target

pytestmark = pytest.mark.host
VIP = "10.96.0.50"
PODS = cast(6)


@pytest.fixture(scope="module")
def place() -> Iterator[Net]:
    with net("whpt", list(PODS.values())) as made:
        yield made


def check(place: Net, cluster: Cluster, why: str) -> int:
    """Compare the kernel with the twin; how many connections are refused."""
    twin = cluster.twin()
    probes = list(cluster.probes())
    wanted = {index for index, probe in enumerate(probes) if twin.may(*probe)}
    found = place.try_all(probes, wanted)
    wrong = [probes[index] for index in found ^ wanted]
    assert not wrong, f"{why}: {len(wrong)} of {len(probes)}, such as {wrong[:3]}: {cluster.policies}"
    return len(probes) - len(wanted)


@pytest.mark.parametrize("seed", range(100, 104))
def test_generated_policies_change_by_change(place: Net, seed: int) -> None:
    policies = maker(seed)
    dice = policies.dice
    cluster = Cluster(place.put, dict(PODS))
    for number in range(dice.randrange(1, 5)):
        cluster.policy(f"q{number}", policies.policy("q"))
    cluster.apply()
    refused = check(place, cluster, "at first")
    for turn in range(6):
        kind = cluster.change(dice, policies, turn)
        if turn in (2, 4):
            kind += " and a restart"
            cluster.restart(lambda node: listed(place.at(node, lambda: nft.outline(TABLE))))
        else:
            cluster.apply()
        refused += check(place, cluster, f"after {turn} {kind}")
    assert refused
    for name in list(cluster.policies):
        cluster.policy(name, None)
    cluster.apply()
    assert check(place, cluster, "without policies") == 0


@pytest.mark.parametrize("seed", range(200, 203))
def test_through_a_service_the_pod_behind_it_is_judged(place: Net, seed: int) -> None:
    policies = maker(seed)
    cluster = Cluster(place.put, dict(PODS))
    target = cluster.pods["p3"]
    for node in NODES:
        services = Services(Networks(subnet=IPv4Network(f"10.244.{node[1]}.0/24")))
        fronts = {Front(p, VIP, port): Entry((Target(target.address, 80),)) for p, port in (("tcp", 90), ("udp", 90))}
        services.set("x/web", fronts)
        place.put(node, services.whole())
    for number in range(4):
        cluster.policy(f"q{number}", policies.policy("q"))
    cluster.apply()
    twin = cluster.twin()
    sources = [pod for pod in cluster.pods.values() if pod != target]
    probes = [(pod, target, protocol, 90) for pod in sources for protocol in ("TCP", "UDP")]
    wanted = {i for i, (source, _, protocol, _) in enumerate(probes) if twin.may(source, target, protocol, 80)}
    assert place.try_all(probes, wanted, via=VIP) == wanted
    place.put("n1", "delete table ip wherry\n")
    place.put("n2", "delete table ip wherry\n")
