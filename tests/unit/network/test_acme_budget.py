"""Authorities are not asked more often than they bear, whatever happens to the Secrets."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from wherry.api.networking.site_certificates import Refused
from wherry.network.acme_budget import ORDERS, ORDERS_WITHIN, SAME, SAME_WITHIN, Budget

ONE, TWO = ("a.org",), ("b.org",)


@dataclass
class Watch:
    """A clock that stands where it is put."""

    at: float = 1000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


def wait(budget: Budget, names: tuple[str, ...]) -> float:
    """Seconds that an order has to wait."""
    try:
        budget.order(names)
    except Refused as refused:
        return refused.after
    return 0.0


def test_orders_are_counted() -> None:
    watch = Watch()
    budget = Budget(watch)
    for n in range(ORDERS):
        assert wait(budget, (f"{n}.org",)) == 0
    watch.at += 100
    assert wait(budget, ONE) == ORDERS_WITHIN - 100
    watch.at += ORDERS_WITHIN - 100
    assert wait(budget, ONE) == 0


def test_certificates_for_the_same_names_are_counted() -> None:
    watch = Watch()
    budget = Budget(watch)
    for _ in range(SAME):
        budget.order(ONE)
        budget.issued(ONE)
        watch.at += 60
    assert wait(budget, ONE) == SAME_WITHIN - SAME * 60
    assert wait(budget, TWO) == 0
    watch.at += SAME_WITHIN
    assert wait(budget, ONE) == 0


def test_who_was_told_to_wait_waits() -> None:
    watch = Watch()
    budget = Budget(watch)
    budget.refused(ONE, 50)
    budget.refused(TWO, 0)
    watch.at += 20
    assert (wait(budget, ONE), wait(budget, TWO)) == (30, 0)
    watch.at += 30
    assert wait(budget, ONE) == 0
    budget.refused(ONE, 1)
    with pytest.raises(Refused, match="left alone"):
        budget.order(ONE)
