"""Orders at an ACME authority: when there is one, what is noted, and what becomes of what comes back. Virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.support.cluster import Cluster
from tests.unit.controllers.test_sitecertificate import ingress
from wherry.aio.clock import LoopClock
from wherry.api.core.configmap import CONFIGMAP
from wherry.api.core.event import EVENT
from wherry.api.core.namespace import NAMESPACE
from wherry.api.core.node import NODE
from wherry.api.core.secret import SECRET
from wherry.api.networking.ingress import INGRESS
from wherry.api.networking.ingressclass import CONTROLLER, INGRESSCLASS
from wherry.api.networking.site_certificates import ANSWERS, Publish, Refused, held
from wherry.api.types.core import Namespace, Node, NodeAddress, NodeCondition, NodeStatus, Secret
from wherry.api.types.networking import IngressClass, IngressClassSpec
from wherry.controllers import acmecertificate, sitecertificate
from wherry.controllers.settings import Settings
from wherry.host.keys import Authority
from wherry.host.pairs import pair
from wherry.host.site_authority import issue
from wherry.machinery.meta import Key, ObjectMeta
from wherry.reconcile.controller import AnyController
from wherry.reconcile.runner import run_controllers

KEY = Key("d", "shop-tls")
NAME = "shop.example.org"
DAY = 86_400.0


class Calendar(LoopClock):
    """The loop's clock, which can be put forward."""

    ahead = 0.0

    def now(self) -> float:
        return super().now() + self.ahead


class Public:
    """Stands for an authority of the internet: signs, or refuses with `refusal`; notes when it was asked for what."""

    def __init__(self, folder: Path, clock: LoopClock) -> None:
        self._authority = Authority(pair(folder, "public"), "public", clock)
        self._authority.ensure()
        self._clock = clock
        self.refusal: Refused | None = None
        self.asked: list[tuple[float, tuple[str, ...]]] = []
        self.entries: list[Sequence[str]] = []
        self.meanwhile: Callable[[], Awaitable[object]] = lambda: asyncio.sleep(0)

    async def obtain(self, names: Sequence[str], publish: Publish) -> tuple[bytes, bytes]:
        self.asked.append((self._clock.monotonic(), tuple(names)))
        self.entries.append(await publish({"token": "answer"}))
        await asyncio.sleep(5)
        await self.meanwhile()
        await publish({})
        if self.refusal is not None:
            raise self.refusal
        return issue(self._authority, names)


class World:
    """A cluster with the site controllers."""

    def __init__(self, folder: Path) -> None:
        self.clock = Calendar()
        self.cluster = Cluster(self.clock)
        self.public = Public(folder, self.clock)
        self._own = Authority(pair(folder, "own"), "own", self.clock)
        self._own.ensure()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        settings = Settings(site=lambda names: issue(self._own, names), acme=self.public)
        made: list[AnyController] = [sitecertificate.controller(settings), acmecertificate.controller(settings)]
        async with asyncio.TaskGroup() as group:
            task = group.create_task(run_controllers(self.cluster, self.clock, made))
            yield
            task.cancel()

    @property
    def secret(self) -> Secret:
        found = self.cluster.objects[SECRET, KEY]
        assert isinstance(found, Secret)
        return found

    @property
    def by(self) -> str:
        """Who vouches now."""
        found = held(self.secret)
        return found.by if found is not None else "somebody else"

    def said(self, reason: str) -> list[str]:
        return [one.message for one in self.cluster.all(EVENT) if one.reason == reason]


@pytest.fixture
async def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    meta = ObjectMeta(name="wherry")
    await made.cluster.create(INGRESSCLASS, IngressClass(metadata=meta, spec=IngressClassSpec(CONTROLLER)))
    await made.cluster.create(NAMESPACE, Namespace(metadata=ObjectMeta(name="d")))
    for n, ready in enumerate(("True", "False"), 1):
        node = await made.cluster.create(NODE, Node(metadata=ObjectMeta(name=f"n{n}")))
        addresses = (NodeAddress(type="InternalIP", address=f"10.0.0.{n}"),)
        status = NodeStatus(conditions=(NodeCondition(type="Ready", status=ready),), addresses=addresses)
        await made.cluster.replace(NODE, replace(node, status=status), "status")
    return made


async def test_a_public_name_has_a_certificate_at_once_and_soon_a_trusted_one(world: World) -> None:
    await world.cluster.create(INGRESS, ingress(NAME))
    async with world.running():
        await asyncio.sleep(1)
        assert world.by == "own"
        assert world.cluster.objects[CONFIGMAP, ANSWERS].data == {"token": "answer"}  # type: ignore[attr-defined]  # it is one
        await asyncio.sleep(10)
        assert world.by == "acme"
        assert world.cluster.objects[CONFIGMAP, ANSWERS].data == {}  # type: ignore[attr-defined]  # it is one
        await asyncio.sleep(100 * DAY)
    assert [names for _, names in world.public.asked] == [(NAME,)]
    assert world.public.entries == [["10.0.0.1"]]
    assert world.secret.metadata.owner_references == ()
    assert acmecertificate.TRIED not in world.secret.metadata.annotations
    assert world.said("CertificateIssued") == [
        f"the cluster's own authority vouches for {NAME} (Secret 'shop-tls') until ACME does",
        f"the ACME authority vouches for {NAME} (Secret 'shop-tls')",
    ]


async def test_it_is_renewed_in_time_and_stays_while_that_fails(world: World) -> None:
    await world.cluster.create(INGRESS, ingress(NAME))
    async with world.running():
        await asyncio.sleep(10)
        first = world.secret
        world.public.refusal = Refused("no")
        world.clock.ahead = 243 * DAY
        await asyncio.sleep(DAY / 8)
        assert len(world.public.asked) == 1
        world.clock.ahead = 244 * DAY
        await asyncio.sleep(DAY)
        assert len(world.public.asked) > 1
        assert world.secret.data == first.data
        world.public.refusal = None
        await asyncio.sleep(DAY)
        assert world.secret.data != first.data
        assert world.by == "acme"


async def test_failures_are_told_and_become_rarer(world: World) -> None:
    world.public.refusal = Refused("dns: no address")
    await world.cluster.create(INGRESS, ingress(NAME))
    async with world.running():
        await asyncio.sleep(3 * DAY)
        assert world.by == "own"
    times = [at for at, _ in world.public.asked]
    assert len([at for at in times if at < 3600]) == 4
    pauses = [round(after - before, -1) for before, after in pairwise(times)]
    assert pauses[:6] == [60, 300, 900, 3600, 4 * 3600, 12 * 3600]
    assert set(pauses[6:]) == {12 * 3600}
    first = world.said("CertificateRefused")[0]
    assert first.startswith(f"no certificate for {NAME}: dns: no address; asked again after 2023-11-14T22:14:20Z")


async def test_a_restart_makes_no_order(world: World) -> None:
    world.public.refusal = Refused("no")
    await world.cluster.create(INGRESS, ingress(NAME))
    for _ in range(10):
        async with world.running():
            await asyncio.sleep(2)  # in the middle of the order
    assert len(world.public.asked) == 1
    async with world.running():
        await asyncio.sleep(60)
    assert len(world.public.asked) == 2


async def test_the_time_that_the_authority_names_is_kept(world: World) -> None:
    world.public.refusal = Refused("rateLimited: too many", after=7 * DAY)
    await world.cluster.create(INGRESS, ingress(NAME))
    async with world.running():
        await asyncio.sleep(6.9 * DAY)
        assert len(world.public.asked) == 1
        await asyncio.sleep(0.2 * DAY)
        assert len(world.public.asked) == 2


async def test_other_names_are_asked_for_at_once(world: World) -> None:
    world.public.refusal = Refused("no")
    made = await world.cluster.create(INGRESS, ingress("shoop.example.org"))
    async with world.running():
        await asyncio.sleep(20)
        world.public.refusal = None
        corrected = ingress(NAME).spec
        await world.cluster.replace(INGRESS, replace(made, spec=corrected))
        await asyncio.sleep(10)
        assert world.by == "acme"
    assert [names for _, names in world.public.asked] == [("shoop.example.org",), (NAME,)]


async def test_who_writes_meanwhile_wins(world: World) -> None:
    async def theirs() -> object:
        data = {"tls.crt": b"theirs", "tls.key": b"theirs"}
        return await world.cluster.replace(SECRET, replace(world.secret, data=data))

    world.public.meanwhile = theirs
    await world.cluster.create(INGRESS, ingress(NAME))
    async with world.running():
        await asyncio.sleep(DAY)
    assert world.secret.data == {"tls.crt": b"theirs", "tls.key": b"theirs"}
    assert len(world.public.asked) == 1


@pytest.mark.parametrize(
    ("names", "notes"),
    [
        (("shop.test",), {}),
        ((NAME, "shop.test"), {}),
        (("*.example.org",), {}),
        ((NAME,), {"wherry.dev/certificate": "own"}),
    ],
)
async def test_what_no_public_authority_is_asked_for(
    world: World, names: tuple[str, ...], notes: dict[str, str]
) -> None:
    await world.cluster.create(INGRESS, ingress(*names, annotations=notes))
    async with world.running():
        await asyncio.sleep(DAY)
        assert world.by == "own"
    assert world.public.asked == []


async def test_nonsense_in_the_note_is_no_note(world: World) -> None:
    meta = ObjectMeta(name="s", namespace="d", annotations={acmecertificate.TRIED: '{"orders": "many"}'})
    assert acmecertificate.tried(Secret(metadata=meta)) is None
