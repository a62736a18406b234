"""Memory of the long-running processes: few malloc arenas, and what start-up used given back."""

from __future__ import annotations

import asyncio
import ctypes
import gc

M_ARENA_MAX = -8
M_TRIM_THRESHOLD = -1
ARENAS = 2
FIRST = 15.0
EVERY = 300.0


def begin() -> None:
    """Before any thread is made: glibc would give each thread an arena of its own, and never give back what it held.

    The cyclic garbage collector rests until `settle`: start-up makes much that stays.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_ARENA_MAX, ARENAS)
        libc.mallopt(M_TRIM_THRESHOLD, 1 << 20)
    gc.disable()


def settle() -> None:
    """When everything is built: what lives now is not looked at again, what start-up used goes back to the system."""
    gc.collect()
    gc.freeze()
    gc.enable()
    trim()


def trim() -> None:
    """Give free memory back to the system."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)


async def keep_small() -> None:
    """Trim once the first work is done, and now and then, until cancelled: bursts leave much behind."""
    await asyncio.sleep(FIRST)
    while True:
        await asyncio.to_thread(trim)
        await asyncio.sleep(EVERY)
