"""What clients asked and were answered, judged: is there one order of all of it that explains every answer?

Strict serialisability, decided exactly and in linear time, because the store itself names an order: its persisted log.
A search for any order at all (porcupine's) is not needed, and would accept more. An answer is right at certain
positions of that order: a write at its own, a read or a refusal wherever the state was as it says. Calls that followed
each other in real time need positions that do so too; as every later call only needs a position that is not too early,
giving each call its earliest right one finds a solution if there is any (a property test compares this with a search).

    python -m tests.support.history REPORT     # judges a stored report once more
https://github.com/etcd-io/etcd/tree/main/tests/robustness  https://jepsen.io/consistency/models/strong-serializable
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec

Verb = Literal["create", "update", "delete", "get", "list"]
UNKNOWN = 0
"""As a code: the connection was lost, or the server says that it does not know."""
NOT_DONE = 503
FOREVER = sys.maxsize
Span = tuple[int, int]
"""First and last position. The write of revision r is at 2r, what can be seen after it at 2r + 1."""


class Item(msgspec.Struct, frozen=True, array_like=True):
    """An object as it was shown."""

    name: str
    revision: int
    value: str


class Call(msgspec.Struct, frozen=True):
    """One request and its answer. `begun`, `ended`: seconds on one clock."""

    verb: Verb
    begun: float
    ended: float
    code: int
    name: str = ""
    value: str = ""
    """What is to be written: every attempt has one of its own."""
    expected: int = 0
    """The revision that is to be there; 0: any."""
    revision: int = 0
    """Of the answer: of the object, of the list."""
    uid: str = ""
    """Of what was deleted."""
    items: tuple[Item, ...] = ()
    limit: int = 0
    after: str = ""
    """A page's: the last name of the one before it; then it shows the past, at `revision`."""


class Step(msgspec.Struct, frozen=True, array_like=True):
    """One row of the persisted log. `value` None: a deletion (and `uid` of what was deleted)."""

    revision: int
    name: str
    value: str | None
    uid: str


class Report(msgspec.Struct, frozen=True):
    """All that is needed to judge a run again."""

    calls: tuple[Call, ...]
    steps: tuple[Step, ...]
    start: int
    """The newest revision before the first call."""


class Story:
    """The persisted log, asked what was true when."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = steps
        self.at = {step.revision: step for step in steps}
        self.of: dict[str, list[Step]] = defaultdict(list)
        for step in steps:
            self.of[step.name].append(step)
        self.written = {step.value: step for step in steps if step.value is not None}
        self.deleted = {step.uid: step for step in steps if step.value is None}

    def before(self, step: Step) -> Step | None:
        """What was there just before a step of the same name."""
        mine = self.of[step.name]
        place = bisect_right(mine, step.revision - 1, key=lambda one: one.revision)
        found = mine[place - 1] if place else None
        return None if found is None or found.value is None else found

    def states(self, name: str) -> Iterator[tuple[Step | None, Span]]:
        """Every state of a name, and how long it held."""
        begin, state = 0, None
        for step in self.of[name]:
            yield state, (begin, 2 * step.revision - 1)
            begin, state = 2 * step.revision + 1, None if step.value is None else step
        yield state, (begin, FOREVER)

    def listing(self, revision: int) -> list[Item]:
        """Everything as it was at a revision, sorted by name."""
        live = {}
        for step in self.steps:
            if step.revision > revision:
                break
            live[step.name] = step
        return [Item(s.name, s.revision, s.value) for _, s in sorted(live.items()) if s.value is not None]


def check(report: Report) -> list[str]:
    """Everything that is wrong, in words."""
    story = Story(report.steps)
    wrong = list(_inconsistent(story, report.calls))
    spans: dict[int, list[Span]] = {}
    for number, call in enumerate(report.calls):
        if call.code == UNKNOWN:
            continue
        spans[number] = list(_spans(story, call))
        if not spans[number]:
            wrong.append(f"no state explains {_words(call)}")
    floors, late = _in_time(report, spans)
    return wrong + late + list(_unexplained(story, report.calls, floors))


def _inconsistent(story: Story, calls: Iterable[Call]) -> Iterator[str]:
    revisions = [step.revision for step in story.steps]
    if revisions != sorted(set(revisions)):
        yield "the log is not in the order of its revisions"
    for value, times in Counter(step.value for step in story.steps if step.value is not None).items():
        if times > 1:
            yield f"{value} was written {times} times"
    for call in calls:
        if call.verb in ("create", "update") and call.code not in (200, 201, UNKNOWN) and call.value in story.written:
            yield f"it happened all the same: {_words(call)}"


def _spans(story: Story, call: Call) -> Iterator[Span]:
    """Where the answer of a call is right."""
    if call.code == NOT_DONE:
        yield (0, FOREVER)
    elif call.verb == "list":
        yield from _list_spans(story, call)
    elif call.code in (200, 201) and call.verb != "get":
        step = story.deleted.get(call.uid) if call.verb == "delete" else story.at.get(call.revision)
        if step is not None and _fits(story, call, step):
            yield (2 * step.revision, 2 * step.revision)
    else:
        yield from (span for state, span in story.states(call.name) if _shows(call, state))


def _list_spans(story: Story, call: Call) -> Iterator[Span]:
    expected = [item for item in story.listing(call.revision) if item.name > call.after]
    if list(call.items) == (expected[: call.limit] if call.limit else expected):
        yield (0, FOREVER) if call.after else (2 * call.revision + 1, 2 * call.revision + 1)


def _shows(call: Call, state: Step | None) -> bool:
    """Whether a read or a refusal tells of this state."""
    if call.code == 404:
        return state is None and call.verb != "create"
    if state is None:
        return False
    if call.code == 409:
        return call.verb == "create" or (call.expected not in (0, state.revision) and call.verb != "get")
    return (state.revision, state.value) == (call.revision, call.value)


def _fits(story: Story, call: Call, step: Step) -> bool:
    """Whether a step is what a call had to do."""
    before = story.before(step)
    if step.name != call.name or (call.verb == "create") is not (before is None):
        return False
    if call.expected and (before is None or before.revision != call.expected):
        return False
    return step.value is None if call.verb == "delete" else step.value == call.value


def _in_time(report: Report, spans: dict[int, list[Span]]) -> tuple[dict[int, int], list[str]]:
    """The earliest position that each call may have, by what was answered before it began; and who has none."""
    moments = [(call.begun, 0, number) for number, call in enumerate(report.calls)]
    moments += [(report.calls[number].ended, 1, number) for number in spans]
    reached, wrong = 2 * report.start + 1, []
    floors: dict[int, int] = {}
    places: dict[int, int] = {}
    for _, end, number in sorted(moments):
        if end:
            reached = max(reached, places[number])
            continue
        floors[number] = reached
        right = [max(first, reached) for first, last in spans.get(number, ()) if last >= reached]
        places[number] = min(right, default=reached)
        if spans.get(number) and not right:
            wrong.append(f"older than what had been answered (position {reached}): {_words(report.calls[number])}")
    return floors, wrong


def _unexplained(story: Story, calls: Sequence[Call], floors: dict[int, int]) -> Iterator[str]:
    """Steps that nobody asked for, or before anybody did."""
    tried = {call.value: number for number, call in enumerate(calls) if call.verb in ("create", "update")}
    known = Counter(call.uid for call in calls if call.verb == "delete" and call.code == 200)
    yield from (f"{uid} was deleted {times} times" for uid, times in known.items() if times > 1)
    unsure = [n for n, call in enumerate(calls) if call.verb == "delete" and call.code == UNKNOWN]
    for step in story.steps:
        at = 2 * step.revision
        if step.value is not None:
            number = tried.get(step.value)
            if number is None or not _fits(story, calls[number], step):
                yield f"nobody asked for {step}"
            elif floors[number] > at:
                yield f"{step} was done before it was asked for: {_words(calls[number])}"
        elif step.uid not in known:
            may = [n for n in unsure if floors[n] <= at and _fits(story, calls[n], step)]
            if not may:
                yield f"nobody asked for {step}"
                continue
            # whoever could do only this one: with a revision expected, it fits no other
            unsure.remove(min(may, key=lambda n: (calls[n].expected == 0, n)))


def _words(call: Call) -> str:
    return msgspec.json.encode(call).decode()


def main(argv: Sequence[str]) -> int:
    """Judge stored reports."""
    wrong = [what for name in argv for what in check(msgspec.json.decode(Path(name).read_bytes(), type=Report))]
    sys.stdout.write("\n".join(wrong or ["all is explained"]) + "\n")
    return int(bool(wrong))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
