"""Reads at once: their order, and what becomes of the others when one fails."""

from __future__ import annotations

import asyncio

import pytest

from wherry.reconcile.together import together


async def test_all_take_as_long_as_the_slowest_and_keep_their_order() -> None:
    async def read(seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    began = asyncio.get_running_loop().time()
    assert await together(read(seconds) for seconds in (3.0, 1.0, 2.0)) == [3.0, 1.0, 2.0]
    assert asyncio.get_running_loop().time() - began == 3


async def test_one_that_fails_ends_the_others_and_is_raised_itself() -> None:
    ended = []

    async def slow() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            ended.append("slow")

    async def wrong() -> None:
        await asyncio.sleep(1)
        raise LookupError("no such thing")

    with pytest.raises(LookupError, match="no such thing"):
        await together([slow(), wrong()])
    assert ended == ["slow"]
