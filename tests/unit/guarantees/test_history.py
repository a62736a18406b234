"""The judge of histories against a search for any order at all, and what it says of the bugs that the field has had."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support.history import UNKNOWN, Call, Item, Report, Step, check

NAMES = ("a", "b")
START = 10
Live = dict[str, Step]


def explains(report: Report) -> bool:
    """A naive twin: tries every order of the calls in which whoever had ended comes before whoever began later."""
    calls, steps = report.calls, report.steps
    seen: set[tuple[frozenset[int], int, int]] = set()

    def search(left: frozenset[int], done: int, now: int) -> bool:
        """Whether the calls that are left can follow `done` steps, at revision `now`."""
        if (left, done, now) in seen:
            return False
        seen.add((left, done, now))
        known = [n for n in left if calls[n].code != UNKNOWN]
        if not known and done == len(steps):
            return True
        first = min((calls[n].ended for n in known), default=float("inf"))
        coming = steps[done] if done < len(steps) else None
        after = {n: _next(calls[n], _live(steps[:done]), coming, now) for n in left if calls[n].begun <= first}
        return any(search(left - {n}, done + more[0], more[1]) for n, more in after.items() if more is not None)

    return search(frozenset(range(len(calls))), 0, report.start)


def _live(steps: Sequence[Step]) -> Live:
    last = {step.name: step for step in steps}
    return {name: step for name, step in last.items() if step.value is not None}


def _next(call: Call, live: Live, coming: Step | None, now: int) -> tuple[int, int] | None:
    """How many steps and which revision a call leads to if it happens now; None if it cannot."""
    if call.code in (200, UNKNOWN) and call.verb not in ("get", "list"):
        if coming is not None and now < coming.revision and _writes(call, live, coming):
            return 1, coming.revision
        return None
    if call.verb == "list":
        fits = now <= call.revision and (coming is None or call.revision < coming.revision)
        return (0, call.revision) if fits and list(call.items) == _items(live) else None
    return (0, now) if _answers(call, live) else None


def _items(live: Live) -> list[Item]:
    return [Item(name, step.revision, step.value or "") for name, step in sorted(live.items())]


def _writes(call: Call, live: Live, step: Step) -> bool:
    """Whether a call, if it happens now, is that step."""
    there = live.get(call.name)
    if step.name != call.name or (there is None) is not (call.verb == "create"):
        return False
    if call.expected and (there is None or there.revision != call.expected):
        return False
    if call.verb == "delete":
        known = call.uid or step.uid
        return step.value is None and known == step.uid
    return step.value == call.value and (call.code == UNKNOWN or call.revision == step.revision)


def _answers(call: Call, live: Live) -> bool:
    there = live.get(call.name)
    if call.code == 503:
        return True
    if call.code == 404:
        return there is None and call.verb != "create"
    if there is None:
        return False
    if call.code == 409:
        return call.verb == "create" or (call.verb != "get" and call.expected not in (0, there.revision))
    return (there.revision, there.value) == (call.revision, call.value)


class Store:
    """A right store: what it answers, one call after the other."""

    def __init__(self, source: Any) -> None:
        self._draw = source
        self.live: Live = {}
        self.steps: list[Step] = []
        self.revision = START

    def answer(self, call: Call) -> Call:
        """The call with its answer."""
        there = self.live.get(call.name)
        if call.verb == "list":
            return replace(call, name="", revision=self.revision, items=tuple(_items(self.live)))
        if (call.verb == "create") is not (there is None):
            return replace(call, code=409 if there is not None else 404)
        if there is not None and call.expected not in (0, there.revision):
            return replace(call, code=409)
        if call.verb == "get" and there is not None:
            return replace(call, revision=there.revision, value=there.value or "")
        if not self._draw(st.integers(0, 5)):
            return replace(call, code=self._draw(st.sampled_from((UNKNOWN, 503))))
        done = self._write(call, "" if there is None else there.uid)
        return done if self._draw(st.integers(0, 3)) else replace(call, code=UNKNOWN)

    def _write(self, call: Call, uid: str) -> Call:
        self.revision += self._draw(st.integers(1, 2))
        step = Step(self.revision, call.name, call.value or None, uid or f"u{self.revision}")
        self.steps.append(step)
        self.live = _live(self.steps)
        return replace(call, uid=uid) if call.verb == "delete" else replace(call, revision=self.revision)


@st.composite
def reports(draw: Any) -> Report:
    """A few calls as a right store answers them, some of them at the same time, and perhaps one thing that is wrong."""
    store, calls = Store(draw), []
    for moment in range(draw(st.integers(1, 6))):
        verb = draw(st.sampled_from(("create", "update", "delete", "get", "list")))
        begun, ended = moment - draw(st.integers(0, 3)) - 0.1, moment + draw(st.integers(0, 3)) + 0.1
        expected = draw(st.sampled_from((0, 0, START + 1, store.revision))) if verb in ("update", "delete") else 0
        value = f"v{moment}" if verb in ("create", "update") else ""
        calls.append(store.answer(Call(verb, begun, ended, 200, draw(st.sampled_from(NAMES)), value, expected)))
    report = Report(tuple(calls), tuple(store.steps), START)
    chosen: Report = draw(st.sampled_from((report, *spoilt(report))))
    return chosen


def spoilt(report: Report) -> list[Report]:
    """The same with one thing changed: when, what or which revision somebody was answered, or what is stored."""
    found = [replace(report, steps=report.steps[:-1])] if report.steps else []
    for number, call in enumerate(report.calls):
        changed = [
            replace(call, begun=call.begun - 3),
            replace(call, ended=call.begun),
            replace(call, begun=call.ended),
        ]
        if call.verb == "get":
            changed += [replace(call, code=404), *(replace(call, code=200, revision=s.revision, value=s.value or "")
                                                   for s in report.steps if s.name == call.name)]  # fmt: skip
        if call.verb == "list":
            changed += [replace(call, revision=call.revision + by) for by in (-1, 1)]
        if call.code in (200, UNKNOWN) and call.verb not in ("get", "list"):
            changed += [replace(call, code=code) for code in (404, 409, 503, UNKNOWN)]
        found += [replace(report, calls=(*report.calls[:number], one, *report.calls[number + 1 :])) for one in changed]
    return found


@given(reports())
def test_the_judge_finds_an_order_where_a_search_does(report: Report) -> None:
    assert (check(report) == []) is explains(report)


STEPS = (Step(11, "a", "1", "u"), Step(12, "a", "2", "u"), Step(14, "a", None, "u"))
WROTE = (
    Call("create", 0, 1, 200, "a", "1", revision=11),
    Call("update", 2, 3, 200, "a", "2", expected=11, revision=12),
    Call("delete", 4, 5, 200, "a", uid="u"),
)


def said(*calls: Call, steps: tuple[Step, ...] = STEPS, wrote: tuple[Call, ...] = WROTE) -> list[str]:
    return [what.split(":")[0].split(" (")[0] for what in check(Report((*wrote, *calls), steps, 10))]


def test_what_is_right_is_right() -> None:
    assert said() == []
    assert said(Call("list", 1.5, 3.5, 200, revision=11, items=(Item("a", 11, "1"),))) == []
    assert said(Call("list", 6, 7, 200, revision=14)) == []
    old_page = Call("list", 6, 7, 200, revision=12, items=(Item("a", 12, "2"),), after="A", limit=5)
    assert said(old_page) == [], "a later page shows the past"


def test_an_acknowledged_write_that_was_lost() -> None:
    assert said(steps=STEPS[:2]) == ['no state explains {"verb"']


def test_a_stale_read_after_a_restart() -> None:
    assert said(Call("get", 3.1, 3.2, 200, "a", "1", revision=11)) == ["older than what had been answered"]
    assert said(Call("list", 6, 7, 200, revision=12, items=(Item("a", 12, "2"),))) == [
        "older than what had been answered"
    ]


def test_a_revision_that_goes_back() -> None:
    lists = [Call("list", 6, 7, 200, revision=20), Call("list", 8, 9, 200, revision=19)]
    assert said(*lists) == ["older than what had been answered"]


def test_a_page_of_another_moment_than_the_first() -> None:
    page = Call("list", 6, 7, 200, revision=12, items=(), after="A", limit=5)
    assert said(page) == ['no state explains {"verb"']


def test_a_refused_write_that_happened_and_one_that_nobody_asked_for() -> None:
    assert said(wrote=(replace(WROTE[0], code=503), *WROTE[1:]))[0] == "it happened all the same"
    assert said(wrote=WROTE[:2])[0].startswith("nobody asked for")


def test_a_report_can_be_judged_again(tmp_path: Path) -> None:
    for steps, code in ((STEPS, 0), (STEPS[:2], 1)):
        (tmp_path / "report").write_bytes(msgspec.json.encode(Report(WROTE, steps, 10)))
        argv = [sys.executable, "-m", "tests.support.history", str(tmp_path / "report")]
        assert subprocess.run(argv, cwd=Path(__file__).parents[3], check=False, capture_output=True).returncode == code
