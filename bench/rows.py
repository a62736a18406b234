"""Rows of the table: what was measured, the figure, what it should be."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One line. `goal` as in the list of targets, "" where there is none."""

    what: str
    figure: str
    goal: str = ""


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of all lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def latencies(seconds: Sequence[float]) -> str:
    """p50 and p99 in milliseconds."""
    return f"p50 {statistics.median(seconds) * 1000:.2f} ms, p99 {percentile(seconds, 0.99) * 1000:.2f} ms"


def table(rows: Iterable[Row]) -> str:
    """All rows, aligned."""
    lines = [("what", "measured", "goal"), *((r.what, r.figure, r.goal) for r in rows)]
    widths = [max(len(line[n]) for line in lines) for n in range(3)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
