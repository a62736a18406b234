"""What a run prints: one line per kind of client and way, one per disturbance, then the first failures. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.disruption.tally import Counts, Failure, Row, Tally, by_row, together

SHOWN = 20
"""Failures that are printed."""
_COLUMNS = ("requests", "failed", "asked again", "stale", "cut", "longest gap", "slowest")
_LEGEND = (
    "asked again: a kept connection ended before an answer began, or a datagram was lost; the client asked once more.\n"
    "stale: an endpoint refused that had been withdrawn; the client took another.\n"
    "cut: in flight through a process that was killed with kill -9, whose connections the kernel ends."
)


@dataclass(frozen=True, slots=True)
class Result:
    """What was counted, how long it took in seconds, and which disturbance has not ended well, "" for none."""

    tally: Tally
    seconds: float
    trouble: str = ""


def text(result: Result, wanted: int) -> str:
    """The whole report. `wanted`: how many requests there should have been."""
    tally, seconds = result.tally, result.seconds
    total = tally.total()
    rate = total.requests / seconds if seconds else 0.0
    parts = [
        _table(("client", "way", *_COLUMNS), [(row.kind, row.way, *_cells(c)) for row, c in by_row(tally).items()]),
        _table(("disturbance", *_COLUMNS, "gap of"), [_disturbance(name, rows) for name, rows in tally.counts.items()]),
        _LEGEND,
        _longest(tally),
        f"{total.requests:,} requests in {seconds / 60:.1f} minutes ({rate:,.0f}/s), {total.failed:,} failed",
    ]
    if tally.failures:
        first = "\n".join(map(_failure, range(SHOWN), tally.failures))
        parts.append(f"the first failures (all: {total.failed:,}):\n{first}")
    parts.append("FAILED: " + "; ".join(wrong) if (wrong := problems(result, wanted)) else "passed")
    return "\n\n".join(parts) + "\n"


def problems(result: Result, wanted: int) -> list[str]:
    """Why the run has not passed; none if it has."""
    total, found = result.tally.total(), [result.trouble] if result.trouble else []
    if total.failed:
        found.append(f"{total.failed:,} requests failed")
    if total.requests < wanted:
        found.append(f"only {total.requests:,} of {wanted:,} requests were made")
    silent = [f"{row.kind} by {row.way}" for row, counts in by_row(result.tally).items() if not counts.requests]
    if silent:
        found.append(f"nothing was answered: {', '.join(silent)}")
    return found


def _longest(tally: Tally) -> str:
    """For how long nobody of a kind was served its way, at most."""
    found = [(counts.gap, during, row) for during, rows in tally.counts.items() for row, counts in rows.items()]
    if not found:
        return "longest gap: nothing was counted"
    gap, during, row = max(found, key=lambda one: one[0])
    return f"longest gap: {_time(gap)}, {row.kind} by {row.way}, during {during}"


def _disturbance(name: str, rows: dict[Row, Counts]) -> tuple[str, ...]:
    worst = max(rows, key=lambda row: rows[row].gap)
    return (name, *_cells(together(rows.values())), f"{worst.kind}, {worst.way}")


def _cells(counts: Counts) -> tuple[str, ...]:
    numbers = (counts.requests, counts.failed, counts.again, counts.stale, counts.cut)
    return (*(f"{number:,}" for number in numbers), _time(counts.gap), _time(counts.slowest))


def _time(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms"


def _failure(number: int, failure: Failure) -> str:
    at = datetime.fromtimestamp(failure.at, UTC).strftime("%H:%M:%S.%f")[:-3]
    return (
        f"{number + 1}. {at} {failure.kind} by {failure.way} to {failure.target}, after {failure.seconds:.3f} s, "
        f"during {failure.during}: {failure.error}"
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[n]) for row in (head, *rows)) for n in range(len(head))]
    lines = []
    for row in (head, *rows):
        cells = [
            cell.rjust(width) if _is_number(head[n]) else cell.ljust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _is_number(column: str) -> bool:
    return column in _COLUMNS
