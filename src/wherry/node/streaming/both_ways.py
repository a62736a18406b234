"""Both ways: one session between a client's WebSocket and the runtime, until either has had enough.

What the client sends is carried by a task of its own; when that ends, for whatever reason, the runtime's side is
closed, which ends the other direction too. A failure of ours ends the session as well, and is logged.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from aiohttp import web

log = logging.getLogger(__name__)


class Closes(Protocol):
    """The runtime's side."""

    def close(self) -> None:
        """Hang up; again, it does nothing."""


async def both_ways(
    socket: web.WebSocketResponse, remote: Closes, up: Callable[[], Awaitable[None]], down: Awaitable[None]
) -> None:
    """Carry what the client sends (`up`) and what the runtime says (`down`) until either ends; closes both sides."""
    upward = asyncio.create_task(_carry(up, remote))  # noqa: TID251 - ends below
    try:
        await down
    except ConnectionError:
        pass
    finally:
        upward.cancel()
        await asyncio.gather(upward, return_exceptions=True)
        remote.close()
        await socket.close()


async def _carry(up: Callable[[], Awaitable[None]], remote: Closes) -> None:
    try:
        await up()
    except ConnectionError:
        pass
    except Exception:
        log.exception("what a client sent could not be carried")
    finally:
        remote.close()
