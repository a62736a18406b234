"""Several reads at once, for controllers that ask several servers, any of which may be slow or hang until its limit."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

R = TypeVar("R")


async def together(reads: Iterable[Coroutine[Any, Any, R]]) -> list[R]:
    """What each gave, in their order. Raises what the first one that failed did, after the others have been ended."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(read) for read in reads]
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None
    return [task.result() for task in tasks]
