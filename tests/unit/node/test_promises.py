"""What an agent has promised, and that no server ever replaces a pod that still runs, whatever the network does."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wherry.api.core import fencing
from wherry.api.types.coordination import Lease, LeaseSpec
from wherry.controllers.renewals import Renewals
from wherry.machinery.meta import ObjectMeta
from wherry.machinery.time import MicroTime
from wherry.node.promises import EARLY, Standing

W = ("a", "b", "c")
END = fencing.SECONDS - EARLY


def test_time_counts_from_the_last_answered_renewal() -> None:
    one = Standing(0.0)
    assert one.deadline is None
    assert not one.lapsed(1e9)
    one = one.sending(W, 100.0)
    assert one.deadline == 152.0, "a server may have it already"
    one = one.answer(W, 100.0)
    assert not one.lapsed(149.9)
    assert one.lapsed(150.0)
    later = one.sending(W, 110.0)
    assert later.deadline == 152.0, "what has no answer puts nothing off"
    assert later.answer(W, 110.0).deadline == 162.0


def test_every_promise_that_a_server_may_hold_binds() -> None:
    one = Standing(0.0).sending(W, 0.0).answer(W, 0.0).sending(("a", "d", "e"), 10.0)
    assert one.sets == (W, ("a", "d", "e"))
    assert one.heard({"a", "b"}, 40.0) == one, "not enough of the second set"
    assert one.heard({"a", "b", "d"}, 40.0).deadline == 92.0
    assert one.answer(("a", "d", "e"), 20.0).sets == (("a", "d", "e"),)
    assert one.answer((), 20.0).deadline is None


@pytest.mark.parametrize(("away", "goes_on"), [("a", False), ("ab", True), ("abc", True), ("bc", True), ("ax", False)])
def test_half_of_the_witnesses_must_be_away(away: str, *, goes_on: bool) -> None:
    one = Standing(0.0).sending(W, 0.0).answer(W, 0.0)
    assert one.asks(fencing.AWAY)
    assert not one.asks(fencing.AWAY - 1)
    assert one.heard(set(away), 40.0).lapsed(60.0) is not goes_on


def test_a_witness_is_away_only_when_no_server_can_see_it_fresh() -> None:
    one = Standing(0.0).answer((), 100.0)
    assert not one.away(100.0 + 2 * fencing.RENEWAL + 10 + fencing.FRESH - 0.1)
    assert one.away(100.0 + fencing.AWAY)
    assert fencing.AWAY >= 2 * fencing.RENEWAL + 10 + fencing.FRESH
    assert fencing.AWAY + 10 + 3 < END, "when all lose the API, the last to notice is still in time"


# --- Both sides, and a network that does as it likes


@dataclass
class Agent:
    """One agent on a clock of whole seconds; its renewals are sent every 10 seconds, or at once after a failure."""

    name: str
    at: float
    standing: Standing = field(default_factory=lambda: Standing(0.0))
    asked: float = -9.0
    dead: bool = False
    lease: Lease = field(default_factory=Lease)

    def renew(self, now: float, *, arrives: bool, answered: bool) -> None:
        """Send one renewal."""
        if self.standing.lapsed(now):
            self.dead = True
        self.standing = self.standing.sending(WITNESSES, now)
        if arrives:
            text = MicroTime(f"T{now}")
            notes = {fencing.ANNOTATION: fencing.Promise(fencing.SECONDS, WITNESSES).text(text)}
            self.lease = Lease(metadata=ObjectMeta(annotations=notes), spec=LeaseSpec(renew_time=text))
        if arrives and answered:
            self.standing = self.standing.answer(WITNESSES, now)
        self.at = now + (10 if arrives and answered else 10 + fencing.RENEWAL)


WITNESSES = ("n0", "n1", "n2")
LINKS = st.sampled_from(["up", "up", "down", "deaf"])
"""`deaf`: the renewal arrives, its answer does not; once, since then the connection is gone."""


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[int, list[str], list[bool]]]:
    """Phases: how long, the state of each node's way to the API, and which nodes hear each other (01, 02, 12)."""
    phase = st.tuples(
        st.integers(1, 80), st.lists(LINKS, min_size=3, max_size=3), st.lists(st.booleans(), min_size=3, max_size=3)
    )
    return draw(st.lists(phase, min_size=1, max_size=6))


PAIRS = {(0, 1): 0, (0, 2): 1, (1, 2): 2}


@settings(max_examples=400, deadline=None)
@given(histories(), st.lists(st.integers(0, 9), min_size=3, max_size=3), st.booleans())
def test_nothing_is_replaced_that_still_runs(
    history: list[tuple[int, list[str], list[bool]]],
    offsets: list[int],
    stalls: bool,
) -> None:
    agents = [Agent(name, float(at)) for name, at in zip(WITNESSES, offsets, strict=True)]
    server, now = Renewals(), 0.0
    for length, ways, hears in [(30, ["up"] * 3, [True] * 3), *history]:
        deaf = dict.fromkeys(range(3), True)
        for _ in range(length):
            now += 1
            for n, agent in enumerate(agents):
                _live(agents, n, now, ways, hears, deaf)
                if not (stalls and length % 2):  # a server that does not come to look sees it all at once, later
                    server.saw(agent.name, agent.lease, now)
            for agent in agents:
                if server.fenced(agent.name, agent.lease, now):
                    assert agent.dead or agent.standing.lapsed(now - 1), (agent, now)


def _live(
    agents: list[Agent], n: int, now: float, ways: list[str], hears: list[bool], deaf: dict[int, bool]
) -> None:  # fmt: skip
    """One second of one agent."""
    agent = agents[n]
    if agent.standing.lapsed(now):
        agent.dead = True
    if now >= agent.at:
        once = ways[n] == "deaf" and deaf[n]
        deaf[n] = deaf[n] and not once
        agent.renew(now, arrives=ways[n] == "up" or once, answered=ways[n] == "up")
    if agent.standing.asks(now) and now - agent.asked >= 3:
        agent.asked = now
        others = [m for m in range(3) if m != n and hears[PAIRS[min(n, m), max(n, m)]]]
        away = {agents[m].name for m in others if agents[m].standing.away(now)} | {agent.name}
        agent.standing = agent.standing.heard(away, now)
