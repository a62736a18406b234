"""Keep a task running: when it fails, say so and start it again after a back-off.

One part's bug must not take its neighbours down, and must not be silent either: each failure is logged with its
traceback. Cancellation, and the exceptions named as `fatal`, go through to the caller.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from wherry.aio.backoff import Backoff
from wherry.aio.clock import Clock

log = logging.getLogger(__name__)


async def keep_running(
    name: str,
    start: Callable[[], Awaitable[None]],
    clock: Clock,
    *,
    backoff: Backoff | None = None,
    fatal: tuple[type[Exception], ...] = (),
) -> None:
    """Run `start()` until it returns; start it again whenever it raises.

    Raises what `fatal` names, and CancelledError.
    """
    wait = backoff or Backoff(clock)
    while True:
        try:
            await start()
        except fatal:
            raise
        except Exception:
            own = asyncio.current_task()
            if own is not None and own.cancelling():
                # a TaskGroup that was failing already when the cancellation came tells only of its failure
                raise asyncio.CancelledError from None
            delay = wait.failed()
            log.exception("%s failed; starting again in %.2f s", name, delay)
            await asyncio.sleep(delay)
        else:
            return
