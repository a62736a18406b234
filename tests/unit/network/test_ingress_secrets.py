"""Certificates as an entry follows them: one that is missing is a problem only after a moment, when nobody made it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.fakeapi import FakeAPI
from wherry.aio.clock import LoopClock, SystemClock
from wherry.api.core.secret import SECRET
from wherry.api.types.core import Secret
from wherry.api.types.networking import Ingress, IngressSpec, IngressTLS
from wherry.host.haproxy import Haproxy
from wherry.host.selfsigned import self_signed
from wherry.machinery.meta import Key, ObjectMeta
from wherry.network.ingress.config import Shape
from wherry.network.ingress.secrets import Secrets

KEY = Key("d", "shop-tls")
SHOP = Ingress(
    metadata=ObjectMeta(name="shop", namespace="d"),
    spec=IngressSpec(tls=(IngressTLS(hosts=("shop.test",), secret_name="shop-tls"),)),
)


async def test_a_missing_secret_is_told_when_nobody_makes_it(tmp_path: Path) -> None:
    api, changes = FakeAPI(), 0

    def changed() -> None:
        nonlocal changes
        changes += 1

    secrets = Secrets(api, LoopClock(), Shape(tmp_path), changed)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(secrets.run())
        await asyncio.sleep(0)
        secrets.want({"shop.test": KEY})
        await asyncio.sleep(4)
        assert (list(secrets.problems(SHOP)), changes) == ([], 0)
        await asyncio.sleep(2)
        assert (list(secrets.problems(SHOP)), changes) == (["there is no Secret 'shop-tls'"], 1)
        pem = self_signed("shop.test", LoopClock())
        meta = ObjectMeta(name="shop-tls", namespace="d")
        made = await api.create(SECRET, Secret(metadata=meta, data={"tls.crt": pem, "tls.key": pem}))
        await asyncio.sleep(1)
        assert list(secrets.problems(SHOP)) == []
        await api.delete(SECRET, KEY, uid=made.metadata.uid)
        await asyncio.sleep(1)
        assert list(secrets.problems(SHOP)) == []
        await asyncio.sleep(5)
        assert list(secrets.problems(SHOP)) == ["there is no Secret 'shop-tls'"]
        running.cancel()


async def test_secrets_are_followed_again_by_whoever_runs_again(tmp_path: Path) -> None:
    """An entry that failed starts anew, with all that it was."""
    api = FakeAPI()
    secrets = Secrets(api, LoopClock(), Shape(tmp_path), lambda: None)
    pem = self_signed("shop.test", LoopClock())
    first = await started(secrets)
    await stopped(first)
    second = await started(secrets)
    meta = ObjectMeta(name="shop-tls", namespace="d")
    await api.create(SECRET, Secret(metadata=meta, data={"tls.crt": pem, "tls.key": pem}))
    await asyncio.sleep(6)
    assert list(secrets.problems(SHOP)) == []
    await stopped(second)


async def started(secrets: Secrets) -> asyncio.Task[None]:
    running = asyncio.ensure_future(secrets.run())
    await asyncio.sleep(0)
    secrets.want({"shop.test": KEY})
    return running


async def stopped(running: asyncio.Task[None]) -> None:
    running.cancel()
    await asyncio.wait([running])


class Master:
    """HAProxy's side of its socket: answers yes, and keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.told.append((await reader.read(-1)).decode())
        writer.write(b"Success!\n")
        writer.close()


@pytest.mark.looptime(False)
async def test_what_comes_while_haproxy_begins_is_shown(tmp_path: Path) -> None:
    """It is not in the files that HAProxy has read, so HAProxy has to be told."""
    api, come = FakeAPI(), asyncio.Event()
    secrets = Secrets(api, SystemClock(), Shape(tmp_path), come.set)
    running = await started(secrets)
    master = Master()
    async with await asyncio.start_unix_server(master.serve, tmp_path / "master.sock"):
        secrets.write()
        pem = self_signed("shop.test", SystemClock())
        meta = ObjectMeta(name="shop-tls", namespace="d")
        await api.create(SECRET, Secret(metadata=meta, data={"tls.crt": pem, "tls.key": pem}))
        await asyncio.wait_for(come.wait(), 5)
        secrets.begun()
        await secrets.show(Haproxy(tmp_path))
        assert [line.split(" <<")[0].split(str(tmp_path))[0] for line in master.told] == [
            "@1;new ssl cert ", "@1;set ssl cert ", "@1;commit ssl cert ", "@1;add ssl crt-list ",
        ]  # fmt: skip
        assert "shop.test" in (tmp_path / "certificates.list").read_text()
        master.told.clear()
        await secrets.show(Haproxy(tmp_path))
        assert master.told == []
        secrets.begun()
        await secrets.show(Haproxy(tmp_path))
        assert master.told == [], "written since, and read"
    await stopped(running)
