"""What a node's entry knows of Gateways when, and which ports it can have."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from tests.support.fakeapi import FakeAPI
from wherry.aio.clock import LoopClock
from wherry.api.core.node import NODE
from wherry.api.gateway.kinds import GATEWAY, GATEWAYCLASS, Gateway, GatewayClass, GatewayClassSpec, GatewaySpec
from wherry.api.gateway.ports import TAKEN
from wherry.api.gateway.world import CONTROLLER
from wherry.api.types.core import Node
from wherry.client.interface import ALL, Listing, Select
from wherry.machinery.errors import NotFound
from wherry.machinery.meta import Key, ObjectMeta, T
from wherry.machinery.resource import Resource
from wherry.network.ingress.config import Shape, listens, render
from wherry.network.ingress.doors import Doors
from wherry.network.ingress.maps import Ruled, Size
from wherry.network.ingress.sites import Door
from wherry.network.ingress.watched import Watched

G = Gateway(metadata=ObjectMeta(name="g", namespace="d"), spec=GatewaySpec(gateway_class_name="w"))
W = GatewayClass(metadata=ObjectMeta(name="w"), spec=GatewayClassSpec(controller_name=CONTROLLER))


class Bare(FakeAPI):
    """An API without the Gateway API's definitions."""

    async def list(self, resource: Resource[T], select: Select = ALL) -> Listing[T]:
        if resource.defined:
            raise NotFound("the server could not find the requested resource")
        return await super().list(resource, select)


async def test_without_definitions_there_is_nothing_and_nobody_waits() -> None:
    async with asyncio.TaskGroup() as group:
        watched = Watched(Bare(), LoopClock(), lambda: None)
        running = group.create_task(watched.run())
        async with asyncio.timeout(5):
            await watched.ready.wait()
        assert watched.world({}).ours() == []
        running.cancel()


async def test_all_that_is_there_at_the_start_is_seen_first() -> None:
    """Else an agent that starts anew would take routes away for a moment."""
    api, changes = FakeAPI(), 0

    def changed() -> None:
        nonlocal changes
        changes += 1

    await api.create(GATEWAY, G)
    await api.create(GATEWAYCLASS, W)
    async with asyncio.TaskGroup() as group:
        watched = Watched(api, LoopClock(), changed)
        running = group.create_task(watched.run())
        await watched.ready.wait()
        assert [one.metadata.name for one in watched.world({}).ours()] == ["g"]
        before = changes
        await api.create(GATEWAY, Gateway(metadata=ObjectMeta(name="h", namespace="d"), spec=G.spec))
        await asyncio.sleep(1)
        assert [one.metadata.name for one in watched.world({}).ours()] == ["g", "h"]
        assert changes > before
        running.cancel()


async def test_the_rest_is_followed_from_the_first_gateway_on() -> None:
    api = FakeAPI()
    await api.create(GATEWAYCLASS, W)
    async with asyncio.TaskGroup() as group:
        watched = Watched(api, LoopClock(), lambda: None)
        running = group.create_task(watched.run())
        await watched.ready.wait()
        assert watched.world({}).classes == {}
        await api.create(GATEWAY, G)
        await asyncio.sleep(1)
        assert [one.metadata.name for one in watched.world({}).ours()] == ["g"]
        running.cancel()


@pytest.mark.looptime(False)
async def test_a_port_that_somebody_has_is_left_out_and_told() -> None:
    api = FakeAPI()
    await api.create(NODE, Node(metadata=ObjectMeta(name="n", annotations={TAKEN: "9"})))
    with socket.create_server(("127.0.0.1", 0)) as other, socket.create_server(("127.0.0.1", 0)) as free:
        taken, usable = other.getsockname()[1], free.getsockname()[1]
        free.close()
        doors = Doors(api, "n", lambda: None)
        assert await doors.usable([taken, usable]) == {usable}
        assert (await api.get(NODE, Key("", "n"))).metadata.annotations == {TAKEN: str(taken)}
        doors.taken([usable])
        with socket.create_server(("127.0.0.1", usable)):  # ours
            assert await doors.usable([usable]) == {usable}
        writes = len(api.writes)
        assert (await api.get(NODE, Key("", "n"))).metadata.annotations == {}
        assert await doors.usable([usable]) == {usable}
        assert len(api.writes) == writes


async def test_an_agent_takes_back_what_one_before_it_told() -> None:
    api = FakeAPI()
    await api.create(NODE, Node(metadata=ObjectMeta(name="n", annotations={TAKEN: "9"})))
    assert await Doors(api, "n", lambda: None).usable([]) == frozenset()
    assert (await api.get(NODE, Key("", "n"))).metadata.annotations == {}


def test_the_ports_of_a_configuration() -> None:
    ruled = Ruled(doors=frozenset((Door(80, secure=False), Door(8080, secure=False), Door(8443, secure=True))))
    assert listens(render(Shape(Path("/e")), Size(), {}, ruled)) == {8080, 8443}
