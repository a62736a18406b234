"""The server process when its store fails: it says so, ends, and the next one has everything that was acknowledged."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from wherry.aio.clock import SystemClock
from wherry.api.core.configmap import CONFIGMAP
from wherry.api.types.core import ConfigMap
from wherry.app import server
from wherry.app.config import Config
from wherry.client.http import Access, HTTPClient
from wherry.host.keys import Pki
from wherry.machinery.errors import APIError
from wherry.machinery.meta import ObjectMeta

pytestmark = pytest.mark.looptime(False)


def named(name: str, size: int = 1) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="default"), data={"x": "y" * size})


@contextmanager
def no_file_longer_than(size: int) -> Iterator[None]:
    """For this process, whatever it writes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_server_whose_store_failed_ends_and_starts_anew_with_everything(config: Config) -> None:
    pki = Pki(config.pki, SystemClock())
    access = Access(f"https://127.0.0.1:{config.port}", config.pki / "ca.crt", pki.admin.certificate, pki.admin.key)
    acknowledged: list[str] = []
    for life in range(2):
        running = asyncio.ensure_future(server.serve(config, SystemClock(), frozenset({"api"})))
        client = HTTPClient(access, SystemClock())
        try:
            async with asyncio.timeout(20):
                while not await _serves(client):  # noqa: ASYNC110 - another task starts it
                    await asyncio.sleep(0.05)
            if life == 0:
                with no_file_longer_than(await _quiet(f"{config.database}-wal") + 200_000):
                    # more than the server has to write by itself now: it is a write of ours that meets the limit
                    with pytest.raises(APIError, match="not known"):
                        await _create_many(client, acknowledged)
                    async with asyncio.timeout(10):
                        assert await running == 1
            else:
                found = {one.metadata.name for one in (await client.list(CONFIGMAP)).items}
                assert acknowledged
                assert set(acknowledged) <= found
        finally:
            await client.close()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def _quiet(file: str) -> int:
    """The size of a file to which nothing has been written for a second: what a server writes as it starts is there."""
    size = -1
    while size != (size := os.stat(file).st_size):  # noqa: ASYNC110 - nothing tells
        await asyncio.sleep(1)
    return size


async def _create_many(client: HTTPClient, acknowledged: list[str]) -> None:
    for number in range(100):
        await client.create(CONFIGMAP, named(f"a{number}", 50_000))
        acknowledged.append(f"a{number}")


async def _serves(client: HTTPClient) -> bool:
    try:
        await client.list(CONFIGMAP)
    except Exception:  # noqa: BLE001 - not yet
        return False
    return True
