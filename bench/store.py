"""Durable appends per second: one writer after another, and 64 at once, beside what the disk alone can do.

`python bench/store.py [seconds]` prints one table. Durability: SQLite WAL, synchronous=FULL; a write counts when its
caller has been woken, that is after fsync. "busy loop": the event loop's thread burns all it can meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from wherry.store.sqlite import SqliteLog

VALUE = b'{"kind":"Pod","apiVersion":"v1","metadata":{"name":"x"},"data":"' + b"x" * 2_340 + b'"}'


async def writer(log: SqliteLog, name: str, end: float, took: list[float]) -> None:
    """Write one key after another until `end`."""
    number = 0
    while (start := time.perf_counter()) < end:
        number += 1
        await log.append(f"/registry/core/pods/{name}/{number}", VALUE, 0)
        took.append(time.perf_counter() - start)


async def busy(end: float) -> None:
    """Keep the loop's thread at 100 %, in slices of half a millisecond."""
    while time.perf_counter() < end:
        until = time.perf_counter() + 0.0005
        while time.perf_counter() < until:
            pass
        await asyncio.sleep(0)


async def measure(folder: Path, writers: int, seconds: float, *, burn: bool) -> list[float]:
    """Latencies of `writers` parallel writers."""
    log = await SqliteLog.open(folder / f"{writers}-{burn}.db")
    end, took = time.perf_counter() + seconds, list[float]()
    async with asyncio.TaskGroup() as tasks:
        for number in range(writers):
            tasks.create_task(writer(log, str(number), end, took))
        if burn:
            tasks.create_task(busy(end))
    await log.close()
    return took


def raw(folder: Path, seconds: float) -> list[float]:
    """The disk's own: append 2.4 kB and fdatasync."""
    took, end = list[float](), time.perf_counter() + seconds
    opened = os.open(folder / "raw", os.O_WRONLY | os.O_CREAT, 0o600)
    while (start := time.perf_counter()) < end:
        os.write(opened, VALUE)
        os.fdatasync(opened)
        took.append(time.perf_counter() - start)
    os.close(opened)
    return took


def row(name: str, took: list[float], seconds: float, cpu: float) -> str:
    """One line of the table."""
    cuts = statistics.quantiles(took, n=100)
    times = f"{cuts[49] * 1e3:8.2f} {cuts[98] * 1e3:8.2f}"
    return f"{name:34} {len(took) / seconds:9,.0f}/s {times} {cpu / len(took) * 1e6:9.0f}"


def main() -> None:
    """Print the table."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 3.0
    print(f"{'2.4 kB values':34} {'rate':>11} {'p50 ms':>8} {'p99 ms':>8} {'CPU us':>9}")
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        cases = [(1, False), (64, False), (1, True), (64, True)]
        cpu = time.process_time()
        print(row("disk alone, write + fdatasync", raw(folder, seconds), seconds, time.process_time() - cpu))
        for writers, burn in cases:
            cpu = time.process_time()
            took = uvloop.run(measure(folder, writers, seconds, burn=burn))
            label = f"{writers} writer{'s' if writers > 1 else ''}{', busy loop' if burn else ''}"
            print(row(label, took, seconds, time.process_time() - cpu))


if __name__ == "__main__":
    main()
