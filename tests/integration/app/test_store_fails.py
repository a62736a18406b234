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
                with no_file_longer_than(os.stat(f"{config.database}-wal").st_size + 200_000):
                    # the server's own writes meet the limit too: then ours comes to a store that takes none
                    with pytest.raises(APIError, match=r"not known|takes no writes"):
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
