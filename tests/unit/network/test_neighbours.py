"""Nodes that give no sign: who is silent, who only refuses, and what becomes of their pods' places."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from tests.support.fakeapi import FakeAPI
from tests.unit.network.objects import endpoint, service, slice_of
from wherry.aio.clock import SystemClock
from wherry.api.core.node import NODE
from wherry.api.types.core import Node, NodeAddress, NodeStatus
from wherry.machinery.meta import Key, ObjectMeta
from wherry.network.neighbours import EVERY, FIRST, SECOND, Neighbours
from wherry.network.services import Front, Place, Target, entries
from wherry.reconcile.cache import Caches, Pace

pytestmark = pytest.mark.looptime(False)
NOTICED = EVERY + FIRST + SECOND + 1.0


def node(name: str, address: str) -> Node:
    status = NodeStatus(addresses=(NodeAddress(type="InternalIP", address=address),))
    return Node(metadata=ObjectMeta(name=name), status=status)


class World:
    """This node n1, and n2 at 127.0.0.2, which listens on a port."""

    def __init__(self) -> None:
        self.api, self.clock = FakeAPI(), SystemClock()
        self.caches = Caches((NODE,))
        self.listener = socket.create_server(("127.0.0.2", 0))
        self.port = self.listener.getsockname()[1]
        self.neighbours = Neighbours(self.caches, "n1", port=self.port)
        self.told: list[frozenset[str]] = []
        self.moved = asyncio.Event()
        self.neighbours.listen(self.told.append)
        self.neighbours.listen(lambda _: self.moved.set())
        self.asked = 0
        self._server: asyncio.Server | None = None

    async def answer(self, request: web.BaseRequest) -> web.Response:
        self.asked += 1
        return web.Response(status=503)

    async def serve(self) -> None:
        server = web.Server(self.answer, access_log=None)
        self._server = await asyncio.get_running_loop().create_server(server, sock=self.listener)

    async def until(self, silent: frozenset[str], seconds: float = NOTICED) -> None:
        async with asyncio.timeout(seconds):
            while self.neighbours.silent != silent:
                self.moved.clear()
                await self.moved.wait()

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self.listener.close()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    await made.api.create(NODE, node("n1", "127.0.0.1"))
    await made.api.create(NODE, node("n2", "127.0.0.2"))
    follow = asyncio.create_task(made.caches.follow(made.api, made.clock, Pace(made.clock)))
    run = asyncio.create_task(made.neighbours.run())
    yield made
    made.close()
    for task in (run, follow):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_a_kernel_that_accepts_for_an_agent_that_is_frozen_is_no_sign(world: World) -> None:
    await world.until(frozenset({"n2"}))
    await world.serve()
    await world.until(frozenset())
    assert world.told == [{"n2"}, frozenset()]


async def test_any_answer_is_a_sign(world: World) -> None:
    await world.serve()
    await asyncio.sleep(NOTICED)
    assert world.told == []
    assert 3 <= world.asked <= 6, "once a second"


async def test_an_agent_that_starts_anew_is_refused_by_its_kernel_and_not_silent(world: World) -> None:
    world.listener.close()
    await asyncio.sleep(NOTICED)
    assert world.told == []


async def test_a_node_that_is_deleted_is_nobodys_neighbour(world: World) -> None:
    await world.until(frozenset({"n2"}))
    await world.api.delete(NODE, Key("", "n2"))
    await world.until(frozenset(), 1.0)


def test_new_connections_prefer_pods_of_nodes_that_give_a_sign() -> None:
    here, there = Target("10.244.0.2", 8080), Target("10.244.1.2", 8080)

    def targets(addresses: dict[str, str], *silent: str) -> tuple[Target, ...]:
        listed = slice_of(*(endpoint(address, node_) for node_, address in addresses.items()))
        place = Place("n1", silent=frozenset(silent))
        return entries(service(), [listed], place)[Front("tcp", "10.96.0.50", 80)].inside

    both = {"n1": here.address, "n2": there.address}
    assert targets(both) == (here, there)
    assert targets(both, "n2") == (here,)
    assert targets(both, "n1", "n2") == (here, there)
    assert targets({"n2": there.address}, "n2") == (there,), "a suspicion takes the last place from nobody"
