"""Drain: a pod gets SIGTERM only when nobody is on the way to it: a node whose agent is just being started anew still
sends by its rules, so it is asked until it answers, and what was sent before it did needs a moment to arrive."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable
from contextlib import closing
from dataclasses import dataclass

import pytest
from aiohttp import web
from msgspec.structs import replace

from tests.support.cluster import Cluster
from tests.unit.network.objects import endpoint, service, slice_of
from wherry.aio.clock import SystemClock
from wherry.api.core.node import NODE
from wherry.api.core.service import SERVICE
from wherry.api.discovery.endpointslice import ENDPOINTSLICE
from wherry.api.types.core import Node, NodeAddress, NodeCondition, NodeStatus, Pod
from wherry.machinery.meta import Key, ObjectMeta
from wherry.network.drain import Drain
from wherry.network.proxy import Proxy
from wherry.reconcile.cache import Caches, Pace

pytestmark = pytest.mark.looptime(False)
POD = Pod(metadata=ObjectMeta(name="web-1", namespace="d", uid="uid-10.244.0.3"))


def node(name: str, address: str) -> Node:
    return Node(
        metadata=ObjectMeta(name=name),
        status=NodeStatus(
            addresses=(NodeAddress(type="InternalIP", address=address),),
            conditions=(NodeCondition(type="Ready", status="True"),),
        ),
    )


@dataclass
class Place:
    """Node n1, whose own rules are as they should be; the proxy of n2 is on a port of this machine."""

    cluster: Cluster
    caches: Caches
    drain: Drain

    async def tell(self, name: str, ready: str) -> None:
        """A node's condition is another."""
        old = await self.cluster.get(NODE, Key("", name))
        conditions = (NodeCondition(type="Ready", status=ready),)
        await self.cluster.replace(NODE, replace(old, status=replace(old.status, conditions=conditions)), "status")

    @contextlib.asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """The agent hears from the API."""
        clock = SystemClock()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.caches.follow(self.cluster, clock, Pace(clock)))
            await self.caches.synced((SERVICE, ENDPOINTSLICE, NODE))
            yield
            task.cancel()


async def place(port: int, limit: float, *, settle: float = 0.0, serving: bool = True, ready: bool = False) -> Place:
    clock = SystemClock()
    cluster, caches = Cluster(clock), Caches((SERVICE, ENDPOINTSLICE, NODE))
    for one in (node("n1", "127.0.0.1"), node("n2", "127.0.0.2")):
        await cluster.create(NODE, one)
    await cluster.create(SERVICE, service())
    leaving = endpoint("10.244.0.3", ready=ready, serving=serving, terminating=True)
    await cluster.create(ENDPOINTSLICE, slice_of(leaving, endpoint("10.244.0.4")))
    proxy = Proxy(caches, clock, "n1")
    proxy.applied = 1 << 40
    return Place(cluster, caches, Drain(caches, proxy, "n1", limit=limit, settle=settle, port=port))


@contextlib.asynccontextmanager
async def drain(port: int, limit: float, *, settle: float = 0.0, serving: bool = True) -> AsyncIterator[Drain]:
    """Of a place that hears from the API."""
    made = await place(port, limit, settle=settle, serving=serving)
    async with made.following():
        yield made.drain


@contextlib.asynccontextmanager
async def answering(port: int, asked: list[str]) -> AsyncIterator[None]:
    """The proxy of n2, current."""

    async def applied(request: web.BaseRequest) -> web.Response:
        asked.append(request.query["revision"])
        return web.Response(text="{}")

    server = await asyncio.get_running_loop().create_server(web.Server(applied), "127.0.0.2", port)
    yield
    server.close()


async def seconds(work: Awaitable[None]) -> float:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    async with asyncio.timeout(10):
        await work
    return loop.time() - begun


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.2", 0))) as found:
        port: int = found.getsockname()[1]
        return port


async def test_a_node_that_does_not_answer_yet_is_waited_for() -> None:
    """(Seeded fault: take a refused connection for the absence of a proxy: it ends at once.)"""
    port, asked = free_port(), list[str]()
    async with drain(port, limit=20) as made, asyncio.TaskGroup() as group:
        waiting = group.create_task(made.drained(POD))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        async with answering(port, asked):
            await seconds(waiting)
    assert len(asked) == 1


async def test_it_is_not_waited_for_for_ever() -> None:
    async with drain(free_port(), limit=0.3) as made:
        assert 0.3 <= await seconds(made.drained(POD)) < 5


async def test_a_node_that_is_lost_is_not_waited_for() -> None:
    """One that says that it is not Ready is: it has its rules. (Seeded faults: ask those that were there at the
    beginning until they answer; ask only those that are Ready.)"""
    made = await place(free_port(), limit=8)
    async with made.following(), asyncio.TaskGroup() as group:
        await made.tell("n2", "False")
        waiting = group.create_task(made.drain.drained(POD))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        await made.tell("n2", "Unknown")
        assert await seconds(waiting) < 5


@pytest.mark.parametrize("serving", [True, False])
async def test_what_was_sent_before_has_a_moment_to_arrive(*, serving: bool) -> None:
    """A connection that waits to be accepted when SIGTERM comes is reset by the kernel. A pod that is not Ready may
    have been a moment before: those are the first to be deleted. (Seeded faults: SIGTERM as soon as all rules are
    current; as soon as the pod does not serve.)"""
    port = free_port()
    async with drain(port, limit=20, settle=0.5, serving=serving) as made, answering(port, []):
        assert 0.5 <= await seconds(made.drained(POD)) < 5


async def test_nobody_is_on_the_way_to_a_pod_that_nobody_was_told_of() -> None:
    port = free_port()
    async with drain(port, limit=20, settle=5) as made, answering(port, []):
        other = Pod(metadata=ObjectMeta(name="batch", namespace="d", uid="uid-of-a-pod-in-no-slice"))
        assert await seconds(made.drained(other)) < 5


async def test_an_agent_that_has_heard_nothing_yet_does_not_take_that_for_an_answer() -> None:
    """A pod that was told to end just before its agent was killed: the next agent must not signal it before it knows
    who sends it requests. (Seeded fault: look for the pod's slices at once.)"""
    port = free_port()
    made = await place(port, limit=20, ready=True)
    async with asyncio.TaskGroup() as group, answering(port, []):
        waiting = group.create_task(made.drain.drained(POD))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        async with made.following():
            await asyncio.sleep(0.1)
            assert not waiting.done()
            piece = await made.cluster.get(ENDPOINTSLICE, Key("d", "web-1"))
            await made.cluster.replace(ENDPOINTSLICE, replace(piece, endpoints=piece.endpoints[1:]))
            await seconds(waiting)
