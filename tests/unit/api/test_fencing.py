"""The agreement on stateful pods: who needs a fence, who are witnesses, and that the two sides can never both act."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.api.core import fencing
from wherry.api.types.coordination import Lease
from wherry.api.types.core import Pod
from wherry.machinery.codec import from_dict


def pod(owner: str = "", claims: tuple[str, ...] = (), *, ephemeral: bool = False, controller: bool = True) -> Pod:
    owners = [{"apiVersion": "v1", "kind": owner, "name": "o", "uid": "1", "controller": controller}] if owner else []
    volumes: list[dict[str, Any]] = [{"name": one, "persistentVolumeClaim": {"claimName": one}} for one in claims]
    volumes += [{"name": "own", "ephemeral": {}}] if ephemeral else []
    spec = {"containers": [], "volumes": volumes}
    return from_dict(Pod, {"metadata": {"name": "p", "namespace": "n", "ownerReferences": owners}, "spec": spec})


@pytest.mark.parametrize(
    ("one", "needs"),
    [
        (pod("StatefulSet"), True),
        (pod("StatefulSet", ("shared",)), True),
        (pod("ReplicaSet"), False),
        (pod("ReplicaSet", ("shared",)), False),
        (pod("ReplicaSet", ("shared", "single")), True),
        (pod("ReplicaSet", ephemeral=True), True),
        (pod("Job", ("single",)), True),
        (pod("Database", ("single",)), True),
        (pod("Job"), False),
        (pod("", ("single",)), False),
        (pod("StatefulSet", controller=False), False),
        (pod("DaemonSet", ("single",)), False),
        (pod("Node", ("single",)), False),
    ],
)
def test_who_must_be_known_dead_before_another_takes_the_place(one: Pod, *, needs: bool) -> None:
    assert fencing.needs_fence(one, lambda name: name == "shared") is needs


@pytest.mark.parametrize(
    ("nodes", "witnesses"),
    [
        ("", ""),
        ("a", "a"),
        ("ab", "ab"),
        ("abc", "abc"),
        ("dcba", "abc"),
        ("abcde", "abcde"),
        ("abcdef", "abcde"),
        ("zyxwvut", "tuvwx"),
    ],
)
def test_the_oldest_are_the_witnesses_in_an_odd_number(nodes: str, witnesses: str) -> None:
    assert fencing.choose_witnesses(("2026", name) for name in nodes) == tuple(witnesses)


def test_older_nodes_come_first_whatever_their_names() -> None:
    nodes = [("2026-01-03", "a"), ("2026-01-02", "b"), ("2026-01-01", "c"), ("2026-01-04", "d")]
    assert fencing.choose_witnesses(nodes) == ("c", "b", "a")


@pytest.mark.parametrize(
    ("witnesses", "away", "agent", "server"),
    [  # server: whether it may replace when all that are not away are fresh
        (1, 0, False, True),
        (1, 1, True, False),
        (2, 0, False, True),
        (2, 1, True, False),  # one of two is never replaced, and never ends its pods
        (2, 2, True, False),
        (3, 0, False, True),
        (3, 1, False, True),
        (3, 2, True, False),
        (3, 3, True, False),
        (5, 2, False, True),
        (5, 3, True, False),
        (0, 0, False, False),
    ],
)
def test_who_acts_when_so_many_witnesses_are_away(witnesses: int, away: int, *, agent: bool, server: bool) -> None:
    assert fencing.agent_may_go_on(away, witnesses) is agent
    assert fencing.server_may_replace(witnesses - away, witnesses) is server


@given(st.integers(1, 9).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(0, n))))
def test_never_both(numbers: tuple[int, int, int]) -> None:
    witnesses, away, fresh = numbers
    if away + fresh <= witnesses:  # nobody is both
        assert not (fencing.agent_may_go_on(away, witnesses) and fencing.server_may_replace(fresh, witnesses))


def lease(renewed: str, note: str) -> Lease:
    return from_dict(Lease, {"metadata": {"annotations": {fencing.ANNOTATION: note}}, "spec": {"renewTime": renewed}})


def test_a_promise_counts_for_the_renewal_it_came_with() -> None:
    one = fencing.Promise(52, ("a", "b"))
    assert one.text("2026-01-01T00:00:00.000000Z") == "2026-01-01T00:00:00.000000Z 52 a,b"
    assert fencing.promise(lease("2026-01-01T00:00:00.000000Z", one.text("2026-01-01T00:00:00.000000Z"))) == one
    assert fencing.promise(lease("2026-01-01T00:00:10.000000Z", one.text("2026-01-01T00:00:00.000000Z"))) is None


@pytest.mark.parametrize(
    "note", ["", "T", "T 52", "T 52 ", "T x a", "T -1 a", "T nan a", "T 1e9 a", "T 52 a b", "T 52 ,"]
)
def test_what_is_no_promise_is_not_relied_on(note: str) -> None:
    now = "2026-01-01T00:00:00.000000Z"
    assert fencing.promise(lease(now, note.replace("T", now))) is None
