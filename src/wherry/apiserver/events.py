"""Events are forgotten an hour after they were last written, as upstream's lease on them does.

Owns nothing else. Woken by time. https://kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver/
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from wherry.api.core.event import EVENT
from wherry.api.types.core import Event
from wherry.apiserver.api import Api
from wherry.machinery.time import seconds
from wherry.store.entry import Entry
from wherry.store.log import Changed, Unavailable

KEPT_SECONDS = 3600.0
_EVERY = 60.0
_AT_ONCE = 100


async def forget_events(api: Api) -> None:
    """For ever: remove what is too old, a few at a time."""
    seen: OrderedDict[str, tuple[int, float]] = OrderedDict()
    while True:
        await asyncio.sleep(_EVERY)
        for entry in too_old(api, seen)[:_AT_ONCE]:
            try:
                await api.windows.log.append(entry.key, None, entry.revision)
            except Changed:
                continue
            except Unavailable:
                return


def too_old(api: Api, seen: OrderedDict[str, tuple[int, float]]) -> list[Entry[Event]]:
    """Events whose last change is too long ago. `seen`: key -> (revision, when it was that); kept by the caller."""
    now = api.clock.now()
    entries = api.window(EVENT).list().items
    there = {entry.key for entry in entries}
    for key in [key for key in seen if key not in there]:
        del seen[key]
    found = []
    for entry in entries:
        known = seen.get(entry.key)
        if known is None or known[0] != entry.revision:
            known = seen[entry.key] = (entry.revision, _written(entry.obj, now))
        if known[1] < now - KEPT_SECONDS:
            found.append(entry)
    return found


def _written(event: Event, now: float) -> float:
    """When an event was last written, as far as it says so itself."""
    series = event.series.last_observed_time if event.series is not None else None
    stamp = series or event.last_timestamp or event.event_time or event.metadata.creation_timestamp
    return min(now, seconds(stamp)) if stamp else now
