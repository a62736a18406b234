"""An interrupted run of the guarantees goes on where it was, unless what it judges has changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guarantees.__main__ import Try, run
from tests.guarantees.record import Line, Record, state
from tests.guarantees.row import fault
from tests.guarantees.verdict import Verdict, Word

MEMORY = "tests/contracts/store/test_log.py::test_a_wrong_expectation_writes_nothing"
OTHER = "tests/contracts/store/test_log.py::test_of_racing_compare_and_swaps_one_wins"
BROKEN = fault(
    "a write is accepted at any revision",
    "store/memory.py",
    "(expected is not None and expected != current) or ",
    "",
)
SLOW, QUICK = (Try("1.a", (f"tests/{name}.py::t",), fault(name, "a.py", "a", "b")) for name in ("slow", "quick"))


def line(one: Try, word: Word = "seen", now: str = "s1", took: float = 1.0) -> Line:
    tests, name, environ = one.name
    return Line(now, "2026-11-26T13:00:00+00:00", one.row, tests, name, environ, word, "", took)


def test_what_was_seen_on_this_state_is_known(tmp_path: Path) -> None:
    path = tmp_path / "record"
    for one in (line(SLOW), line(QUICK, "NOT SEEN")):
        Record(path, "s1").keep(one)
    record = Record(path, "s1")
    assert record.known(SLOW.name) == Verdict("seen")
    assert record.known(QUICK.name) is None
    assert Record(path, "s2").known(SLOW.name) is None
    assert Record(path, "s2").took(SLOW.name) == 1.0


def test_the_same_fault_for_another_test_or_environment_is_another_try(tmp_path: Path) -> None:
    path = tmp_path / "record"
    Record(path, "s1").keep(line(SLOW))
    other = Try("1.a", SLOW.tests, SLOW.fault, (("WHERRY_ROUNDS", "20"),))
    assert Record(path, "s1").known(other.name) is None
    assert Record(path, "s1").known(Try("1.a", SLOW.tests, None).name) is None


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "record"
    Record(path, "s1").keep(line(SLOW))
    Record(path, "s1").keep(line(QUICK))
    path.write_bytes(path.read_bytes()[:-20])
    record = Record(path, "s1")
    assert (record.known(SLOW.name), record.known(QUICK.name)) == (Verdict("seen"), None)
    record.keep(line(QUICK))
    assert Record(path, "s1").known(QUICK.name) == Verdict("seen")


def test_a_run_goes_on_where_it_was_and_the_quick_ones_come_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "record"
    tries = [Try("1.slow", (MEMORY,), BROKEN), Try("1.quick", (OTHER,), BROKEN)]
    for one, took in zip(tries, (9.0, 2.0), strict=True):
        Record(path, "s0").keep(line(one, now="s0", took=took))
    assert [verdict.word for verdict in run(tries, Record(path, "s1"), 1, 120)] == ["seen", "seen"]
    told = capsys.readouterr().out
    assert 0 < told.index("1.quick") < told.index("1.slow")
    assert [verdict.word for verdict in run(tries, Record(path, "s1"), 1, 120)] == ["seen", "seen"]
    assert capsys.readouterr().out == "2 known already, on s1\n"


def test_the_state_is_that_of_the_files() -> None:
    assert state() == state() != ""
