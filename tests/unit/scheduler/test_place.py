"""Placing, case by case: which nodes are out and in which words, which node is best, whose room is kept."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.support.nodes import HOST, ZONE, apart, liking, near, node, pod, spreading
from wherry.api.types.core import Node, Pod
from wherry.scheduler.cycle import Placed, Refused, place
from wherry.scheduler.filters.verdict import Ask
from wherry.scheduler.podinfo import Shapes
from wherry.scheduler.snapshot import Snapshot

NODE_AFFINITY = "requiredDuringSchedulingIgnoredDuringExecution"


def snapshot_of(*things: Node | Pod) -> tuple[Snapshot, Shapes]:
    """Nodes, and pods bound to them."""
    snapshot, shapes = Snapshot(), Shapes({"default": {"team": "x"}, "other": {"team": "y"}})
    for thing in things:
        if isinstance(thing, Node):
            snapshot.put_node(thing)
        else:
            snapshot.put_pod(shapes.read(thing), thing.spec.node_name)
    return snapshot, shapes


def decide(wanted: Pod, *things: Node | Pod) -> str:
    """The node, or the text of the failure."""
    snapshot, shapes = snapshot_of(*things)
    outcome = place(snapshot, Ask(shapes.read(wanted)), random.Random(1))
    snapshot.check()
    return outcome.node if isinstance(outcome, Placed) else str(outcome)


def needing(key: str, operator: str, *values: str) -> dict[str, Any]:
    """Required node affinity with one requirement."""
    found = {"key": key, "operator": operator, "values": list(values)}
    return {"nodeAffinity": {NODE_AFFINITY: {"nodeSelectorTerms": [{"matchExpressions": [found]}]}}}


def holding(port: int, ip: str = "") -> dict[str, Any]:
    """A container with a host port."""
    return {"ports": [{"containerPort": 80, "hostPort": port, **({"hostIP": ip} if ip else {})}]}


TAINT = {"key": "k", "value": "v", "effect": "NoSchedule"}
TEAM_Y = {"matchLabels": {"team": "y"}}
ZONES = (node("a", labels={ZONE: "1"}), node("b", labels={ZONE: "2"}))
CASES: dict[str, tuple[Pod, tuple[Node | Pod, ...], str]] = {
    "room": (pod("p", cpu="1"), (node("n"),), "n"),
    "cpu": (pod("p", cpu="5"), (node("n"),), "1 Insufficient cpu"),
    "cpu and memory": (pod("p", cpu="5", memory="9Gi"), (node("n"),), "1 Insufficient cpu, 1 Insufficient memory"),
    "used": (pod("p", cpu="3"), (node("n"), pod("q", cpu="2", on="n")), "1 Insufficient cpu"),
    "pods": (pod("p"), (node("n", pods="1"), pod("q", on="n")), "1 Too many pods"),
    "extended": (
        pod("p", container={"resources": {"requests": {"example.com/gpu": "1"}}}),
        (node("n"), node("m", more={"example.com/gpu": "1"})),
        "m",
    ),
    "no such thing": (
        pod("p", container={"resources": {"requests": {"example.com/gpu": "1"}}}),
        (node("n"),),
        "1 Insufficient example.com/gpu",
    ),
    "cordoned": (pod("p"), (node("n", unschedulable=True),), "1 node(s) were unschedulable"),
    "taint": (pod("p"), (node("n", taints=[TAINT]),), "1 node(s) had untolerated taint(s)"),
    "tolerated": (
        pod("p", tolerations=[{"key": "k", "operator": "Exists"}]),
        (node("n", taints=[TAINT]),),
        "n",
    ),
    "avoided": (
        pod("p"),
        (node("n", taints=[{"key": "k", "effect": "PreferNoSchedule"}]), node("m", cpu="3")),
        "m",
    ),
    "selector": (
        pod("p", nodeSelector={"disk": "ssd"}),
        (node("n"), node("m", labels={"disk": "ssd"})),
        "m",
    ),
    "no such label": (
        pod("p", nodeSelector={"disk": "ssd"}),
        (node("n"),),
        "1 node(s) didn't match Pod's node affinity/selector",
    ),
    "greater": (pod("p", affinity=needing("n", "Gt", "5")), (node("n", labels={"n": "9"}), node("m")), "n"),
    "less": (
        pod("p", affinity=needing("n", "Lt", "5")),
        (node("n", labels={"n": "9"}), node("m", labels={"n": "1"})),
        "m",
    ),
    "not in": (pod("p", affinity=needing(HOST, "NotIn", "n")), (node("n"), node("m")), "m"),
    "port": (
        pod("p", container=holding(80)),
        (node("n"), pod("q", container=holding(80, "10.0.0.1"), on="n")),
        "1 node(s) didn't have free ports for the requested pod ports",
    ),
    "port of another address": (
        pod("p", container=holding(80, "10.0.0.2")),
        (node("n"), pod("q", container=holding(80, "10.0.0.1"), on="n")),
        "n",
    ),
    "apart": (
        pod("p", labels={"app": "x"}, affinity=apart({"app": "x"})),
        (node("n"), pod("q", labels={"app": "x"}, on="n")),
        "1 node(s) didn't match pod anti-affinity rules",
    ),
    "they want to be apart": (
        pod("p", labels={"app": "x"}),
        (node("n"), pod("q", affinity=apart({"app": "x"}), on="n")),
        "1 node(s) didn't satisfy existing pods anti-affinity rules",
    ),
    "their namespace selector": (
        pod("p", labels={"app": "x"}, namespace="other"),
        (node("n"), pod("q", affinity=apart({"app": "x"}, namespaceSelector=TEAM_Y), on="n")),
        "1 node(s) didn't satisfy existing pods anti-affinity rules",
    ),
    "near": (
        pod("p", affinity=near({"app": "x"})),
        (*ZONES, pod("q", labels={"app": "x"}, on="b")),
        "b",
    ),
    "near nobody": (pod("p", affinity=near({"app": "x"})), ZONES, "2 node(s) didn't match pod affinity rules"),
    "the first of a group": (pod("p", labels={"app": "x"}, affinity=near({"app": "x"})), (ZONES[0], node("c")), "a"),
    "likes": (pod("p", affinity=liking({"app": "x"})), (*ZONES, pod("q", labels={"app": "x"}, on="b")), "b"),
    "dislikes": (
        pod("p", affinity=liking({"app": "x"}, side="podAntiAffinity")),
        (*ZONES, pod("q", labels={"app": "x"}, on="b")),
        "a",
    ),
    "spread": (
        pod("p", labels={"app": "x"}, topologySpreadConstraints=[spreading({"app": "x"})]),
        (*ZONES, pod("q", labels={"app": "x"}, on="a")),
        "b",
    ),
    "too few domains": (
        pod("p", labels={"app": "x"}, topologySpreadConstraints=[spreading({"app": "x"}, minDomains=3)]),
        (*ZONES, pod("q", labels={"app": "x"}, on="a"), pod("r", labels={"app": "x"}, on="b")),
        "2 node(s) didn't match pod topology spread constraints",
    ),
    "tainted domains do not count": (
        pod("p", labels={"app": "x"}, topologySpreadConstraints=[spreading({"app": "x"}, nodeTaintsPolicy="Honor")]),
        (*ZONES[:1], node("b", labels={ZONE: "2"}, taints=[TAINT]), pod("q", labels={"app": "x"}, on="a")),
        "a",
    ),
    "tainted domains count": (
        pod("p", labels={"app": "x"}, topologySpreadConstraints=[spreading({"app": "x"})]),
        (*ZONES[:1], node("b", labels={ZONE: "2"}, taints=[TAINT]), pod("q", labels={"app": "x"}, on="a")),
        "1 node(s) didn't match pod topology spread constraints, 1 node(s) had untolerated taint(s)",
    ),
    "domains outside of the selector do not count": (
        pod(
            "p", labels={"app": "x"}, nodeSelector={ZONE: "1"}, topologySpreadConstraints=[spreading({"app": "x"})],
        ),
        (*ZONES, pod("q", labels={"app": "x"}, on="a")),
        "a",
    ),
    "pods on nodes that do not count": (
        pod(
            "p", labels={"app": "x"}, nodeSelector={"disk": "ssd"},
            topologySpreadConstraints=[spreading({"app": "x"}, minDomains=2)],
        ),
        (
            node("a", labels={ZONE: "1", "disk": "ssd"}), node("a2", labels={ZONE: "1"}),
            pod("q", labels={"app": "x"}, on="a2"),
        ),
        "a",
    ),
    "namespaces by name and by label": (
        pod("p", affinity=apart({"app": "x"}, namespaces=["default"], namespaceSelector=TEAM_Y)),
        (node("n"), pod("q", labels={"app": "x"}, on="n")),
        "1 node(s) didn't match pod anti-affinity rules",
    ),
    "another namespace": (
        pod("p", affinity=apart({"app": "x"})),
        (node("n"), pod("q", labels={"app": "x"}, namespace="other", on="n")),
        "n",
    ),
    "no zone": (
        pod("p", topologySpreadConstraints=[spreading({"app": "x"})]),
        (node("n"),),
        "1 node(s) didn't match pod topology spread constraints (missing required label)",
    ),
    "several reasons": (
        pod("p", cpu="5"),
        (node("n", unschedulable=True), node("m", taints=[TAINT]), node("o", cpu="8", pods="0"), node("q")),
        "1 Insufficient cpu, 1 Too many pods, 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_placing(name: str) -> None:
    wanted, things, expected = CASES[name]
    found = decide(wanted, *things)
    if expected[0].isdigit():
        count = sum(isinstance(thing, Node) for thing in things)
        expected = f"0/{count} nodes are available: {expected}."
    assert found == expected


def test_room_that_is_made_for_a_pod_is_kept_from_less_important_ones() -> None:
    snapshot, shapes = snapshot_of(node("n", cpu="1"))
    vip = shapes.read(pod("vip", cpu="1", priority=10))
    snapshot.nominated[vip.uid] = (vip, "n")
    thief = Ask(shapes.read(pod("thief", cpu="1")))
    refused = place(snapshot, thief, random.Random(1))
    assert isinstance(refused, Refused)
    assert str(refused) == "0/1 nodes are available: 1 Insufficient cpu."
    assert place(snapshot, Ask(vip), random.Random(1)) == Placed("n")
    better = Ask(shapes.read(pod("better", cpu="1", priority=11)))
    assert place(snapshot, better, random.Random(1)) == Placed("n")
    snapshot.check()
    assert snapshot.node_of(vip.uid) == ""


def test_a_pod_goes_where_room_was_made_for_it_even_if_another_node_is_better_now() -> None:
    snapshot, shapes = snapshot_of(node("small", cpu="1"), node("large", cpu="64"))
    vip = shapes.read(pod("vip", cpu="1"))
    snapshot.nominated[vip.uid] = (vip, "small")
    assert place(snapshot, Ask(vip), random.Random(1)) == Placed("small")


def test_pods_of_a_node_that_vanishes_count_again_when_it_comes_back() -> None:
    snapshot, shapes = snapshot_of(node("n", cpu="1"), pod("q", cpu="1", on="n"))
    snapshot.drop_node("n")
    snapshot.check()
    snapshot.put_node(node("n", cpu="1"))
    snapshot.check()
    assert isinstance(place(snapshot, Ask(shapes.read(pod("p", cpu="1"))), random.Random(1)), Refused)
    snapshot.drop_pod("uid-default-q")
    assert place(snapshot, Ask(shapes.read(pod("p", cpu="1"))), random.Random(1)) == Placed("n")


def test_pods_of_different_namespaces_share_no_shape() -> None:
    shapes = Shapes({})
    assert shapes.read(pod("p")).shape is shapes.read(pod("q")).shape
    assert shapes.read(pod("p")).shape is not shapes.read(pod("p", namespace="other")).shape


def test_a_node_in_place_of_another_has_its_own_labels() -> None:
    snapshot, shapes = snapshot_of(*ZONES)
    wanted = Ask(shapes.read(pod("p", nodeSelector={ZONE: "1"})))
    assert place(snapshot, wanted, random.Random(1)) == Placed("a")
    snapshot.drop_node("a")
    snapshot.check()
    assert isinstance(place(snapshot, wanted, random.Random(1)), Refused)
    snapshot.put_node(node("c"))
    assert isinstance(place(snapshot, wanted, random.Random(1)), Refused)


def test_equals_are_chosen_by_chance() -> None:
    chosen = set()
    for seed in range(30):
        snapshot, shapes = snapshot_of(node("a"), node("b"), node("c"))
        outcome = place(snapshot, Ask(shapes.read(pod("p"))), random.Random(seed))
        assert isinstance(outcome, Placed)
        chosen.add(outcome.node)
    assert chosen == {"a", "b", "c"}
