"""Tally: what clients report, counted. Pure: times are passed in, in seconds of one clock.

A row is a kind of client and the way it takes. A gap is the time between two answers in a row that follow each other:
nobody of that kind was served that way meanwhile. It belongs to the disturbance under way when it ended. What a client
may do by itself (RFC 9110, 9.2.2: ask again when a kept connection ended before an answer began; a resolver's second
datagram; another endpoint when one that was withdrawn refuses) is no failure, but is counted apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

MOST = 200
"""Failures that are kept word for word; all are counted."""
QUIET = "no disturbance"


@dataclass(slots=True)
class Counts:
    """What happened. `requests`: answered as they should be. `again`: of these, how many were asked twice. `stale`: of
    these, how many found out by a refusal that an endpoint had been withdrawn. `cut`: lost with a connection that the
    kernel ended with the process that held it. Times are in seconds."""

    requests: int = 0
    failed: int = 0
    again: int = 0
    stale: int = 0
    cut: int = 0
    gap: float = 0.0
    slowest: float = 0.0

    def add(self, other: Counts) -> None:
        """Count the other's, too."""
        for one in fields(self):
            mine, its = getattr(self, one.name), getattr(other, one.name)
            setattr(self, one.name, max(mine, its) if one.name in ("gap", "slowest") else mine + its)


@dataclass(frozen=True, slots=True)
class Row:
    """A kind of client and its way."""

    kind: str
    way: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that was not answered as it should be. `at`: when it ended, as a Unix time; `seconds`: how long it
    took."""

    at: float
    during: str
    kind: str
    way: str
    target: str
    error: str
    seconds: float


@dataclass(slots=True)
class Tally:
    """Everything counted so far, by disturbance and row."""

    counts: dict[str, dict[Row, Counts]] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    during: str = QUIET
    _last: dict[Row, float] = field(default_factory=dict)

    def answered(self, row: Row, now: float, seconds: float, *, again: bool = False, stale: bool = False) -> None:
        """A request was answered."""
        counts = self._of(row)
        counts.requests += 1
        counts.again += again
        counts.stale += stale
        counts.slowest = max(counts.slowest, seconds)
        self._gap(row, now)

    def cut(self, row: Row) -> None:
        """A request was lost that nobody could have saved."""
        self._of(row).cut += 1

    def failed(self, row: Row, failure: Failure) -> None:
        """A request failed."""
        self._of(row).failed += 1
        if len(self.failures) < MOST:
            self.failures.append(failure)

    def begin(self, row: Row, now: float) -> None:
        """From now on somebody asks in this row."""
        self._last.setdefault(row, now)

    def end(self, now: float) -> None:
        """Nobody asks any more."""
        for row in list(self._last):
            self._gap(row, now)
        self._last.clear()

    def total(self) -> Counts:
        """All rows together."""
        return together(counts for rows in self.counts.values() for counts in rows.values())

    def encode(self) -> dict[str, Any]:
        """As JSON, for `decode`."""
        return {
            "counts": [
                [during, row.kind, row.way, asdict(counts)]
                for during, rows in self.counts.items()
                for row, counts in rows.items()
            ],
            "failures": [asdict(one) for one in self.failures],
        }

    def _of(self, row: Row) -> Counts:
        rows = self.counts.get(self.during)
        if rows is None:
            rows = self.counts[self.during] = {}
        counts = rows.get(row)
        if counts is None:
            counts = rows[row] = Counts()
        return counts

    def _gap(self, row: Row, now: float) -> None:
        last = self._last.get(row)
        if last is not None:
            counts = self._of(row)
            counts.gap = max(counts.gap, now - last)
        self._last[row] = now


def decode(encoded: Mapping[str, Any]) -> Tally:
    """What `Tally.encode` gave."""
    tally = Tally()
    for during, kind, way, counts in encoded["counts"]:
        tally.counts.setdefault(during, {})[Row(kind, way)] = Counts(**counts)
    tally.failures = [Failure(**one) for one in encoded["failures"]]
    return tally


def merged(tallies: Iterable[Tally]) -> Tally:
    """Several clients' tallies as one; the failures in order of time."""
    whole = Tally()
    for one in tallies:
        for during, rows in one.counts.items():
            for row, counts in rows.items():
                whole.counts.setdefault(during, {}).setdefault(row, Counts()).add(counts)
        whole.failures += one.failures
    whole.failures.sort(key=lambda failure: failure.at)
    return whole


def by_row(tally: Tally) -> dict[Row, Counts]:
    """All disturbances together."""
    rows = {row for found in tally.counts.values() for row in found}
    return {
        row: together(found[row] for found in tally.counts.values() if row in found)
        for row in sorted(rows, key=lambda row: (row.kind, row.way))
    }


def together(parts: Iterable[Counts]) -> Counts:
    """The sum; of gaps and durations the longest."""
    whole = Counts()
    for one in parts:
        whole.add(one)
    return whole
