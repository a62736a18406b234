"""Events: what happened to an object, told once and then counted.

`Recorder.event` only queues; `run` writes. The same thing said again within ten minutes raises `count` and
`lastTimestamp` of the first event instead of making another. An object that is talked about too much (25 at once, then
one in ten seconds) is not talked about for a while. Events are never worth failing for: what cannot be written is
dropped. https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Literal

from wherry.aio.clock import Clock
from wherry.api.core.event import EVENT
from wherry.api.types.core import Event, EventSource, ObjectReference
from wherry.client.interface import Client
from wherry.machinery.errors import APIError, NotFound
from wherry.machinery.meta import Key, Object, ObjectMeta
from wherry.machinery.time import time_at

log = logging.getLogger(__name__)

WINDOW = 600.0
BURST = 25
REFILL = 10.0
REMEMBER = 4096
QUEUE = 1000

_Said = tuple[str, str, str, str, str, str]


@dataclass(slots=True)
class _Series:
    key: Key
    count: int
    last: float


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


@dataclass(slots=True)
class Recorder:
    """Writes events of one component on one host through a client."""

    client: Client
    clock: Clock
    component: str
    host: str = ""
    _queue: deque[tuple[ObjectReference, str, str, str]] = field(default_factory=lambda: deque(maxlen=QUEUE))
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _series: OrderedDict[_Said, _Series] = field(default_factory=OrderedDict)
    _buckets: OrderedDict[str, _Bucket] = field(default_factory=OrderedDict)
    _serial: itertools.count[int] = field(default_factory=itertools.count)

    def event(
        self, about: Object | ObjectReference, kind: Literal["Normal", "Warning"], reason: str, message: str,
        *, part: str = "",
    ) -> None:  # fmt: skip
        """Say something about an object. `part` is a field path such as spec.containers{web}."""
        reference = about if isinstance(about, ObjectReference) else reference_to(about, part)
        if self._may_speak(reference.uid or reference.name):
            self._queue.append((reference, kind, reason, message))
            self._wake.set()

    async def run(self) -> None:
        """Write what is queued, for ever."""
        while True:
            self._wake.clear()
            while self._queue:
                await self._write(*self._queue.popleft())
            await self._wake.wait()

    def _may_speak(self, about: str) -> bool:
        now = self.clock.monotonic()
        bucket = self._buckets.pop(about, None) or _Bucket(BURST, now)
        bucket.tokens = min(BURST, bucket.tokens + (now - bucket.at) / REFILL)
        bucket.at = now
        self._buckets[about] = bucket
        while len(self._buckets) > REMEMBER:
            self._buckets.popitem(last=False)
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True

    async def _write(self, about: ObjectReference, kind: str, reason: str, message: str) -> None:
        now = self.clock.now()
        said = (about.uid, about.name, about.field_path, kind, reason, message)
        series = self._series.get(said)
        try:
            if series is not None and now - series.last < WINDOW and await self._again(series, now):
                return
            self._series[said] = _Series(await self._first(about, kind, reason, message), 1, now)
            while len(self._series) > REMEMBER:
                self._series.popitem(last=False)
        except (APIError, OSError, TimeoutError) as error:
            log.debug("event %s about %s %s dropped: %s", reason, about.kind, about.name, error)

    async def _again(self, series: _Series, now: float) -> bool:
        patch = {"count": series.count + 1, "lastTimestamp": time_at(now)}
        try:
            await self.client.patch(EVENT, series.key, patch)
        except NotFound:
            return False
        series.count, series.last = series.count + 1, now
        return True

    async def _first(self, about: ObjectReference, kind: str, reason: str, message: str) -> Key:
        now = self.clock.now()
        serial = int(now * 1e9) + next(self._serial)
        key = Key(about.namespace or "default", f"{about.name}.{serial:x}")
        event = Event(
            metadata=ObjectMeta(name=key.name, namespace=key.namespace),
            involved_object=about,
            reason=reason,
            message=message[:1024],
            type=kind,
            count=1,
            first_timestamp=time_at(now),
            last_timestamp=time_at(now),
            source=EventSource(component=self.component, host=self.host),
            reporting_component=self.component,
            reporting_instance=self.host,
        )
        await self.client.create(EVENT, event)
        return key


def reference_to(obj: Object, part: str = "") -> ObjectReference:
    """What an event points at."""
    meta = obj.metadata
    return ObjectReference(
        kind=obj.kind or type(obj).__name__, api_version=obj.api_version, namespace=meta.namespace, name=meta.name,
        uid=meta.uid, resource_version=meta.resource_version, field_path=part,
    )  # fmt: skip
