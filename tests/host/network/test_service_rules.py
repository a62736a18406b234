"""The rules in a real kernel: who reaches which service from where, and what a change leaves alone."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace

from tests.host.network.world import (
    NODE_ADDRESS,
    OUTSIDE,
    RESOURCES,
    Feed,
    World,
    hooks,
    node,
    service,
    slice_of,
    world,
)
from wherry.aio.clock import SystemClock
from wherry.api.core.node import NODE
from wherry.api.core.service import SERVICE
from wherry.api.discovery.endpointslice import ENDPOINTSLICE
from wherry.api.types.core import (
    ClientIPConfig,
    LoadBalancerIngress,
    LoadBalancerStatus,
    Service,
    ServicePort,
    ServiceStatus,
    SessionAffinityConfig,
)
from wherry.host import links, nft
from wherry.machinery.meta import Key
from wherry.network import routes
from wherry.network.loopback import Loopback
from wherry.network.proxy import Proxy
from wherry.network.rules.nft import PODS, SERVICES, Networks
from wherry.reconcile.cache import Caches, Informer, Pace

pytestmark = pytest.mark.host
VIP = "10.96.0.50"


@pytest.fixture(scope="module")
def place() -> Iterator[World]:
    with world("wht") as made:
        yield made


@dataclass
class Running:
    """A proxy at work in the node's namespace."""

    feed: Feed
    proxy: Proxy
    caches: Caches

    def _seen(self, informer: Informer[Any]) -> bool:
        return informer.revision >= self.feed.revision

    async def settle(self) -> None:
        for informer in self.caches:
            await informer.wait_until(partial(self._seen, informer))
        await self.proxy.wait_applied(self.feed.revision)


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[Running]:
    links.switch("ipv4/ip_forward", "1")
    routes.apply(routes.Wanted({}), routes.Networks(PODS, SERVICES))
    feed = Feed()
    feed.put(NODE, node())
    caches, clock = Caches(RESOURCES), SystemClock()
    proxy, loopback = Proxy(caches, clock, "n1", Networks(reserved=(22022,)), look=0.1), Loopback()
    proxy.listen(loopback.take)
    tasks = [
        asyncio.ensure_future(work)
        for work in (caches.follow(feed, clock, Pace(clock)), proxy.run(), loopback.run())  # type: ignore[arg-type]  # watches only
    ]
    try:
        yield Running(feed, proxy, caches)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


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


def test_who_draws_a_slot_that_is_empty_already_is_sent_to_another(place: World) -> None:
    """As a packet does that is judged while a transaction takes effect."""

    async def main() -> None:
        async with running() as at:
            at.feed.put(SERVICE, service("web", VIP))
            at.feed.put(ENDPOINTSLICE, slice_of("web", place.pods[:2]))
            await at.settle()
            [last] = re.findall(rf"(tcp \. {VIP} \. 80 \. 1) : \S+ \. 8080", nft.run("list map ip wherry endpoints\n"))
            nft.run(f"delete element ip wherry endpoints {{ {last} }}\n")
            assert {(await place.asked(place.node, "tcp", VIP, 80))[:2] for _ in range(16)} == {"p0"}

    place.run(main)


def sticky(name: str, ip: str, seconds: int) -> Service:
    config = SessionAffinityConfig(client_ip=ClientIPConfig(timeout_seconds=seconds))
    return service(name, ip, session_affinity="ClientIP", session_affinity_config=config)


def test_a_restart_brings_its_rules_into_the_chains_that_stand_there(place: World) -> None:
    """Made anew, they would let a packet on its way to the old ones pass (`wherry.network.rules.standing`)."""

    async def main() -> None:
        async with running() as at:
            at.feed.put(SERVICE, sticky("web", VIP, 600))
            at.feed.put(ENDPOINTSLICE, slice_of("web", place.pods))
            at.feed.put(SERVICE, service("gone", "10.96.0.51", type="NodePort", node_port=30081))
            at.feed.put(ENDPOINTSLICE, slice_of("gone", place.pods[1:2]))
            await at.settle()
            assert (await place.asked(place.node, "tcp", "10.96.0.51", 80)).startswith("p1")
            before = hooks("wherry")
        nft.run("flush chain ip wherry translate\nadd element ip wherry hairpin { 10.9.9.9 . 10.9.9.9 }\n")
        async with running() as at:
            at.feed.put(SERVICE, sticky("web", VIP, 60))
            at.feed.put(ENDPOINTSLICE, slice_of("web", place.pods[:1]))
            await at.settle()
            assert hooks("wherry") == before
            assert len(before) > 5
            assert (await place.asked(place.node, "tcp", VIP, 80)).startswith("p0"), "a damaged chain is mended"
            assert await place.asked(place.node, "tcp", "10.96.0.51", 80) == "ConnectionRefusedError"
            refilled = nft.outline("wherry"), elements()
            nft.run("delete table ip wherry\n")
            await asyncio.sleep(0.3)
            assert (nft.outline("wherry"), elements()) == refilled, "nothing of the table before is left"

    place.run(main)


def elements() -> list[str]:
    """What the maps have, but for clients' places."""
    listing = nft.run("list table ip wherry\n")
    return sorted(
        found for found in re.findall(r"elements = \{ (.*?) \}", listing, re.DOTALL) if "expires" not in found
    )


def test_a_table_laid_out_otherwise_is_replaced(place: World) -> None:
    async def main() -> None:
        async with running() as at:
            await at.settle()
            before = hooks("wherry")
        nft.run("add chain ip wherry old { type filter hook prerouting priority -111; }\n")
        nft.run("add rule ip wherry old meta l4proto tcp drop\n")
        async with running() as at:
            at.feed.put(SERVICE, service("web", VIP))
            at.feed.put(ENDPOINTSLICE, slice_of("web", place.pods[:1]))
            await at.settle()
            assert (await place.asked(place.node, "tcp", VIP, 80)).startswith("p0")
            assert hooks("wherry").keys() == before.keys()
        nft.run("add chain ip wherry service_7x\nflush chain ip wherry service_2\n")
        async with running() as at:
            at.feed.put(SERVICE, service("web", VIP))
            at.feed.put(ENDPOINTSLICE, slice_of("web", place.pods[:2]))
            await at.settle()
            assert (await place.asked(place.node, "tcp", VIP, 80)).startswith("p")

    place.run(main)


def test_a_flushed_table_comes_back(place: World) -> None:
    async def main() -> None:
        async with running() as at:
            at.feed.put(SERVICE, service("web", VIP))
            at.feed.put(ENDPOINTSLICE, slice_of("web", place.pods[:1]))
            await at.settle()
            nft.run("flush ruleset\n")
            assert "wherry" not in nft.run("list tables\n")
            await asyncio.sleep(0.3)
            assert (await place.asked(place.node, "tcp", VIP, 80)).startswith("p0")

    place.run(main)


def test_refused_text_names_its_line(place: World) -> None:
    async def main() -> None:
        with pytest.raises(nft.NftError, match=r"add element ip nowhere"):
            nft.run("add table ip other\nadd element ip nowhere x { 1.2.3.4 }\n")

    place.run(main)
