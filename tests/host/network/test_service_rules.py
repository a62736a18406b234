"""The rules in a real kernel: who reaches which service from where, and what a change leaves alone."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from tests.host.network.proxying import running
from tests.host.network.world import (
    NODE_ADDRESS,
    OUTSIDE,
    World,
    service,
    slice_of,
    world,
)
from wherry.api.core.service import SERVICE
from wherry.api.discovery.endpointslice import ENDPOINTSLICE
from wherry.api.types.core import (
    ClientIPConfig,
    LoadBalancerIngress,
    LoadBalancerStatus,
    ServicePort,
    ServiceStatus,
    SessionAffinityConfig,
)
from wherry.host import nft
from wherry.machinery.meta import Key

pytestmark = pytest.mark.host
VIP = "10.96.0.50"


@pytest.fixture(scope="module")
def place() -> Iterator[World]:
    with world("wht") as made:
        yield made


def test_cluster_ip_from_pod_host_and_itself(place: World) -> None:
    async def main() -> None:
        async with running() as at:
            at.feed.put(SERVICE, service("web", VIP))
            at.feed.put(ENDPOINTSLICE, slice_of("web", place.pods[:2]))
            await at.settle()
            client = place.pods[2]
            answers = {await place.asked(client.netns, "tcp", VIP, 80) for _ in range(20)}
            assert answers == {f"p0 {client.address}", f"p1 {client.address}"}, "spread, client's address kept"
            assert (await place.asked(place.node, "tcp", VIP, 80)).startswith("p")
            assert await place.asked(client.netns, "tcp", VIP, 81) == "ConnectionRefusedError"
            at.feed.put(ENDPOINTSLICE, slice_of("web", place.pods[:1]))
            await at.settle()
            own = place.pods[0]
            assert await place.asked(own.netns, "tcp", VIP, 80) == "p0 10.244.1.1", "a pod reaches itself"

    place.run(main)


def test_node_port_from_everywhere(place: World) -> None:
    async def main() -> None:
        async with running() as at:
            at.feed.put(SERVICE, service("web", VIP, type="NodePort", node_port=30080))
            at.feed.put(ENDPOINTSLICE, slice_of("web", place.pods[:1]))
            await at.settle()
            assert await place.asked(place.outside, "tcp", NODE_ADDRESS, 30080) == f"p0 {OUTSIDE}"
            assert (await place.asked(place.node, "tcp", NODE_ADDRESS, 30080)).startswith("p0")
            assert (await place.asked(place.pods[1].netns, "tcp", NODE_ADDRESS, 30080)).startswith("p0")
            assert (await place.asked(place.node, "tcp", "127.0.0.1", 30080)).startswith("p0")
            assert await place.asked(place.pods[0].netns, "tcp", NODE_ADDRESS, 30080) == "p0 10.244.1.1"

    place.run(main)


def test_no_endpoints_is_refused_at_once(place: World) -> None:
    async def main() -> None:
        async with running() as at:
            at.feed.put(SERVICE, service("web", VIP, type="NodePort", node_port=30080, external_ips=("192.168.77.9",)))
            await at.settle()
            for space in (place.pods[0].netns, place.node):
                assert await place.asked(space, "tcp", VIP, 80) == "ConnectionRefusedError"
            assert await place.asked(place.outside, "tcp", NODE_ADDRESS, 30080) == "ConnectionRefusedError"
            assert await place.asked(place.pods[0].netns, "tcp", "192.168.77.9", 80) == "ConnectionRefusedError"

    place.run(main)


def test_session_affinity_ends_with_its_endpoint(place: World) -> None:
    async def main() -> None:
        config = SessionAffinityConfig(client_ip=ClientIPConfig(timeout_seconds=600))
        async with running() as at:
            at.feed.put(SERVICE, service("web", VIP, session_affinity="ClientIP", session_affinity_config=config))
            at.feed.put(ENDPOINTSLICE, slice_of("web", place.pods))
            await at.settle()
            space = place.pods[2].netns
            first = await place.asked(space, "tcp", VIP, 80)
            assert {await place.asked(space, "tcp", VIP, 80) for _ in range(12)} == {first}
        async with running() as at:  # a new proxy, same kernel
            at.feed.put(SERVICE, service("web", VIP, session_affinity="ClientIP", session_affinity_config=config))
            at.feed.put(ENDPOINTSLICE, slice_of("web", place.pods))
            await at.settle()
            assert {await place.asked(space, "tcp", VIP, 80) for _ in range(6)} == {first}, "kept over a restart"
            left = [pod for pod in place.pods if not first.startswith(pod.name)]
            at.feed.put(ENDPOINTSLICE, slice_of("web", left))
            await at.settle()
            assert await place.asked(space, "tcp", VIP, 80) != first

    place.run(main)


def test_kept_connection_survives_changes_and_restart(place: World) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with running() as at:
            at.feed.put(SERVICE, service("web", VIP))
            at.feed.put(ENDPOINTSLICE, slice_of("web", place.pods[:1]))
            await at.settle()
            kept = socket.socket()
            kept.setblocking(False)
            await loop.sock_connect(kept, (VIP, 80))
            await loop.sock_sendall(kept, b"?")
            assert (await loop.sock_recv(kept, 100)).startswith(b"p0")
            at.feed.put(ENDPOINTSLICE, slice_of("web", place.pods[1:2]))
            await at.settle()
            assert (await place.asked(place.node, "tcp", VIP, 80)).startswith("p1")
        async with running() as at:
            await at.settle()
            await loop.sock_sendall(kept, b"?")
            assert (await loop.sock_recv(kept, 100)).startswith(b"p0")
            kept.close()

    place.run(main)


def test_udp_client_follows_its_endpoint_away(place: World) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        ports = (ServicePort(name="udp", port=53, protocol="UDP"),)
        async with running() as at:
            at.feed.put(SERVICE, service("web", VIP, ports=ports))
            at.feed.put(ENDPOINTSLICE, slice_of("web", place.pods[:1]))
            await at.settle()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.setblocking(False)
                client.connect((VIP, 53))
                await loop.sock_sendall(client, b"?")
                assert (await loop.sock_recv(client, 100)).startswith(b"p0")
                at.feed.put(ENDPOINTSLICE, slice_of("web", place.pods[1:2]))
                await at.settle()
                await loop.sock_sendall(client, b"?")
                assert (await asyncio.wait_for(loop.sock_recv(client, 100), 2)).startswith(b"p1")

    place.run(main)


def test_udp_client_follows_what_changed_while_there_was_no_proxy(place: World) -> None:
    """(Seeded fault: a proxy that starts looks at no connection: it goes on to p0 for ever.)"""
    ports = (ServicePort(name="udp", port=53, protocol="UDP"),)

    async def ask(client: socket.socket) -> str:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(client, b"?")
        return (await asyncio.wait_for(loop.sock_recv(client, 100), 2)).decode()

    async def main() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setblocking(False)
            client.connect((VIP, 53))
            for pods, wanted in ((place.pods[:1], "p0"), (place.pods[1:2], "p1"), (place.pods[1:2], "p1")):
                async with running() as at:
                    at.feed.put(SERVICE, service("web", VIP, ports=ports))
                    at.feed.put(ENDPOINTSLICE, slice_of("web", pods))
                    await at.settle()
                    assert (await ask(client)).startswith(wanted)

    place.run(main)


def test_terminating_endpoints_serve_when_none_is_ready(place: World) -> None:
    async def main() -> None:
        async with running() as at:
            at.feed.put(SERVICE, service("web", VIP))
            at.feed.put(ENDPOINTSLICE, slice_of("web", place.pods[:1], ready=False, serving=True, terminating=True))
            await at.settle()
            assert (await place.asked(place.node, "tcp", VIP, 80)).startswith("p0")

    place.run(main)


def test_local_policy_drops_outside_only(place: World) -> None:
    async def main() -> None:
        async with running() as at:
            local = service("web", VIP, type="NodePort", node_port=30080, external_traffic_policy="Local")
            at.feed.put(SERVICE, local)
            elsewhere = slice_of("web", place.pods[:1])
            far = elsewhere.endpoints[0].__class__(**{
                **{f: getattr(elsewhere.endpoints[0], f) for f in elsewhere.endpoints[0].__struct_fields__},
                "node_name": "n2",
            })  # fmt: skip
            at.feed.put(ENDPOINTSLICE, elsewhere.__class__(
                metadata=elsewhere.metadata, address_type="IPv4", endpoints=(far,), ports=elsewhere.ports
            ))  # fmt: skip
            await at.settle()
            assert await place.asked(place.outside, "tcp", NODE_ADDRESS, 30080) == "TimeoutError"
            assert (await place.asked(place.pods[1].netns, "tcp", NODE_ADDRESS, 30080)).startswith("p0")
            at.feed.put(ENDPOINTSLICE, slice_of("web", place.pods[:1]))
            await at.settle()
            assert await place.asked(place.outside, "tcp", NODE_ADDRESS, 30080) == f"p0 {OUTSIDE}"

    place.run(main)


def test_a_deleted_service_leaves_nothing(place: World) -> None:
    async def main() -> None:
        async with running() as at:
            at.feed.put(SERVICE, service("web", VIP, type="NodePort", node_port=30080))
            at.feed.put(ENDPOINTSLICE, slice_of("web", place.pods))
            await at.settle()
            at.feed.drop(ENDPOINTSLICE, Key("d", "web-1"))
            at.feed.drop(SERVICE, Key("d", "web"))
            await at.settle()
            assert "elements" not in nft.run("list table ip wherry\n")

    place.run(main)


def test_the_nodes_own_ports_stay_its_own(place: World) -> None:
    async def main() -> None:
        async with running() as at:
            ports = (ServicePort(name="http", port=22022), ServicePort(name="udp", port=22023, protocol="UDP"))
            at.feed.put(SERVICE, service("web", VIP, external_ips=(NODE_ADDRESS,), ports=ports))
            at.feed.put(ENDPOINTSLICE, slice_of("web", place.pods[:1]))
            await at.settle()
            assert await place.asked(place.outside, "tcp", NODE_ADDRESS, 22022) == "ConnectionRefusedError"
            assert await place.asked(place.node, "tcp", NODE_ADDRESS, 22022) == "ConnectionRefusedError"
            assert await place.asked(place.outside, "udp", NODE_ADDRESS, 22023) == f"p0 {OUTSIDE}"
            assert (await place.asked(place.node, "tcp", VIP, 22022)).startswith("p0")

    place.run(main)


def test_source_ranges_fence_a_load_balancer(place: World) -> None:
    async def main() -> None:
        ingress = ServiceStatus(load_balancer=LoadBalancerStatus(ingress=(LoadBalancerIngress(ip=NODE_ADDRESS),)))
        async with running() as at:
            for ranges, answer in (
                (("10.0.0.0/8",), "TimeoutError"),
                (("10.0.0.0/8", "192.168.77.0/24"), f"p0 {OUTSIDE}"),
                ((), f"p0 {OUTSIDE}"),
            ):
                made = service("web", VIP, type="LoadBalancer", load_balancer_source_ranges=ranges)
                at.feed.put(SERVICE, replace(made, status=ingress))
                at.feed.put(ENDPOINTSLICE, slice_of("web", place.pods[:1]))
                await at.settle()
                assert await place.asked(place.outside, "tcp", NODE_ADDRESS, 80) == answer

    place.run(main)


def test_refused_text_names_its_line(place: World) -> None:
    async def main() -> None:
        with pytest.raises(nft.NftError, match=r"add element ip nowhere"):
            nft.run("add table ip other\nadd element ip nowhere x { 1.2.3.4 }\n")

    place.run(main)
