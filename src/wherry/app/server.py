"""The server process: API server, controllers and scheduler on one event loop.

SIGTERM or SIGINT: stop accepting, end watches, flush the store, exit, within a second. Everything it knows is in the
store, so it may as well be killed.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys

import uvloop

from wherry.aio.clock import Clock, SystemClock
from wherry.apiserver.authn.requestheader import SharedAuthority
from wherry.app import ahead, assemble, memory, store_defaults
from wherry.app import logging as logs
from wherry.app.config import Config, ConfigError
from wherry.store.log import Log, Unavailable

log = logging.getLogger(__name__)
PROBE = 2.0
"""Seconds between looks at whether the store still works."""


def main(config: Config, only: frozenset[str], *, verbose: bool) -> None:
    """Run until told to stop; exits with 1 when the store or the port fails."""
    memory.begin()
    logs.set_up(verbose=verbose)
    if ahead.asked():
        import wherry.controllers.registry  # what else is loaded in a thread, once the API listens
        import wherry.scheduler.loop  # noqa: F401

        store_defaults.mark()
        if not ahead.turn():
            sys.exit("nobody has given the word to begin")
    sys.exit(uvloop.run(serve(config, SystemClock(), only or assemble.PARTS)))


async def serve(config: Config, clock: Clock, only: frozenset[str]) -> int:
    """The exit status."""
    begun = clock.monotonic()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        plane = await assemble.control_plane(config, clock, only)
    except (ConfigError, SharedAuthority) as error:
        log.error("%s", error)  # noqa: TRY400 - the cause is known
        return 1
    except OSError as error:
        log.error("cannot serve on port %d: %s; see `wherry doctor`", config.port, error.strerror or error)  # noqa: TRY400 - the cause is known
        return 1
    memory.settle()
    log.info("serving on port %d after %.0f ms", config.port, (clock.monotonic() - begun) * 1000)
    tasks = [loop.create_task(job) for job in assemble.supervised(plane, clock)]
    broken = loop.create_task(_broken(plane.log))
    stopped = loop.create_task(stop.wait())
    await asyncio.wait([broken, stopped], return_when=asyncio.FIRST_COMPLETED)
    status = 0
    if broken.done() and not stop.is_set():
        log.error("%s; starting over", broken.result())
        status = 1
    for task in (*tasks, broken, stopped):
        task.cancel()
    await asyncio.gather(*tasks, broken, stopped, return_exceptions=True)
    await plane.stop()
    log.info("stopped")
    return status


async def _broken(store: Log) -> str:
    """Return, with the reason, when the store takes no more writes: it must be opened again, by a new process."""
    while True:
        await asyncio.sleep(PROBE)
        try:
            await store.after(store.revision)
        except Unavailable as error:
            return str(error)
