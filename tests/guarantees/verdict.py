"""Did a test see a fault? Only if it failed by what it asserts; a test that broke down proves nothing."""

from __future__ import annotations

from typing import Literal

import msgspec

from tests.guarantees.session import Outcome

Word = Literal["seen", "passed", "NOT SEEN", "BROKEN", "HUNG"]


class Verdict(msgspec.Struct, frozen=True):
    """A word and, where something is not as it has to be, the reason."""

    word: Word
    reason: str = ""


def judge(outcome: Outcome | None) -> Verdict:
    """None: the run was cut off, and the test neither passed nor failed in its time."""
    if outcome is None:
        return Verdict("HUNG", "neither passed nor failed in its time")
    if outcome.broken:
        return Verdict("BROKEN", outcome.broken)
    if any(failed.asserted for failed in outcome.failed):
        return Verdict("seen")
    for failed in outcome.failed:
        return Verdict("BROKEN", f"{failed.test} in {failed.phase}: {', '.join(failed.errors[:3])}")
    return Verdict("NOT SEEN", f"{outcome.passed} passed" if outcome.passed else "no test ran")


def judge_sound(outcome: Outcome) -> Verdict:
    """Of a run without a fault: everything has to pass."""
    wrong = [failed.test for failed in outcome.failed]
    if outcome.broken or wrong or not outcome.passed:
        return Verdict("BROKEN", outcome.broken or "without a fault: " + (", ".join(wrong) or "no test ran"))
    return Verdict("passed")
