"""Health: who comes while it ends is closed with it, however far the loop has come with them."""

from __future__ import annotations

import asyncio
import gc
import socket

import pytest

from wherry.aio.clock import SystemClock
from wherry.api.core.node import NODE
from wherry.api.core.service import SERVICE
from wherry.api.discovery.endpointslice import ENDPOINTSLICE
from wherry.network.health import PORT, Health
from wherry.network.proxy import Proxy
from wherry.reconcile.cache import Caches

PLACE = "127.0.0.77"


async def end_under(caller: socket.socket, turns: int) -> None:
    """Serve, be called, end so many turns of the loop later."""
    clock, caches = SystemClock(), Caches((SERVICE, ENDPOINTSLICE, NODE))
    health = Health(caches, Proxy(caches, clock, "n1"), clock, "n1", PLACE)
    task = asyncio.ensure_future(health.run())
    await asyncio.sleep(0.01)
    caller.connect((PLACE, PORT))
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("turns", range(6))
def test_who_comes_as_it_ends_is_closed(turns: int) -> None:
    with socket.socket() as caller:
        asyncio.run(end_under(caller, turns))
        gc.collect()  # a socket that nobody has closed fails the test
