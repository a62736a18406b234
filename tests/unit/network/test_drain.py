"""Drain: a node whose agent is just being started anew still sends by its rules, so it is asked until it answers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import closing

import pytest
from aiohttp import web

from tests.support.cluster import Cluster
from tests.unit.network.objects import endpoint, service, slice_of
from wherry.aio.clock import SystemClock
from wherry.api.core.node import NODE
from wherry.api.core.service import SERVICE
from wherry.api.discovery.endpointslice import ENDPOINTSLICE
from wherry.api.types.core import Node, NodeAddress, NodeCondition, NodeStatus, Pod
from wherry.machinery.meta import ObjectMeta
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


@contextlib.asynccontextmanager
async def drain(port: int, limit: float) -> AsyncIterator[Drain]:
    """That of node n1, whose own rules are as they should be; the proxy of n2 is on a port of this machine."""
    clock = SystemClock()
    cluster, caches = Cluster(clock), Caches((SERVICE, ENDPOINTSLICE, NODE))
    for one in (node("n1", "127.0.0.1"), node("n2", "127.0.0.2")):
        await cluster.create(NODE, one)
    await cluster.create(SERVICE, service())
    await cluster.create(ENDPOINTSLICE, slice_of(endpoint("10.244.0.3", ready=False), endpoint("10.244.0.4")))
    proxy = Proxy(caches, clock, "n1")
    proxy.applied = 1 << 40
    async with asyncio.TaskGroup() as group:
        following = group.create_task(caches.follow(cluster, clock, Pace(clock)))
        await caches.synced((SERVICE, ENDPOINTSLICE, NODE))
        yield Drain(caches, proxy, "n1", limit=limit, port=port)
        following.cancel()


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.2", 0))) as found:
        port: int = found.getsockname()[1]
        return port


async def test_a_node_that_does_not_answer_yet_is_waited_for() -> None:
    """(Seeded fault: take a refused connection for the absence of a proxy: it ends at once.)"""
    port, asked = free_port(), []

    async def applied(request: web.BaseRequest) -> web.Response:
        asked.append(request.query["revision"])
        return web.Response(text="{}")

    async with drain(port, limit=20) as made, asyncio.TaskGroup() as group:
        waiting = group.create_task(made.drained(POD))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        server = await asyncio.get_running_loop().create_server(web.Server(applied), "127.0.0.2", port)
        async with asyncio.timeout(10):
            await waiting
        server.close()
    assert len(asked) == 1


async def test_it_is_not_waited_for_for_ever() -> None:
    loop = asyncio.get_running_loop()
    async with drain(free_port(), limit=0.3) as made:
        begun = loop.time()
        await made.drained(POD)
        assert 0.3 <= loop.time() - begun < 5
