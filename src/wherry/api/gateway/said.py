"""Conditions from verdicts. Pure.

https://gateway-api.sigs.k8s.io/guides/implementers/#conditions
"""

from __future__ import annotations

from collections.abc import Mapping

from wherry.api.gateway.world import Verdict
from wherry.machinery import conditions
from wherry.machinery.meta import Condition
from wherry.machinery.time import Time


def said(
    before: tuple[Condition, ...], verdicts: Mapping[str, Verdict | None], generation: int, now: Time
) -> tuple[Condition, ...]:
    """The conditions with what is to be said now; a verdict None takes one away; those of others stay."""
    found = before
    for name, verdict in verdicts.items():
        if verdict is None:
            found = conditions.remove(found, name)
            continue
        wanted = Condition(
            type=name, status=verdict.status, reason=verdict.reason, message=verdict.message[:32768],
            observed_generation=generation,
        )  # fmt: skip
        found = conditions.put(found, wanted, now)
    return found
