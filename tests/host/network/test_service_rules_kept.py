"""The table of services past its process: what a new one finds, what another program did to it, what is in between."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator

import pytest

from tests.host.network.proxying import running
from tests.host.network.world import (
    World,
    hooks,
    service,
    slice_of,
    world,
)
from wherry.api.core.service import SERVICE
from wherry.api.discovery.endpointslice import ENDPOINTSLICE
from wherry.api.types.core import (
    ClientIPConfig,
    Service,
    SessionAffinityConfig,
)
from wherry.host import nft

pytestmark = pytest.mark.host
VIP = "10.96.0.50"


@pytest.fixture(scope="module")
def place() -> Iterator[World]:
    with world("whk") as made:
        yield made


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
