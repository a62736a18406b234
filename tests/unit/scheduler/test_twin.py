"""Filters, scores and texts against their scalar twin, on random clusters that change all the time.

One snapshot lives through all changes of an example, so that everything that is kept between decisions is tried too.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.unit.scheduler import clusters
from tests.unit.scheduler.twin import Twin
from wherry.api.types.core import Pod
from wherry.scheduler.cycle import OUT, Placed, all_feasible, explain, place, score_nodes
from wherry.scheduler.filters.verdict import Ask
from wherry.scheduler.podinfo import Shapes
from wherry.scheduler.preemption import NoVictims, Victims, preempt
from wherry.scheduler.snapshot import Snapshot

Draw = Callable[..., Any]


class Both:
    """A snapshot and its twin."""

    def __init__(self) -> None:
        self.snapshot, self.twin = Snapshot(), Twin(namespaces=dict(clusters.NAMESPACES))
        self.shapes = Shapes(clusters.NAMESPACES)

    def put_node(self, name: str, draw: Draw, *, roomy: bool = False) -> None:
        found = draw((clusters.roomy_nodes if roomy else clusters.nodes)(name))
        self.twin.nodes[name] = found
        self.snapshot.put_node(found)

    def drop_node(self, name: str) -> None:
        self.twin.nodes.pop(name, None)
        self.snapshot.drop_node(name)

    def put_pod(self, pod: Pod, node: str) -> None:
        self.twin.pods[pod.metadata.uid] = (pod, node)
        self.snapshot.put_pod(self.shapes.read(pod), node)

    def drop_pod(self, uid: str) -> None:
        self.twin.pods.pop(uid, None)
        self.snapshot.drop_pod(uid)

    def change(self, draw: Draw, number: int) -> None:
        """Anything that may happen."""
        match draw(st.sampled_from(["pod", "pod", "pod", "pod", "drop pod", "node", "drop node"])):
            case "pod":
                node = draw(st.sampled_from([*self.twin.nodes, "n9"]))
                self.put_pod(draw(clusters.pods(f"p{number}")), node)
            case "drop pod" if self.twin.pods:
                self.drop_pod(draw(st.sampled_from(sorted(self.twin.pods))))
            case "node":
                self.put_node(draw(st.sampled_from([f"n{n}" for n in range(20)])), draw)
            case "drop node" if self.twin.nodes:
                self.drop_node(draw(st.sampled_from(sorted(self.twin.nodes))))
        self.snapshot.check()

    def compare(self, pod: Pod) -> None:
        """Everything that is decided about a pod."""
        ask, snapshot = Ask(self.shapes.read(pod)), self.snapshot
        out = self.twin.refusals(pod)
        feasible = all_feasible(snapshot, ask)
        assert self.named(feasible) == self.twin.nodes.keys() - out.keys()
        refused = explain(snapshot, ask)
        reasons = Counter(reason for found, _ in out.values() for reason in found)
        assert refused.reasons == reasons
        assert self.named(refused.helpful) == {name for name, (_, hopeless) in out.items() if not hopeless}
        if len(out) == len(self.twin.nodes) and out:
            assert str(refused) == self.twin.text(pod)
        if feasible.any():
            found = score_nodes(snapshot, ask, feasible)
            mine = {snapshot.names[slot]: found[slot] for slot in np.flatnonzero(found != OUT)}
            assert mine == self.twin.scores(pod)

    def named(self, mask: Any) -> set[str]:
        return {self.snapshot.names[slot] for slot in np.flatnonzero(mask)}


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_decisions_are_the_twins(data: st.DataObject) -> None:
    both = Both()
    for n in range(data.draw(st.integers(1, 4))):
        both.put_node(f"n{n}", data.draw)
    asked = [data.draw(clusters.pods(f"new{n}")) for n in range(2)]
    for number in range(data.draw(st.integers(0, 12))):
        both.change(data.draw, number)
        both.compare(asked[number % 2])
    for one in asked:
        both.compare(one)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_pods_with_much_to_say_about_each_other(data: st.DataObject) -> None:
    both = Both()
    for n in range(4):
        both.put_node(f"n{n}", data.draw, roomy=True)
    asked = [data.draw(clusters.sociable_pods(f"new{n}")) for n in range(2)]
    for number in range(data.draw(st.integers(2, 6))):
        both.put_pod(data.draw(clusters.sociable_pods(f"p{number}")), f"n{data.draw(st.integers(0, 3))}")
        both.compare(asked[number % 2])
    both.compare(asked[0])
    both.compare(asked[1])


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_preemption_makes_room_and_leaves_the_snapshot_as_it_was(data: st.DataObject) -> None:
    both = Both()
    sociable = data.draw(st.booleans())
    for n in range(data.draw(st.integers(1, 3))):
        both.put_node(f"n{n}", data.draw, roomy=sociable)
    kind = clusters.sociable_pods if sociable else clusters.pods
    for number in range(data.draw(st.integers(0, 8))):
        both.put_pod(data.draw(kind(f"p{number}")), data.draw(st.sampled_from(sorted(both.twin.nodes))))
    wanted = data.draw(kind("vip"))
    wanted = replace(wanted, spec=replace(wanted.spec, priority=6))
    snapshot, ask = both.snapshot, Ask(both.shapes.read(wanted))
    outcome = place(snapshot, ask, random.Random(1))
    if isinstance(outcome, Placed):
        return
    before = [list(pods.items()) for pods in snapshot.pods]
    found = preempt(snapshot, ask, outcome, [], random.Random(1))
    snapshot.check()
    assert [list(pods.items()) for pods in snapshot.pods] == before
    possible = set()
    for name in both.named(outcome.helpful):
        lesser = [p for p in both.twin.on(name) if (p.spec.priority or 0) < (wanted.spec.priority or 0)]
        rest = {uid: there for uid, there in both.twin.pods.items() if there[0] not in lesser}
        if lesser and name not in Twin(both.twin.nodes, rest, both.twin.namespaces).refusals(wanted):
            possible.add(name)
    if isinstance(found, NoVictims):
        assert not possible
        return
    assert isinstance(found, Victims)
    assert found.node in possible
    gone = {info.uid for info in found.pods}
    for spared in (None, *gone):  # with the victims gone it fits; with any of them back it does not
        rest = {uid: there for uid, there in both.twin.pods.items() if uid not in gone - {spared}}
        fits = found.node not in Twin(both.twin.nodes, rest, both.twin.namespaces).refusals(wanted)
        assert fits == (spared is None)
