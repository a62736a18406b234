"""What wherry's own processes cost while nothing happens: memory from smaps_rollup, CPU from stat in /proc/<pid>."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Memory:
    """Megabytes (10^6 bytes): resident, and resident with what is shared divided among its users."""

    rss: float
    pss: float


def memory(pid: int) -> Memory:
    """Of one process."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    rss, pss = (int(fields[name].split()[0]) * 1024 / 1e6 for name in ("Rss", "Pss"))
    return Memory(rss, pss)


def cpu(pid: int) -> float:
    """Seconds of CPU used so far, all threads, without children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def shares(pids: Mapping[str, int], seconds: float) -> dict[str, float]:
    """Percent of a core that each process uses over the next `seconds`."""
    before = {name: cpu(pid) for name, pid in pids.items()}
    begun = time.perf_counter()
    time.sleep(seconds)
    took = time.perf_counter() - begun
    return {name: (cpu(pid) - before[name]) / took * 100 for name, pid in pids.items()}
