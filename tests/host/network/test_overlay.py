"""Pods on nodes with a router between them: it knows nothing of pods, and they reach each other all the same."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from tests.host.network.test_nodes import NETWORKS, ask, wire
from tests.host.network.world import SERVER, World
from wherry.host import links, netns
from wherry.network import overlay, routes

pytestmark = pytest.mark.host

ROUTER = "who-router"
LOST = ("OSError", "TimeoutError")


@dataclass(frozen=True)
class Far:
    """A node alone on its segment; `gateway` is the router's address there."""

    space: str
    address: IPv4Address
    gateway: IPv4Address
    subnet: IPv4Network


NODES = tuple(
    Far(f"who-{n}", IPv4Address(f"198.51.{n}.2"), IPv4Address(f"198.51.{n}.1"), IPv4Network(f"10.244.{n}.0/24"))
    for n in (1, 2)
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Two nodes, wired to a router that has routes to them and to nothing else."""
    for space in (ROUTER, *(node.space for node in NODES)):
        netns.create(space)
    try:
        yield World("who", tmp_path)
    finally:
        for space in ("who-pa", "who-pb", ROUTER, *(node.space for node in NODES)):
            netns.delete(space)


def connect(node: Far) -> None:
    link = node.space
    links.ip(["link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", node.space], ROUTER)
    links.ip(["address", "add", f"{node.gateway}/24", "dev", link], ROUTER)
    links.ip(["link", "set", link, "up"], ROUTER)
    links.ip(["address", "add", f"{node.address}/24", "dev", "eth0"], node.space)
    links.ip(["link", "set", "eth0", "up"], node.space)
    links.ip(["route", "add", "default", "via", str(node.gateway)], node.space)


async def forward() -> None:
    links.switch("ipv4/ip_forward", "1")


def keep(world: World, node: Far, peers: dict[IPv4Network, IPv4Address]) -> dict[IPv4Network, IPv4Address]:
    """Twice what the node's agent does; its routes then."""

    async def work() -> dict[IPv4Network, IPv4Address]:
        links.switch("ipv4/ip_forward", "1")
        for _ in range(2):
            routes.apply(routes.Wanted(peers, node.address, node.subnet), NETWORKS)
        return links.routes()

    return world.run(work, node.space)


def test_pods_reach_each_other_past_a_router(world: World) -> None:
    near, far = NODES
    for node in NODES:
        connect(node)
    world.run(forward, ROUTER)
    for node, other in ((near, far), (far, near)):
        assert keep(world, node, {other.subnet: other.address}) == {other.subnet: other.subnet[0]}
    one = wire(near.space, near.subnet, "who-pa", world.folder / "a")
    two = wire(far.space, far.subnet, "who-pb", world.folder / "b")
    command = netns.argv("who-pb", [sys.executable, "-c", SERVER, "pb"])
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        assert server.stdout.readline().strip() == "listening"
        assert ask("who-pa", two) == f"pb {one}", "with its own address"
        assert ask(near.space, two) == f"pb {near.subnet[0]}", "a node shows its end of the overlay"
        moved = {far.subnet: IPv4Address("198.51.7.7")}
        assert keep(world, near, moved) == {far.subnet: far.subnet[0]}
        assert ask("who-pa", two) in LOST, "the tunnel leads elsewhere"
        keep(world, near, {far.subnet: far.address})
        assert ask("who-pa", two) == f"pb {one}"
        stranger = {IPv4Network("10.244.9.0/24"): IPv4Address("198.51.1.99")}
        keep(world, far, {IPv4Network("10.244.9.0/24"): IPv4Address("198.51.9.9")})
        assert ask("who-pa", two) in LOST, "wrapped packets of a node that is not of the cluster are dropped"
        assert keep(world, near, stranger) == {IPv4Network("10.244.9.0/24"): IPv4Address("198.51.1.99")}
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
    assert not links.show_or_nothing(["link", "show", "dev", overlay.LINK])
    for node in NODES:
        keep(world, node, {})
        assert not links.ip(["-o", "link", "show", "type", "vxlan"], node.space)
