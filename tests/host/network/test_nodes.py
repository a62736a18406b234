"""Nodes in namespaces of one machine: made, reached across, removed without a trace.

The machine itself is played by a namespace, so the test leaves the real one alone.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from tests.host.network.world import ASK, SERVER, World
from wherry.host import links, netns
from wherry.network import cni, nodes, routes

pytestmark = pytest.mark.host

MACHINE = "whm-machine"
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
            await asyncio.to_thread(routes.apply, others, own, IPv4Network("10.96.0.0/16"))
            await asyncio.to_thread(routes.apply, others, own, IPv4Network("10.96.0.0/16"))
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
