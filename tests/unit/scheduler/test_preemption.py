"""Who must go: budgets, importance, and when nobody does."""

from __future__ import annotations

import random
from typing import Any

import pytest
from msgspec.structs import replace

from tests.support.nodes import apart, node, pod
from tests.unit.scheduler.test_place import snapshot_of
from wherry.api.types.core import Node, Pod, PodStatus
from wherry.machinery.codec import from_dict
from wherry.machinery.time import Time
from wherry.scheduler.cycle import Refused, place
from wherry.scheduler.filters.verdict import Ask
from wherry.scheduler.preemption import Budget, NoVictims, preempt

VIP = pod("vip", cpu="1", priority=10)
LEAVING = {"conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}]}


def low(name: str, on: str, priority: int = 0, cpu: str = "1", **more: Any) -> Pod:
    """A pod that may have to go."""
    return pod(name, cpu=cpu, on=on, priority=priority, **more)


def budget(allowed: int, **labels: str) -> Budget:
    """A budget in the namespace default."""
    return Budget("default", lambda found: labels.items() <= found.items(), allowed, frozenset())


def victims(wanted: Pod, *things: Node | Pod, budgets: list[Budget] | None = None) -> str:
    """`node: victim victim`, or the text."""
    snapshot, shapes = snapshot_of(*things)
    ask = Ask(shapes.read(wanted))
    refused = place(snapshot, ask, random.Random(1))
    assert isinstance(refused, Refused)
    found = preempt(snapshot, ask, refused, budgets or [], random.Random(1))
    snapshot.check()
    if isinstance(found, NoVictims):
        return found.text
    return f"{found.node}: {' '.join(info.pod.metadata.name for info in found.pods)}"


CASES: dict[str, tuple[tuple[Node | Pod, ...], str]] = {
    "the only one": ((node("n", cpu="1"), low("a", "n")), "n: a"),
    "the least important": ((node("n", cpu="2"), low("a", "n", 2), low("b", "n", 1)), "n: b"),
    "no more than needed": ((node("n", cpu="2"), low("a", "n", cpu="500m"), low("b", "n")), "n: b"),
    "where the least important are": (
        (node("n", cpu="1"), node("m", cpu="1"), low("a", "n", 5), low("b", "m", 1)), "m: b",
    ),
    "where the fewest are": (
        (node("n", cpu="1"), node("m", cpu="1"), low("a", "n", cpu="500m"), low("b", "n", cpu="500m"), low("c", "m")),
        "m: c",
    ),
    "nobody is less important": (
        (node("n", cpu="1"), low("a", "n", 10)),
        "0/1 nodes are available: 1 No preemption victims found for incoming pod.",
    ),
    "too small": (
        (node("n", cpu="500m"), low("a", "n", cpu="100m")),
        "0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
    ),
    "not enough": (
        (node("n", cpu="1"), low("a", "n", 20, cpu="500m"), low("b", "n", cpu="500m")),
        "0/1 nodes are available: 1 Insufficient cpu.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_victims(name: str) -> None:
    things, expected = CASES[name]
    assert victims(VIP, *things) == expected


def test_budgets_are_kept_where_possible() -> None:
    things = (
        node("n", cpu="2"), low("kept", "n", 1, labels={"app": "x"}), low("free", "n", 5, labels={"app": "y"}),
    )  # fmt: skip
    assert victims(VIP, *things) == "n: kept"
    assert victims(VIP, *things, budgets=[budget(0, app="x")]) == "n: free"
    assert victims(VIP, *things, budgets=[budget(1, app="x")]) == "n: kept"
    elsewhere = (*things, node("m", cpu="1"), low("other", "m", 9))
    broken = [budget(0, app="x"), budget(0, app="y")]
    assert victims(VIP, *elsewhere, budgets=broken) == "m: other"
    assert victims(VIP, *things, budgets=broken) == "n: kept"


def test_the_one_that_started_last_goes() -> None:
    def started(name: str, minute: int) -> Pod:
        found = low(name, "n")
        return replace(found, status=replace(found.status, start_time=Time(f"2026-01-01T00:{minute:02}:00Z")))

    assert victims(VIP, node("n", cpu="2"), started("old", 1), started("new", 2)) == "n: new"


def test_anti_affinity_is_helped_by_removing_pods() -> None:
    wanted = pod("vip", priority=10, labels={"app": "x"}, affinity=apart({"app": "x"}))
    things = (node("n"), low("a", "n", labels={"app": "x"}), low("b", "n"))
    assert victims(wanted, *things) == "n: a"
    theirs = low("a", "n", affinity=apart({"app": "x"}))
    assert victims(pod("vip", priority=10, labels={"app": "x"}), node("n"), theirs, low("b", "n")) == "n: a"


def test_pods_that_may_not_preempt_or_wait_already_are_left_to_wait() -> None:
    things = (node("n", cpu="1"), low("a", "n"))
    shy = pod("vip", cpu="1", priority=10, preemptionPolicy="Never")
    assert victims(shy, *things) == "not eligible due to preemptionPolicy=Never."
    leaving = low("a", "n", meta={"deletionTimestamp": "2026-01-01T00:00:00Z"})
    leaving = replace(leaving, status=from_dict(PodStatus, LEAVING))
    snapshot, shapes = snapshot_of(node("n", cpu="1"), node("m", cpu="1"), leaving, low("b", "m"))
    ask = Ask(shapes.read(VIP))
    snapshot.nominated[ask.info.uid] = (ask.info, "n")
    refused = place(snapshot, ask, random.Random(1))
    assert isinstance(refused, Refused)
    found = preempt(snapshot, ask, refused, [], random.Random(1))
    assert found == NoVictims("not eligible due to a terminating pod on the nominated node.", keep=True)
