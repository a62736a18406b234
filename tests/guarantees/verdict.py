"""Did a test see a fault? Only if it failed by what it asserts; a test that broke down proves nothing."""

from __future__ import annotations

from typing import Literal

import msgspec

from tests.guarantees.session import Outcome

BREAKDOWN = frozenset({"ImportError", "SyntaxError", "NameError", "AttributeError", "TypeError"})
"""Errors that a clumsy fault makes, whatever is asserted."""

Word = Literal["seen", "NOT SEEN", "BROKEN", "HUNG"]


class Verdict(msgspec.Struct, frozen=True):
    """A word and, where it is not "seen", the reason."""

    word: Word
    reason: str = ""


def judge(outcome: Outcome | None) -> Verdict:
    """None: the run was cut off, and the test neither passed nor failed in its time."""
    if outcome is None:
        return Verdict("HUNG", "neither passed nor failed in its time")
    if outcome.broken:
        return Verdict("BROKEN", outcome.broken)
    if any(failed.phase == "call" and BREAKDOWN.isdisjoint(failed.errors) for failed in outcome.failed):
        return Verdict("seen")
    for failed in outcome.failed:
        return Verdict("BROKEN", f"{failed.test} in {failed.phase}: {', '.join(failed.errors[:3])}")
    return Verdict("NOT SEEN", f"{outcome.passed} passed" if outcome.passed else "no test ran")
