"""EventRecorder: writes the Events users see in `kubectl describe`, without ever holding up who reports.

Equal events are one Event with a count; one object gets at most BURST at once and then one every REFILL seconds;
what does not fit into the queue is dropped.
https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from wherry.aio.clock import Clock
from wherry.api.core.event import EVENT
from wherry.api.types.core import Event, EventSource, ObjectReference
from wherry.client.interface import Client
from wherry.machinery.errors import APIError, NotFound
from wherry.machinery.meta import Key, ObjectMeta
from wherry.machinery.time import time_at
from wherry.reconcile.actions import Emit

log = logging.getLogger(__name__)

BURST, REFILL = 25, 300.0
REMEMBER = 4096
WAITING = 1000
SAME = 600.0
"""Seconds within which an equal event is counted on the first one."""


@dataclass(slots=True)
class _Seen:
    key: Key
    count: int
    at: float


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class EventRecorder:
    """One per process and client. `record` is synchronous; `run` does the writing."""

    def __init__(self, client: Client, clock: Clock, host: str = "") -> None:
        self._client, self._clock, self._host = client, clock, host
        self._queue: asyncio.Queue[tuple[str, Emit]] = asyncio.Queue(WAITING)
        self._seen: dict[tuple[str, ...], _Seen] = {}
        self._buckets: dict[str, _Bucket] = {}

    def record(self, component: str, emit: Emit) -> None:
        """Queue an event said by `component`."""
        if not self._allowed(f"{component}/{emit.obj.metadata.uid or emit.obj.metadata.name}"):
            return
        try:
            self._queue.put_nowait((component, emit))
        except asyncio.QueueFull:
            log.warning("event dropped: %s %s", emit.reason, emit.message)

    async def run(self) -> None:
        """Write events until cancelled."""
        while True:
            component, emit = await self._queue.get()
            try:
                await self._write(component, emit)
            except APIError as error:
                log.debug("event %s not written: %s", emit.reason, error)
            except Exception:
                log.exception("event %s not written", emit.reason)

    def _allowed(self, source: str) -> bool:
        now = self._clock.monotonic()
        bucket = self._buckets.pop(source, None) or _Bucket(BURST, now)
        bucket.tokens = min(BURST, bucket.tokens + (now - bucket.at) / REFILL)
        bucket.at = now
        self._buckets[source] = bucket
        if len(self._buckets) > REMEMBER:
            del self._buckets[next(iter(self._buckets))]
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True

    async def _write(self, component: str, emit: Emit) -> None:
        now = self._clock.now()
        same = (component, emit.obj.metadata.uid, emit.obj.metadata.name, emit.type, emit.reason, emit.message)
        seen = self._seen.pop(same, None)
        if seen is not None and now - seen.at < SAME:
            seen.count, seen.at = seen.count + 1, now
            try:
                await self._client.patch(EVENT, seen.key, {"count": seen.count, "lastTimestamp": time_at(now)})
            except NotFound:
                seen = None
        else:
            seen = None
        if seen is None:
            event = self._event(component, emit, now)
            await self._client.create(EVENT, event)
            seen = _Seen(Key(event.metadata.namespace, event.metadata.name), 1, now)
        self._seen[same] = seen
        if len(self._seen) > REMEMBER:
            del self._seen[next(iter(self._seen))]

    def _event(self, component: str, emit: Emit, now: float) -> Event:
        meta, moment = emit.obj.metadata, time_at(now)
        about = ObjectReference(
            api_version=emit.obj.api_version,
            kind=emit.obj.kind,
            namespace=meta.namespace,
            name=meta.name,
            uid=meta.uid,
            resource_version=meta.resource_version,
        )
        unique = f"{int(now * 1e9):x}"
        name = f"{meta.name[: 252 - len(unique)]}.{unique}"
        return Event(
            metadata=ObjectMeta(name=name, namespace=meta.namespace or "default"),
            involved_object=about,
            reason=emit.reason,
            message=emit.message[:1024],
            type=emit.type,
            source=EventSource(component=component, host=self._host),
            reporting_component=component,
            reporting_instance=self._host,
            first_timestamp=moment,
            last_timestamp=moment,
            count=1,
        )
