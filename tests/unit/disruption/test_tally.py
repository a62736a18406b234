"""Counting: gaps, what belongs to which disturbance, sums, and that nothing is lost on the way through JSON."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from tests.disruption.tally import MOST, QUIET, Counts, Failure, Row, Tally, by_row, decode, merged

A, B = Row("new", "Service"), Row("new", "Ingress")


def failure(at: float = 0.0, during: str = QUIET) -> Failure:
    return Failure(at, during, "new", "Service", "10.0.0.1:80", "Late: no answer", 5.0)


def test_a_gap_is_the_time_between_two_answers_of_a_row() -> None:
    tally = Tally()
    tally.begin(A, 10.0)
    for now in (10.1, 10.2, 11.7, 11.8):
        tally.answered(A, now, 0.05)
    tally.answered(B, 12.0, 0.01)
    tally.end(12.0)
    assert by_row(tally)[A] == Counts(requests=4, gap=1.5, slowest=0.05)
    assert by_row(tally)[B].gap == 0.0


def test_silence_at_the_beginning_and_at_the_end_is_a_gap() -> None:
    tally = Tally()
    tally.begin(A, 0.0)
    tally.answered(A, 2.0, 0.1)
    assert by_row(tally)[A].gap == 2.0
    tally.end(9.0)
    assert by_row(tally)[A].gap == 7.0
    tally.answered(A, 99.0, 0.1)  # it was under way at the end
    assert by_row(tally)[A].gap == 7.0


def test_a_failure_ends_no_gap() -> None:
    tally = Tally()
    tally.answered(A, 1.0, 0.1)
    tally.failed(A, failure())
    tally.answered(A, 3.0, 0.1)
    assert by_row(tally)[A] == Counts(requests=2, failed=1, gap=2.0, slowest=0.1)


def test_a_gap_belongs_to_the_disturbance_in_which_it_ended() -> None:
    tally = Tally()
    tally.answered(A, 1.0, 0.1)
    tally.during = "agent killed"
    tally.answered(A, 4.0, 0.1, again=True, stale=True)
    tally.cut(A)
    assert tally.counts["agent killed"][A] == Counts(1, again=1, stale=1, cut=1, gap=3.0, slowest=0.1)
    assert tally.counts[QUIET][A] == Counts(1, slowest=0.1)


def test_all_failures_are_counted_and_the_first_are_kept() -> None:
    tally = Tally()
    for number in range(MOST + 5):
        tally.failed(A, failure(number))
    assert tally.total().failed == MOST + 5
    assert [one.at for one in tally.failures] == list(range(MOST))


EVENTS = st.lists(
    st.tuples(
        st.sampled_from([A, B]),
        st.sampled_from(["answered", "again", "failed", "cut"]),
        st.sampled_from([QUIET, "rolling update"]),
    )
)


def played(events: list[tuple[Row, str, str]]) -> Tally:
    tally = Tally()
    for now, (row, what, during) in enumerate(events):
        tally.during = during
        if what in ("answered", "again"):
            tally.answered(row, now, now / 10, again=what == "again")
        elif what == "failed":
            tally.failed(row, failure(now, during))
        else:
            tally.cut(row)
    return tally


@given(EVENTS, EVENTS)
def test_sums_agree_with_what_happened_whichever_way_they_are_made(
    one: list[tuple[Row, str, str]], two: list[tuple[Row, str, str]]
) -> None:
    whole = merged(decode(json.loads(json.dumps(played(events).encode()))) for events in (one, two))
    happened = [what for _, what, _ in one + two]
    total = whole.total()
    assert total.requests == happened.count("answered") + happened.count("again")
    assert (total.failed, total.again, total.cut) == tuple(map(happened.count, ("failed", "again", "cut")))
    rows = by_row(whole).values()
    assert sum(row.requests for row in rows) == total.requests
    assert max((row.gap for row in rows), default=0.0) == total.gap
    assert [f.at for f in whole.failures] == sorted(f.at for f in whole.failures)
    assert len(whole.failures) == total.failed
