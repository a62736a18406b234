"""Encryption at rest: what is named is sealed, keys change in one step, a lost key costs one object, nothing else."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import apsw
import msgspec
import pytest

from wherry.aio.clock import SystemClock
from wherry.api.core.configmap import CONFIGMAP
from wherry.api.core.secret import SECRET
from wherry.api.types.core import ConfigMap, Secret
from wherry.apiserver.authn.user import MASTERS, known
from wherry.app import assemble, sealing
from wherry.app.config import Config, ConfigError
from wherry.host import keys
from wherry.host.keys import Pki
from wherry.host.sealer import Sealer
from wherry.machinery.meta import Key, ObjectMeta

pytestmark = pytest.mark.looptime(False)
ADMIN = known("test", MASTERS)
WORD = b"a very secret password"
SECRETS = "/api/v1/namespaces/default/secrets"


@asynccontextmanager
async def plane(config: Config) -> AsyncIterator[assemble.ControlPlane]:
    """A running API server over the configuration's store."""
    made = await assemble.control_plane(config, SystemClock(), frozenset({"api"}))
    try:
        yield made
    finally:
        await made.stop()


def on_disk(config: Config) -> bytes:
    return b"".join(path.read_bytes() for path in config.server.glob("state.db*"))


def secret(name: str) -> Secret:
    return Secret(metadata=ObjectMeta(name=name, namespace="default"), data={"k": WORD})


async def test_what_is_named_is_sealed(config: Config) -> None:
    """No byte of it is found in the store's files. (Fails when `encrypt` is not looked at.)"""
    config = msgspec.structs.replace(config, encrypt=("secrets", "configmaps"))
    async with plane(config) as running:
        client = running.api.client(ADMIN)
        await client.create(SECRET, secret("s"))
        await client.create(
            CONFIGMAP, ConfigMap(metadata=ObjectMeta(name="c", namespace="default"), data={"k": "hidden!"})
        )
        found = on_disk(config)
    assert WORD not in found
    assert base64.b64encode(WORD) not in found
    assert b"hidden!" not in found
    with pytest.raises(ConfigError, match="is no resource"):
        sealing.prefixes(("core/secrets",))


async def test_rotation_under_a_running_server(config: Config) -> None:
    """One command: everything is sealed anew, the old key is gone, nobody noticed.

    (Fails when the history that still holds the old values is kept.)
    """
    path = config.pki / "seal.key"
    old = path.read_text()
    async with plane(config) as running:
        client = running.api.client(ADMIN)
        for number in range(20):
            await client.create(SECRET, secret(f"s{number}"))
        job = next(job for name, job in running.jobs if name == "encryption keys")
        keeping = asyncio.ensure_future(job())
        await asyncio.to_thread(sealing.rotate, config)
        keeping.cancel()
        assert len(path.read_text().split()) == 1
        assert path.read_text() != old
        assert (await client.get(SECRET, Key("default", "s3"))).data == {"k": WORD}
    at = len(Sealer.MAGIC)
    database = apsw.Connection(str(config.database))
    rows = list(database.execute("SELECT value FROM log WHERE value IS NOT NULL"))
    database.close()
    used = {bytes(value[at : at + 4]) for (value,) in rows if value.startswith(Sealer.MAGIC)}
    assert used == {Sealer(path).newest}
    async with plane(config) as running:
        assert (await running.api.client(ADMIN).get(SECRET, Key("default", "s7"))).data == {"k": WORD}


async def test_rotation_without_a_server(config: Config) -> None:
    """The command does it itself."""
    async with plane(config) as running:
        await running.api.client(ADMIN).create(SECRET, secret("s"))
    old = (config.pki / "seal.key").read_text()
    await asyncio.to_thread(sealing.rotate, config)
    assert (config.pki / "seal.key").read_text().split() != old.split()
    assert len((config.pki / "seal.key").read_text().split()) == 1
    async with plane(config) as running:
        assert (await running.api.client(ADMIN).get(SECRET, Key("default", "s"))).data == {"k": WORD}


async def test_a_lost_key_costs_one_object(config: Config) -> None:
    """The server starts, says which object it cannot read, serves all others, and lets it be deleted unread.

    (Fails when the value that cannot be opened keeps the store from being listed: then nothing starts any more.)
    """
    path = config.pki / "seal.key"
    kept = path.read_text()
    async with plane(config) as running:
        await running.api.client(ADMIN).create(SECRET, secret("readable"))
    path.write_text(os.urandom(32).hex() + "\n")
    async with plane(config) as running:
        await running.api.client(ADMIN).create(SECRET, secret("lost"))
        assert running.api.api.windows.of(SECRET).unreadable
    path.write_text(kept)
    async with plane(config) as running:
        tls = keys.client_context(config.pki / "ca.crt", Pki(config.pki, SystemClock()).admin)
        connector = aiohttp.TCPConnector(ssl=tls)
        async with aiohttp.ClientSession(f"https://127.0.0.1:{running.api.port}", connector=connector) as session:
            async with session.get(f"{SECRETS}/readable") as answer:
                assert answer.status == 200
            for method, place in (("GET", SECRETS), ("GET", f"{SECRETS}/lost"), ("DELETE", f"{SECRETS}/lost")):
                async with session.request(method, place) as answer:
                    body = await answer.json()
                    assert (answer.status, body["reason"]) == (500, "StorageReadError"), (method, place)
                    assert "lost" in body["message"]
            async with session.get("/api/v1/namespaces/kube-system/secrets") as answer:
                assert answer.status == 200
            options = {"ignoreStoreReadErrorWithClusterBreakingPotential": True}
            async with session.delete(f"{SECRETS}/lost", json=options) as answer:
                assert answer.status == 200, await answer.text()
            async with session.get(SECRETS) as answer:
                assert [item["metadata"]["name"] for item in (await answer.json())["items"]] == ["readable"]
    async with plane(config) as running:
        assert not running.api.api.windows.of(SECRET).unreadable
