"""Publishing pod status: the newest wins, only what differs is sent, a few at a time.

Patches carry the pod's uid, so a pod of the same name that came after it is never written. Conditions of others
(readiness gates, disruption) are left alone. What cannot be sent is sent again later: the pod's life does not wait.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wherry.aio.backoff import Backoff
from wherry.aio.clock import Clock
from wherry.api.core.pod import POD
from wherry.api.types.core import Pod, PodStatus
from wherry.client.interface import Client
from wherry.machinery.codec import to_dict
from wherry.machinery.errors import APIError, Conflict, Invalid, NotFound
from wherry.machinery.meta import Key, key_of

log = logging.getLogger(__name__)

PARALLEL = 16
OWN = (
    "PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled", "PodResizePending",
    "PodResizeInProgress", "AllContainersRestarting",
)  # fmt: skip
_KEYED = {"podIPs": "ip", "hostIPs": "ip"}


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The strategic merge patch of a status; {} when nothing differs."""
    patch: dict[str, Any] = {}
    for name in (*new, *(gone for gone in old if gone not in new)):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        if name == "conditions":
            changed = _conditions(before or [], after or [])
            if changed:
                patch[name] = changed
        elif name in _KEYED and before:
            patch[name] = [*after, {"$patch": "replace"}] if after else None
        else:
            patch[name] = after
    return patch


def _conditions(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Own conditions that changed; fields that went away are set to null."""
    before = {one["type"]: one for one in old}
    found = []
    for one in new:
        was = before.get(one["type"])
        if (one["type"] in OWN or _disrupted(one)) and was != one:
            found.append({**dict.fromkeys(was or (), None), **one})
    kept = {one["type"] for one in new}
    found += [{"$patch": "delete", "type": kind} for kind in before if kind in OWN and kind not in kept]
    return found


def _disrupted(condition: Mapping[str, Any]) -> bool:
    """Ours when the node itself ends the pod; others set that condition too."""
    return condition["type"] == "DisruptionTarget" and condition.get("reason") == "TerminationByKubelet"


@dataclass(slots=True)
class _Entry:
    key: Key
    uid: str
    sent: dict[str, Any]
    wanted: PodStatus | None = None
    busy: bool = False
    idle: asyncio.Event = field(default_factory=asyncio.Event)

    def put_back(self, status: PodStatus) -> None:
        """It could not be sent: try again, unless there is a newer one by now."""
        if self.wanted is None:
            self.wanted = status


class Publisher:
    """Writes the statuses of this node's pods."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._entries: dict[str, _Entry] = {}
        self._slots = asyncio.Semaphore(PARALLEL)
        self._queue: asyncio.Queue[_Entry] = asyncio.Queue()

    def known(self, pod: Pod) -> None:
        """What the API holds for a pod (from the watch)."""
        entry = self._entries.get(pod.metadata.uid)
        status = to_dict(pod.status)
        if entry is None:
            self._entries[pod.metadata.uid] = _Entry(key_of(pod), pod.metadata.uid, status)
        elif not entry.busy:
            entry.sent = status

    def publish(self, uid: str, status: PodStatus) -> None:
        """Have this status written soon, unless it is there already."""
        entry = self._entries.get(uid)
        if entry is None:
            return
        entry.wanted = status
        entry.idle.clear()
        if not entry.busy:
            entry.busy = True
            self._queue.put_nowait(entry)

    async def flushed(self, uid: str) -> None:
        """Wait until what was last published of a pod is written, or can never be."""
        entry = self._entries.get(uid)
        if entry is not None and entry.busy:
            await entry.idle.wait()

    def forget(self, uid: str) -> None:
        """The pod is gone."""
        entry = self._entries.pop(uid, None)
        if entry is not None:
            entry.wanted = None
            entry.idle.set()

    async def run(self) -> None:
        """Write for ever."""
        async with asyncio.TaskGroup() as group:
            while True:
                entry = await self._queue.get()
                await self._slots.acquire()
                group.create_task(self._drain(entry))

    async def _drain(self, entry: _Entry) -> None:
        backoff = Backoff(self._clock, first=0.2, cap=10.0)
        try:
            while entry.wanted is not None:
                status, entry.wanted = entry.wanted, None
                if not await self._send(entry, status):
                    entry.put_back(status)
                    await asyncio.sleep(backoff.failed())
        finally:
            entry.busy = False
            entry.idle.set()
            self._slots.release()

    async def _send(self, entry: _Entry, status: PodStatus) -> bool:
        patch = difference(entry.sent, to_dict(status))
        if not patch:
            return True
        body = {"metadata": {"uid": entry.uid}, "status": patch}
        try:
            stored = await self._client.patch(POD, entry.key, body, kind="strategic", subresource="status")
        except (NotFound, Conflict, Invalid) as error:
            log.info("status of pod %s is not taken: %s", entry.key, error)
            return True
        except (APIError, OSError, TimeoutError) as error:
            log.debug("status of pod %s waits: %s", entry.key, error)
            return False
        entry.sent = to_dict(stored.status)
        return True
