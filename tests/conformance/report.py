"""What a run says: the table, the JUnit file, and whether what passed before still does. Pure text from outcomes."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.conformance import specs
from tests.conformance.outcomes import MISSING, Outcome

WIDTH = 160


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: a SIG's counts, and the sum of its specs' seconds."""

    sig: str
    passed: int
    total: int
    seconds: float


def rows(outcomes: Sequence[Outcome]) -> list[Row]:
    """A row for each SIG, by name, and the sum of all."""
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault(specs.sig(outcome.name), []).append(outcome)
    return [*(_row(sig, groups[sig]) for sig in sorted(groups)), _row("all", outcomes)]


def _row(sig: str, outcomes: Sequence[Outcome]) -> Row:
    return Row(sig, sum(o.passed for o in outcomes), len(outcomes), sum(o.seconds for o in outcomes))


def table(outcomes: Sequence[Outcome]) -> str:
    """Per SIG passed and failed, the time of its specs, then each failure with its first line."""
    lines = [f"{'SIG':<18}{'passed':>8}{'failed':>8}{'percent':>9}{'seconds':>9}"]
    for row in rows(outcomes):
        percent = 100 * row.passed / row.total if row.total else 0.0
        lines.append(f"{row.sig:<18}{row.passed:>8}{row.total - row.passed:>8}{percent:>9.1f}{row.seconds:>9.0f}")
    failed = [outcome for outcome in outcomes if not outcome.passed]
    if failed:
        lines += ["", "failed:"]
    for outcome in failed:
        lines += [f"  {outcome.name}", f"      {outcome.first_line[:WIDTH]}"]
    return "\n".join(lines) + "\n"


def regressions(outcomes: Iterable[Outcome], passing: Iterable[str]) -> list[str]:
    """Specs of the run that are listed as passing and did not pass."""
    listed = frozenset(passing)
    return [outcome.name for outcome in outcomes if not outcome.passed and outcome.name in listed]


def junit(outcomes: Sequence[Outcome]) -> str:
    """The outcomes as JUnit XML."""
    failed = sum(not outcome.passed for outcome in outcomes)
    root = ET.Element("testsuites", tests=str(len(outcomes)), failures=str(failed))
    suite = ET.SubElement(root, "testsuite", name="conformance", tests=str(len(outcomes)), failures=str(failed))
    for outcome in outcomes:
        case = ET.SubElement(
            suite, "testcase", name=outcome.name, classname=f"sig-{specs.sig(outcome.name)}",
            time=f"{outcome.seconds:.3f}",
        )  # fmt: skip
        if not outcome.passed:
            kind = "error" if outcome.state == MISSING else "failure"
            said = ET.SubElement(case, kind, message=_printable(outcome.first_line), type=outcome.state)
            said.text = _printable(f"{outcome.message}\n{outcome.location}")
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _printable(text: str) -> str:
    """Without the characters that XML cannot hold."""
    return "".join(c for c in text if c in "\t\n\r" or (c >= " " and c not in "\ufffe\uffff"))
