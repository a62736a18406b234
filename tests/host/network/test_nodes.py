"""Nodes in namespaces of one machine: made, reached across, removed without a trace.

The machine itself is played by a namespace, so the test leaves the real one alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec.structs import replace

from tests.host.network.world import ASK, SERVER, Feed, Pod, World, node, service, slice_of
from wherry.aio.clock import SystemClock
from wherry.api.core.node import NODE
from wherry.api.core.service import SERVICE
from wherry.api.discovery.endpointslice import ENDPOINTSLICE
from wherry.api.types import core
from wherry.api.types.core import Node, NodeCondition
from wherry.api.types.discovery import EndpointSlice
from wherry.client.interface import Client
from wherry.host import links, netns
from wherry.machinery.meta import ObjectMeta
from wherry.network import cni, nodes, routes
from wherry.network.agent import NodeNetwork, Settings, release
from wherry.network.drain import SETTLE

pytestmark = pytest.mark.host

MACHINE = "whm-machine"
NETWORKS = routes.Networks(IPv4Network("10.244.0.0/16"), IPv4Network("10.96.0.0/16"))
SUBNETS = {name: IPv4Network(f"10.244.{n}.0/24") for n, name in enumerate(("whm-1", "whm-2", "whm-3"), start=1)}


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[World]:
    netns.create(MACHINE)
    try:
        yield World("whm", tmp_path)
    finally:
        for name in ("wherry-whm-2", "wherry-whm-3", "whm-pa", "whm-pb", MACHINE):
            netns.delete(name)


def wire(node_space: str, subnet: IPv4Network, space: str, leases: Path) -> str:
    """Put a namespace on a node as a pod; its address."""
    netns.create(space)
    folder = cni.plugin_folder()
    assert folder is not None
    conf = json.loads(cni.conflist(subnet, 1400, leases))
    plugin = {"cniVersion": conf["cniVersion"], "name": conf["name"], **conf["plugins"][0]}
    environment = {
        **os.environ, "CNI_COMMAND": "ADD", "CNI_CONTAINERID": space, "CNI_NETNS": str(netns.path(space)),
        "CNI_IFNAME": "eth0", "CNI_PATH": str(folder),
    }  # fmt: skip
    command = netns.argv(node_space, [str(folder / plugin["type"])])
    done = subprocess.run(
        command, input=json.dumps(plugin), env=environment, capture_output=True, text=True, check=True
    )
    return str(json.loads(done.stdout)["ips"][0]["address"]).split("/")[0]


def ask(space: str, host: str) -> str:
    command = netns.argv(space, [sys.executable, "-c", ASK, "tcp", host, "8080"])
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@contextlib.asynccontextmanager
async def network_of(name: str, feed: Feed, folder: Path) -> AsyncIterator[NodeNetwork]:
    """A node's network at work in the namespace this thread is in."""
    network = NodeNetwork(cast(Client, feed), SystemClock(), Settings(name, folder, own_namespace=True))
    await asyncio.to_thread(network.prepare)
    task = asyncio.ensure_future(network.run())
    try:
        await asyncio.wait_for(network.ready.wait(), 5)
        yield network
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.to_thread(release, network.settings)


def ready_node(name: str, address: str) -> Node:
    made = node(name, str(SUBNETS[name]), address)
    condition = NodeCondition(type="Ready", status="True")
    return replace(made, status=replace(made.status, conditions=(condition,)))


def far_slice(address: str, revision: int, *, ready: bool) -> EndpointSlice:
    pod = Pod("pb", "", address, cast(Any, None), {})
    made = slice_of("web", [pod], ready=ready, serving=True, terminating=not ready)
    endpoints = tuple(replace(endpoint, node_name="whm-3") for endpoint in made.endpoints)
    return replace(made, endpoints=endpoints, metadata=replace(made.metadata, resource_version=str(revision)))


@dataclass
class Two:
    """Two nodes, each with its network in a thread; a pod on the far one, asked and drained from the near."""

    machine: World
    places: list[nodes.NodeNetns]
    pod: str
    up: threading.Event = field(default_factory=threading.Event)
    told: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)

    def feed(self) -> Feed:
        made = Feed()
        for n, place in enumerate(self.places, start=2):
            made.put(NODE, ready_node(f"whm-{n}", str(place.address)))
        made.put(SERVICE, service("web", "10.96.0.50", type="NodePort", node_port=30080))
        made.put(ENDPOINTSLICE, far_slice(self.pod, made.revision + 1, ready=True))
        return made

    async def far(self) -> None:
        """Hears of the pod's end only when told to."""
        heard = self.feed()
        async with network_of("whm-3", heard, self.machine.folder / "n3"):
            self.up.set()
            await asyncio.to_thread(self.told.wait, 10)
            heard.put(ENDPOINTSLICE, far_slice(self.pod, heard.revision + 1, ready=False))
            await asyncio.to_thread(self.done.wait, 10)

    async def near(self) -> tuple[list[str], bool, float]:
        """What services answer from four places; whether drain was early; how long it took once all were told."""
        heard = self.feed()
        loop = asyncio.get_running_loop()
        async with network_of("whm-2", heard, self.machine.folder / "n2") as network:
            answers = [
                await self.machine.asked("whm-pa", "tcp", "10.96.0.50", 80),
                await self.machine.asked(MACHINE, "tcp", "10.89.0.2", 30080),
                await self.machine.asked(self.places[0].netns, "tcp", "10.96.0.50", 80),
                await self.machine.asked("whm-pa", "tcp", "10.89.0.3", 30080),
            ]
            heard.put(ENDPOINTSLICE, far_slice(self.pod, heard.revision + 1, ready=False))
            waiting = asyncio.ensure_future(network.drained(core.Pod(metadata=ObjectMeta(uid="pb", namespace="d"))))
            await asyncio.sleep(0.2)
            early, began = waiting.done(), loop.time()
            self.told.set()
            await waiting
            return answers, early, loop.time() - began

    def run(self) -> tuple[list[str], bool, float]:
        other = threading.Thread(target=self.machine.run, args=(self.far, self.places[1].netns))
        other.start()
        try:
            assert self.up.wait(10)
            return self.machine.run(self.near, self.places[0].netns)
        finally:
            self.told.set()
            self.done.set()
            other.join()


def test_services_and_drain_across_nodes(machine: World) -> None:
    places = machine.run(make_two, MACHINE)
    address = wire(places[1].netns, SUBNETS["whm-3"], "whm-pb", machine.folder / "b")
    client = wire(places[0].netns, SUBNETS["whm-2"], "whm-pa", machine.folder / "a")
    server = subprocess.Popen(
        netns.argv("whm-pb", [sys.executable, "-c", SERVER, "pb"]), stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    try:
        assert server.stdout.readline().strip() == "listening"
        answers, early, took = Two(machine, places, address).run()
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
    assert answers == [f"pb {client}", "pb 10.89.0.2", "pb 10.89.0.2", "pb 10.89.0.2"]
    assert not early, "the other node's proxy had not heard of it yet"
    assert took < 1 + SETTLE


async def make_two() -> list[nodes.NodeNetns]:
    return [nodes.create(f"whm-{n}", n) for n in (2, 3)]


def test_pods_reach_each_other_across_nodes_and_nothing_stays(machine: World) -> None:
    async def up() -> list[nodes.NodeNetns]:
        made = [nodes.create(f"whm-{n}", n) for n in (2, 3)]
        assert made == [nodes.create(f"whm-{n}", n) for n in (2, 3)], "the second time changes nothing"
        return made

    async def down() -> list[dict[str, object]]:
        nodes.remove_all(("whm-2", "whm-3"))
        nodes.remove_all(("whm-2", "whm-3"))
        return [row for row in links.show(["link", "show"]) if row["ifname"] != "lo"]

    places = machine.run(up, MACHINE)
    assert [str(p.address) for p in places] == ["10.89.0.2", "10.89.0.3"]
    via: dict[IPv4Network, IPv4Address] = {
        SUBNETS["whm-2"]: places[0].address,
        SUBNETS["whm-3"]: places[1].address,
    }
    for place in places:

        async def connect(own: IPv4Address = place.address) -> None:
            others = {subnet: hop for subnet, hop in via.items() if hop != own}
            await asyncio.to_thread(routes.apply, routes.Wanted(others, own), NETWORKS)
            await asyncio.to_thread(routes.apply, routes.Wanted(others, own), NETWORKS)
            assert links.routes() == others

        machine.run(connect, place.netns)
    first = wire(places[0].netns, SUBNETS["whm-2"], "whm-pa", machine.folder / "a")
    second = wire(places[1].netns, SUBNETS["whm-3"], "whm-pb", machine.folder / "b")
    server = subprocess.Popen(
        netns.argv("whm-pb", [sys.executable, "-c", SERVER, "pb"]), stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    try:
        assert server.stdout.readline().strip() == "listening"
        assert ask("whm-pa", second) == f"pb {first}"
        assert ask(MACHINE, second) == "OSError", "the machine has no route to pods until its own agent makes one"
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
    assert machine.run(down, MACHINE) == []
    assert not {"wherry-whm-2", "wherry-whm-3"} & set(netns.names())
