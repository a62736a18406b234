"""A fault counts as seen only when a test failed by what it asserts."""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec
import pytest

from tests.guarantees.__main__ import Try, attempt
from tests.guarantees.row import ROOT, Edit, Fault, fault
from tests.guarantees.seeding import environment
from tests.guarantees.session import Happened, Outcome
from tests.guarantees.verdict import judge, judge_sound

MEMORY = "tests/contracts/store/test_log.py::test_a_wrong_expectation_writes_nothing"
WANTED = "(expected is not None and expected != current) or "


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        (None, "HUNG"),
        (Outcome(0), "NOT SEEN"),
        (Outcome(3), "NOT SEEN"),
        (Outcome(0, broken="cannot import"), "BROKEN"),
        (Outcome(2, (Happened("t", "call", ("AssertionError", "Exception")),)), "seen"),
        (Outcome(0, (Happened("t", "call", ("TimeoutError", "OSError")),)), "seen"),
        (Outcome(0, (Happened("t", "setup", ("AssertionError",)),)), "BROKEN"),
        (Outcome(0, (Happened("t", "call", ("TypeError", "Exception")),)), "BROKEN"),
        (Outcome(0, (Happened("t", "call", ("ModuleNotFoundError", "ImportError")),)), "BROKEN"),
    ],
)
def test_verdicts(outcome: Outcome | None, word: str) -> None:
    assert judge(outcome).word == word


def test_without_a_fault_everything_has_to_pass() -> None:
    assert judge_sound(Outcome(3)).word == "passed"
    for outcome in (Outcome(0), Outcome(3, broken="x"), Outcome(3, (Happened("t", "teardown", ("OSError",)),))):
        assert judge_sound(outcome).word == "BROKEN"


def test_a_text_that_does_not_stand_exactly_once_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("one\ntwo two\n")
    assert Edit("a.py", "one", "1").apply(tmp_path) == "1\ntwo two\n"
    for text in ("two", "three"):
        with pytest.raises(LookupError, match=r"a\.py: found [02] times, not once"):
            Edit("a.py", text, "1").apply(tmp_path)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (fault("a write is accepted at any revision", "store/memory.py", WANTED, ""), "seen"),
        (fault("an import of nothing", "store/memory.py", "import logging\n", "import logging, nothing\n"), "BROKEN"),
        (fault("a comment", "store/memory.py", "import logging\n", "import logging  # as before\n"), "NOT SEEN"),
    ],
)
def test_a_fault_is_seeded_and_seen(change: Fault, word: str) -> None:
    assert attempt(Try("-", (MEMORY,), change), 120).word == word


@pytest.mark.parametrize(("until", "failed"), [("first", 2), ("all", 3)])
def test_what_was_seen_once_is_not_looked_for_again(tmp_path: Path, until: str, failed: int) -> None:
    """A test that broke down has seen nothing: the run goes on."""
    (tmp_path / "test_three.py").write_text(
        "def test_a():\n    None.x\n\ndef test_b():\n    assert 0\n\ndef test_c():\n    assert 0\n"
    )
    result = tmp_path / "result"
    with environment(None) as folder:
        argv = [str(folder / "bin/python"), "-m", "tests.guarantees.session", str(result), until, str(tmp_path)]
        subprocess.run(argv, cwd=ROOT, check=True, capture_output=True, timeout=100)
    outcome = msgspec.json.decode(result.read_bytes(), type=Outcome)
    assert len(outcome.failed) == failed
    assert judge(outcome).word == "seen"
