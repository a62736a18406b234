"""The watch history is bounded by what it really holds: bytes, not decoded objects."""

from __future__ import annotations

import gc

from wherry.aio.clock import SystemClock
from wherry.api.core.configmap import CONFIGMAP
from wherry.api.types.core import ConfigMap
from wherry.store.history import Keep
from wherry.store.memory import MemoryLog
from wherry.store.windows import Windows, key_of


async def test_what_is_history_is_not_kept_decoded() -> None:
    """Every state of an object was decoded by a watcher; only the present one still is.

    (Fails without `slim`: the history then holds as many typed objects as it has changes, which nobody counts.)
    """
    log = MemoryLog()
    windows = await Windows.open(log, SystemClock())
    window = windows.of(CONFIGMAP)
    seen: list[int] = []

    def sink(event: object) -> bool:
        entry = event.entry  # type: ignore[attr-defined]
        seen.append(len(entry.obj.data) + len(entry.labels))
        return True

    window.watch(0, sink, predicate=lambda entry: entry.obj.data != {"no": "such"})
    key = key_of(CONFIGMAP, "a", "b")
    revision = 0
    for number in range(500):
        value = (
            b'{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"b","namespace":"a"},"data":{"k":"%d"}}' % number
        )
        revision = await log.append(key, value, revision)
    assert len(seen) == 500
    gc.collect()
    decoded = sum(moment.previous._obj is not None for moment in window._history._moments if moment.previous)
    assert decoded == 0
    entry = window.get(key)
    assert entry is not None
    assert isinstance(entry.obj, ConfigMap)
    assert [m.previous.obj.data for m in window._history._moments if m.previous][3] == {"k": "3"}


async def test_small_changes_weigh_something() -> None:
    """A million deletions of empty objects do not fit into a history of a megabyte. (Fails when only bytes count.)"""
    log = MemoryLog()
    windows = await Windows.open(log, SystemClock(), keep=Keep(count=10**9, size=64 * 1024))
    window = windows.of(CONFIGMAP)
    for number in range(1000):
        await log.append(key_of(CONFIGMAP, "a", f"n{number}"), b'{"metadata":{}}', 0)
    assert len(window._history) <= 64
