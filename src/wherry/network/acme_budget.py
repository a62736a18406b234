"""How often an ACME authority may be asked at all. Authorities count, and refuse those who ask more.

The strictest public limits, with room to spare: https://letsencrypt.org/docs/rate-limits/. Kept in memory: it holds
what Secrets cannot, as when whole namespaces are made anew again and again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from wherry.aio.clock import Clock
from wherry.api.networking.site_certificates import Refused

ORDERS, ORDERS_WITHIN = 100, 3 * 3600.0
SAME, SAME_WITHIN = 4, 7 * 86_400.0
"""Certificates for the very same names."""


class Budget:
    """Counts orders and certificates of one account."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._orders: deque[float] = deque()
        self._issued: dict[tuple[str, ...], deque[float]] = {}
        self._quiet: dict[tuple[str, ...], float] = {}

    def order(self, names: Sequence[str]) -> None:
        """Count an order. Raises Refused when it must not be made now."""
        now, key = self._clock.monotonic(), tuple(names)
        self._forget(now)
        quiet = self._quiet.get(key, now)
        if quiet > now:
            raise Refused("the authority wants to be left alone", quiet - now)
        if len(self._orders) >= ORDERS:
            raise Refused(f"there were {ORDERS} orders within three hours", self._orders[0] + ORDERS_WITHIN - now)
        same = self._issued.get(key)
        if same is not None and len(same) >= SAME:
            raise Refused(f"there were {SAME} certificates for these names within a week", same[0] + SAME_WITHIN - now)
        self._orders.append(now)

    def issued(self, names: Sequence[str]) -> None:
        """Count a certificate."""
        self._issued.setdefault(tuple(names), deque()).append(self._clock.monotonic())

    def refused(self, names: Sequence[str], after: float) -> None:
        """The authority has named a time in seconds: none of these names before it is over."""
        if after > 0:
            self._quiet[tuple(names)] = self._clock.monotonic() + after

    def _forget(self, now: float) -> None:
        while self._orders and self._orders[0] <= now - ORDERS_WITHIN:
            self._orders.popleft()
        for times in self._issued.values():
            while times and times[0] <= now - SAME_WITHIN:
                times.popleft()
        self._issued = {names: times for names, times in self._issued.items() if times}
        self._quiet = {names: until for names, until in self._quiet.items() if until > now}
