"""The queue: each key once, in one pair of hands, and the earliest of its delays."""

from __future__ import annotations

import asyncio

from wherry.machinery.meta import Key
from wherry.reconcile.queue import KeyQueue

A, B = Key("", "a"), Key("", "b")


async def test_a_key_is_queued_once() -> None:
    queue = KeyQueue()
    queue.add(A)
    queue.add(A)
    queue.add(B)
    assert [await queue.get(), await queue.get()] == [A, B]
    queue.done(A)
    queue.done(B)
    assert queue.idle


async def test_added_while_in_hand_it_comes_back_afterwards() -> None:
    queue = KeyQueue()
    queue.add(A)
    await queue.get()
    queue.add(A)
    taker = asyncio.ensure_future(queue.get())
    await asyncio.sleep(1)
    assert not taker.done()
    queue.done(A)
    assert await taker == A


async def test_the_earliest_delay_wins() -> None:
    queue, loop = KeyQueue(), asyncio.get_running_loop()
    began = loop.time()
    queue.add(A, 10)
    queue.add(A, 2)
    queue.add(A, 5)
    assert await queue.get() == A
    assert loop.time() - began == 2


async def test_held_keys_rest() -> None:
    queue, loop = KeyQueue(), asyncio.get_running_loop()
    began = loop.time()
    queue.add(A)
    await queue.get()
    queue.add(A)
    queue.done(A, hold=3)
    assert await queue.get() == A
    assert loop.time() - began == 3
