"""The client over HTTPS against a real API server: verbs, errors, and watches that survive what happens to servers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.apiserver import Authority, Running, running_apiserver
from wherry.aio.clock import SystemClock
from wherry.api.core.configmap import CONFIGMAP
from wherry.api.types.core import ConfigMap
from wherry.client.http import Access, HTTPClient, from_kubeconfig
from wherry.client.interface import Event, Select
from wherry.machinery.errors import AlreadyExists, Conflict, NotFound, ServiceUnavailable
from wherry.machinery.meta import Key, ObjectMeta
from wherry.store.memory import MemoryLog

pytestmark = pytest.mark.looptime(False)


def config_map(name: str, **data: str) -> ConfigMap:
    """A ConfigMap in namespace default."""
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="default"), data=data)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Running]:
    async with running_apiserver(tmp_path, log=MemoryLog()) as running:
        yield running


@pytest.fixture
async def client(server: Running) -> AsyncIterator[HTTPClient]:
    made = HTTPClient(from_kubeconfig(server.kubeconfig()), SystemClock())
    yield made
    await made.close()


async def take(events: AsyncIterator[Event[ConfigMap]], count: int) -> list[tuple[str, str]]:
    """The next events as (type, name), bookmarks left out."""
    found: list[tuple[str, str]] = []
    while len(found) < count:
        event = await asyncio.wait_for(anext(events), 10)
        if event.type != "BOOKMARK":
            found.append((event.type, event.obj.metadata.name if event.obj else ""))
    return found


async def test_verbs(client: HTTPClient) -> None:
    made = await client.create(CONFIGMAP, config_map("a", x="1"))
    assert made.metadata.uid
    key = Key("default", "a")
    patched = await client.patch(CONFIGMAP, key, {"data": {"y": "2"}})
    assert patched.data == {"x": "1", "y": "2"}
    applied = await client.patch(CONFIGMAP, key, {"data": {"z": "3"}, "metadata": {"name": "a"},
                                                  "apiVersion": "v1", "kind": "ConfigMap"}, kind="apply")  # fmt: skip
    assert applied.data["z"] == "3"
    assert [one.metadata.name for one in (await client.list(CONFIGMAP, Select(namespace="default"))).items] == ["a"]
    with pytest.raises(AlreadyExists):
        await client.create(CONFIGMAP, config_map("a"))
    with pytest.raises(Conflict):
        await client.delete(CONFIGMAP, key, uid="00000000-0000-0000-0000-000000000000")
    await client.delete(CONFIGMAP, key, uid=made.metadata.uid)
    with pytest.raises(NotFound, match='configmaps "a" not found'):
        await client.get(CONFIGMAP, key)


async def test_watch_tells_the_present_then_changes(client: HTTPClient) -> None:
    await client.create(CONFIGMAP, config_map("a"))
    events = client.watch(CONFIGMAP, Select(namespace="default"))
    assert await take(events, 2) == [("ADDED", "a"), ("SYNCED", "")]
    await client.create(CONFIGMAP, config_map("b"))
    await client.delete(CONFIGMAP, Key("default", "a"))
    assert await take(events, 2) == [("ADDED", "b"), ("DELETED", "a")]


async def test_a_watch_begins_at_the_list_not_at_its_last_item(client: HTTPClient) -> None:
    await client.create(CONFIGMAP, config_map("a"))
    await client.create(CONFIGMAP, config_map("b"))
    await client.delete(CONFIGMAP, Key("default", "b"))
    events = client.watch(CONFIGMAP, Select(namespace="default"))
    assert await take(events, 2) == [("ADDED", "a"), ("SYNCED", "")]
    await client.create(CONFIGMAP, config_map("c"))
    assert await take(events, 1) == [("ADDED", "c")]


async def test_watch_survives_a_server_that_comes_back_without_history(tmp_path: Path) -> None:
    """What vanished meanwhile is made up, what changed is told, and SYNCED comes again."""
    log = MemoryLog()
    async with running_apiserver(tmp_path, log=log) as first:
        port = first.server.port
        access = from_kubeconfig(first.kubeconfig())
        client = HTTPClient(access, SystemClock())
        await client.create(CONFIGMAP, config_map("a"))
        events = client.watch(CONFIGMAP, Select(namespace="default"))
        assert await take(events, 2) == [("ADDED", "a"), ("SYNCED", "")]
    with pytest.raises(ServiceUnavailable):
        await client.get(CONFIGMAP, Key("default", "a"))
    async with running_apiserver(tmp_path / "elsewhere", log=log) as second:
        other = second.client()
        await other.delete(CONFIGMAP, Key("default", "a"))
        made = await other.create(CONFIGMAP, config_map("b"))
        await log.compact(int(made.metadata.resource_version))
    async with running_apiserver(tmp_path / "third", log=log, port=port) as third:
        _take_over_keys(access, third)
        assert await take(events, 3) == [("DELETED", "a"), ("ADDED", "b"), ("SYNCED", "")]
    await client.close()


def _take_over_keys(access: Access, server: Running) -> None:
    """Put another server's keys where the client's are, as a rotation would."""
    pair = server.authority.issue("kubernetes-admin", ("system:masters",))
    assert access.cert is not None
    assert access.key is not None
    access.ca.write_bytes(server.authority.certificate.read_bytes())
    access.cert.write_bytes(pair.certificate.read_bytes())
    access.key.write_bytes(pair.key.read_bytes())


async def test_unknown_server_certificate_is_refused(server: Running, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other")
    client = HTTPClient(Access(server.url, other.certificate), SystemClock())
    with pytest.raises(ServiceUnavailable, match="certificate"):
        await client.list(CONFIGMAP)
    await client.close()


async def test_who_is_not_known_says_so_once(server: Running, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """(Seeded fault: a line for every try, eleven a second on a node that was removed.)"""
    good = from_kubeconfig(server.kubeconfig())
    token = tmp_path / "token"
    token.write_text("nobody")
    client = HTTPClient(Access(good.server, good.ca, token=token), SystemClock())
    with caplog.at_level(logging.INFO, "wherry.client.http"):
        events = client.watch(CONFIGMAP, Select(namespace="default"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(events), 2)
        await client.close()
    assert [one.message for one in caplog.records] == ["watch of configmaps: Unauthorized; again in 0.05 s"]
