"""Which boot of the machine this is, and how long ago it was: what promises of a machine are measured with.

No asyncio: the watchdog, which must be small, uses it.
"""

from __future__ import annotations

import time
from pathlib import Path


def boot_id() -> str:
    """Another text after every boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def elapsed() -> float:
    """Seconds since boot that never go back and go on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
