"""What a run of the conformance suite says about itself."""

import datetime
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.conformance import outcomes, page, report, specs
from tests.conformance.outcomes import Outcome
from tests.conformance.specs import Selection, SelectionError

START = datetime.datetime(2026, 11, 25, 12, 0, 0, tzinfo=datetime.UTC)
JOBS = "[sig-apps] Job should run [Conformance]"
PODS = "[sig-node] Pods should start (once) [Conformance]"
PROXY = "[sig-network] Proxy should work [Serial] [Conformance]"


def outcome(name: str, state: str = "passed", message: str = "") -> Outcome:
    return Outcome(name, state, START, START + datetime.timedelta(seconds=5), message)


def test_the_table_counts_by_sig_and_shows_why() -> None:
    text = report.table([outcome(JOBS), outcome(PODS, "failed", "\n  timed out\nlong story")])
    lines = [line.split() for line in text.splitlines()]
    assert ["apps", "1", "0", "100.0", "5"] in lines
    assert ["node", "0", "1", "0.0", "5"] in lines
    assert ["all", "1", "1", "50.0", "10"] in lines
    assert text.splitlines()[-2:] == [f"  {PODS}", "      timed out"]


def test_a_spec_that_never_ended_has_not_passed() -> None:
    found = outcomes.complete({JOBS: outcome(JOBS)}, {JOBS, PODS})
    assert [(one.name, one.state) for one in found] == [(JOBS, "passed"), (PODS, "missing")]
    assert report.regressions(found, {PODS, PROXY}) == [PODS]


def test_a_spec_that_skipped_itself_has_not_passed() -> None:
    assert report.regressions([outcome(JOBS, "skipped", "needs more nodes")], {JOBS}) == [JOBS]


def test_what_failed_before_may_fail_again() -> None:
    assert report.regressions([outcome(JOBS, "failed")], {PODS}) == []


def test_junit_holds_every_spec_and_no_forbidden_characters() -> None:
    root = ET.fromstring(report.junit([outcome(JOBS), outcome(PODS, "failed", "bad \x1b[31m & <worse>")]))
    assert (root.get("tests"), root.get("failures")) == ("2", "1")
    failure = root.find(".//failure")
    assert failure is not None
    assert failure.get("message") == "bad [31m & <worse>"


def test_outcomes_are_read_line_by_line_the_last_counts_a_torn_one_does_not(tmp_path: Path) -> None:
    path = tmp_path / "outcomes.jsonl"
    line = (
        '{"name":"a","state":"%s","started":"2026-11-25T12:00:00.5Z","ended":"2026-11-25T12:00:02Z","serial":false}\n'
    )
    path.write_text(line % "failed" + line % "passed" + '{"name":"b","sta')
    found = outcomes.read(path)
    assert list(found) == ["a"]
    assert (found["a"].passed, found["a"].seconds) == (True, 1.5)
    assert outcomes.read(tmp_path / "none") == {}


def test_a_selection_is_by_expression_or_by_name() -> None:
    known = {JOBS, PODS, PROXY}
    assert Selection().of(known) == known
    assert Selection(focus="sig-(apps|node)", skip="Job").of(known) == {PODS}
    assert Selection(names=frozenset({PROXY})).of(known) == {PROXY}
    with pytest.raises(SelectionError, match="no conformance spec"):
        Selection(focus="sig-nothing").of(known)
    with pytest.raises(SelectionError, match="no spec 'typo'"):
        Selection(names=frozenset({"typo"})).of(known)


def test_the_expression_for_the_suite_takes_names_literally() -> None:
    assert specs.focus([PODS]) == r" (\[sig-node\] Pods should start \(once\) \[Conformance\])$"


def test_the_page_says_how_much_passes_and_what_does_not() -> None:
    text = page.text("v1.37.2", [JOBS, PODS], [JOBS, "gone"], "2026-11-25", "2 cores and 23 GiB of memory")
    assert "**1 of 2 specs pass\n(50.0 %)**" in text
    assert "| apps | 1 | 1 | 100.0 |" in text
    assert f"- {PODS}\n" in text
    assert f"- {JOBS}\n" not in text
