"""UDP connections that an agent finds when it starts: those to pods that have gone meanwhile are forgotten."""

from __future__ import annotations

from wherry.host.conntrack import Flow, parse
from wherry.network.flows import stale
from wherry.network.services import Entry, Front, Target

LISTING = """\
udp      17 29 src=10.244.0.9 dst=10.96.0.50 sport=4001 dport=53 src=10.244.0.3 dst=10.244.0.9 sport=5353 dport=4001 \
[ASSURED] mark=0 use=1
udp      17 12 src=10.244.0.9 dst=10.96.0.50 sport=4002 dport=53 [UNREPLIED] src=10.244.0.4 dst=10.244.0.9 sport=5353 \
dport=4002 mark=0 use=1
tcp      6 100 TIME_WAIT src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1 use=1
"""
GONE, HERE = "10.244.0.3", "10.244.0.4"
CLUSTER_IP, NODE = "10.96.0.50", "10.89.0.1"


def flow(address: str, port: int, target: str, target_port: int = 5353) -> Flow:
    return Flow("10.244.0.9", 4001, address, port, target, target_port)


def test_a_listing_is_read() -> None:
    assert list(parse(LISTING)) == [
        Flow("10.244.0.9", 4001, CLUSTER_IP, 53, GONE, 5353),
        Flow("10.244.0.9", 4002, CLUSTER_IP, 53, HERE, 5353),
    ]


def test_only_flows_to_targets_that_have_gone_are_stale() -> None:
    fronts = {
        Front("udp", CLUSTER_IP, 53): Entry((Target(HERE, 5353),)),
        Front("udp", "", 30053): Entry((), (Target(HERE, 5353),)),
        Front("tcp", "10.96.0.60", 53): Entry((Target(HERE, 5353),)),
        Front("udp", "10.96.0.70", 53): Entry(()),
    }
    old = [
        flow(CLUSTER_IP, 53, GONE),
        flow(CLUSTER_IP, 53, HERE, 5354),
        flow(CLUSTER_IP, 53, CLUSTER_IP, 53),  # never translated: it began before there was a Service
        flow(NODE, 30053, GONE),
        flow("10.96.0.70", 53, GONE),  # nothing is left
    ]
    good = [
        flow(CLUSTER_IP, 53, HERE),
        flow(NODE, 30053, HERE),
        flow("192.0.2.1", 30053, "192.0.2.1", 30053),  # the same number somewhere in the world
        flow("10.96.0.60", 53, GONE),  # not a front of UDP
        flow("192.0.2.1", 53, "192.0.2.1", 53),
    ]
    assert list(stale([*old, *good], fronts)) == old
