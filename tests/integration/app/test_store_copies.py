"""A server of another version keeps the store as the last one left it; the same version does not."""

from __future__ import annotations

import pytest

from wherry.aio.clock import SystemClock
from wherry.api.core.configmap import CONFIGMAP
from wherry.api.types.core import ConfigMap
from wherry.apiserver.authn.user import MASTERS, known
from wherry.app import assemble, store_copies, version
from wherry.app.config import Config
from wherry.machinery.meta import ObjectMeta
from wherry.store.sqlite import SqliteLog

pytestmark = pytest.mark.looptime(False)


async def serve_once(config: Config, name: str) -> None:
    """Start a server, make a ConfigMap, stop."""
    plane = await assemble.control_plane(config, SystemClock(), frozenset({"api"}))
    try:
        client = plane.api.client(known("test", MASTERS))
        await client.create(CONFIGMAP, ConfigMap(metadata=ObjectMeta(name=name, namespace="default")))
    finally:
        await plane.stop()


async def test_only_another_version_keeps_a_copy(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    await serve_once(config, "first")
    await serve_once(config, "second")
    own = version.wherry()
    assert store_copies.opened_by(config) == own
    assert not store_copies.folder(config).exists()
    monkeypatch.setattr(version, "wherry", lambda: "0.99.0")
    await serve_once(config, "third")
    copy = store_copies.copy_of(config, own)
    assert copy is not None
    log = await SqliteLog.open(copy)
    keys = {record.key.rpartition("/")[2] for record in (await log.list("/"))[1]}
    await log.close()
    assert {"first", "second"} <= keys
    assert "third" not in keys
    monkeypatch.undo()
    await serve_once(config, "fourth")
    assert store_copies.opened_by(config) == own
    assert store_copies.copy_of(config, "0.99.0") is not None


def test_few_copies_are_kept_and_names_are_harmless(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    config.database.touch()
    assert store_copies.due(config) is None, "who opened it is not known"
    for number in range(6):
        monkeypatch.setattr(version, "wherry", lambda number=number: f"0.{number}.0/../x")
        path = store_copies.due(config)
        if path is not None:
            assert path.parent == store_copies.folder(config)
            path.touch()
        store_copies.opened(config)
    assert len(list(store_copies.folder(config).iterdir())) == store_copies.KEEP
