"""One pytest run in a seeded environment: `python -m tests.guarantees.session RESULT first|all NODEID...`.

Writes what every test did to the file RESULT, as JSON; what pytest prints is kept for whoever wants to know why.
With `first` it ends once a test has failed by what it asserts: a fault that was seen once is seen.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import wherry

BREAKDOWN = frozenset({"ImportError", "SyntaxError", "NameError", "AttributeError", "TypeError"})
"""Errors that a clumsy fault makes, whatever is asserted."""


class Happened(msgspec.Struct, frozen=True):
    """A test that failed: in which phase (setup, call, teardown), and by which types of exception."""

    test: str
    phase: str
    errors: tuple[str, ...]

    @property
    def asserted(self) -> bool:
        """It failed by what it asserts; it did not break down."""
        return self.phase == "call" and BREAKDOWN.isdisjoint(self.errors)


class Outcome(msgspec.Struct, frozen=True):
    """What a run did: how many tests passed, and those that failed. `broken`: what kept tests from being found."""

    passed: int
    failed: tuple[Happened, ...] = ()
    broken: str = ""


class Recorder:
    """A pytest plugin."""

    def __init__(self, *, first: bool) -> None:
        self._first = first
        self.passed = 0
        self.failed: list[Happened] = []
        self.broken = ""

    def pytest_configure(self) -> None:
        """The same examples each time, and no search for the smallest one: it is enough that there is one."""
        import hypothesis  # not earlier: pytest wants to see it imported

        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        hypothesis.settings.register_profile("seeded", phases=phases, derandomize=True, database=None, deadline=None)
        hypothesis.settings.load_profile("seeded")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[Any]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """What became of a test."""
        report = yield
        if report.failed:
            errors = tuple(sorted(_types(call.excinfo.value))) if call.excinfo is not None else ()
            self.failed.append(Happened(report.nodeid, str(report.when), errors))
            if self._first and self.failed[-1].asserted:
                item.session.shouldstop = "seen"
        elif report.when == "call" and report.passed:
            self.passed += 1
        return report

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that could not be read."""
        if report.failed:
            self.broken = str(report.longrepr)[-2000:]


def _types(error: BaseException) -> set[str]:
    """The types of an exception, of its parts if it is a group."""
    if isinstance(error, BaseExceptionGroup):
        return set().union(*(_types(part) for part in error.exceptions))
    return {cls.__name__ for cls in type(error).__mro__}


def main() -> int:
    """Run."""
    result, until, *tests = sys.argv[1:]
    assert Path(sys.prefix) in Path(wherry.__file__).parents, f"not the seeded copy: {wherry.__file__}"
    recorder = Recorder(first=until == "first")
    # native: to show the source of a failure pytest parses it, where Python 3.11 may fail at its own recursion count
    options = ["-q", "--tb=native", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:schemathesis"]
    try:
        pytest.main([*options, *tests], plugins=[recorder])
    finally:  # it raises when a test that failed has left something open
        outcome = Outcome(recorder.passed, tuple(recorder.failed), recorder.broken)
        Path(result).write_bytes(msgspec.json.encode(outcome))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
