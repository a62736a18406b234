"""Every check of the benchmark passes where nothing is wrong, and sees the one thing that is wrong for it."""

from __future__ import annotations

import pytest

from tests.unit.app.benchmark import control_plane
from tests.unit.app.benchmark.good import GOOD
from wherry.app.benchmark.check import Check
from wherry.app.benchmark.checks import CHECKS
from wherry.app.benchmark.facts import Facts

WRONG: dict[str, Facts] = {**control_plane.WRONG}
MANUAL = {"1.2.20"}
"""What only a person can tell: the evidence follows what is there."""


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_nothing_is_wrong(check: Check) -> None:
    found = check.verdict(GOOD)
    assert found.status in (("manual",) if check.id in MANUAL else ("pass", "not applicable")), found
    assert found.evidence


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_what_is_wrong_is_seen(check: Check) -> None:
    found = check.verdict(WRONG[check.id])
    if check.id in MANUAL:
        assert found.evidence != check.verdict(GOOD).evidence
    else:
        assert found.status == ("warn" if check.person else "fail"), found
