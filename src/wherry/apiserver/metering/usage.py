"""ResourceMetrics: use of pods and nodes, measured by their agents, asked for only while somebody wants to know.

Asked again within `FRESH` seconds, it answers what it has. The first question after a pause takes a second longer: use
is what lies between two counts. Nodes whose agent does not answer are left out.
https://kubernetes.io/docs/tasks/debug/debug-cluster/resource-metrics-pipeline/
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable

from wherry.aio.clock import Clock
from wherry.apiserver.metering.scrape import Container, Counted, Scrape, Used, between, read
from wherry.machinery.errors import APIError

log = logging.getLogger(__name__)

FRESH = 3.0
"""Seconds for which a count is good."""
SHORTEST, LONGEST = 0.9, 60.0
"""Seconds between two counts whose difference says something."""
GOOD = 4.0
"""Seconds that lie between two counts, where there is a choice."""
PATIENCE = 3.0
"""Seconds that an agent has for its answer."""
_KEPT = 8

Fetch = Callable[[str], Awaitable[bytes]]
"""Node name -> what its agent answers to /metrics/resource. Raises APIError."""


class ResourceMetrics:
    """See the module. `nodes()` are the names of the nodes there are."""

    def __init__(self, nodes: Callable[[], Iterable[str]], fetch: Fetch, clock: Clock) -> None:
        self._nodes, self._fetch, self._clock = nodes, fetch, clock
        self._counts: dict[str, deque[tuple[float, Scrape]]] = {}
        self._at = float("-inf")
        self._lock = asyncio.Lock()

    async def nodes(self) -> dict[str, Used]:
        """Use by node."""
        await self._refresh()
        found = {}
        for name, counts in self._counts.items():
            used = between(_before(counts).node, counts[-1][1].node)
            if used is not None:
                found[name] = used
        return found

    async def containers(self) -> dict[Container, Used]:
        """Use by container."""
        await self._refresh()
        found = {}
        for counts in self._counts.values():
            before = _before(counts).containers
            for who, count in counts[-1][1].containers.items():
                used = between(before.get(who) or _first(counts, who), count)
                if used is not None:
                    found[who] = used
        return found

    async def _refresh(self) -> None:
        async with self._lock:
            now = self._clock.monotonic()
            if now - self._at >= FRESH:
                await self._count()
            if not any(_pair(counts) for counts in self._counts.values()) and self._counts:
                await asyncio.sleep(SHORTEST + 0.2)
                await self._count()

    async def _count(self) -> None:
        names = list(self._nodes())
        answers = await asyncio.gather(*map(self._ask, names))
        now = self._at = self._clock.monotonic()
        for name in [name for name in self._counts if name not in names]:
            del self._counts[name]
        for name, answer in zip(names, answers, strict=True):
            counts = self._counts.setdefault(name, deque(maxlen=_KEPT))
            while counts and now - counts[0][0] > LONGEST:
                counts.popleft()
            if answer is not None:
                counts.append((now, answer))
            if not counts:
                del self._counts[name]

    async def _ask(self, name: str) -> Scrape | None:
        try:
            async with asyncio.timeout(PATIENCE):
                return read((await self._fetch(name)).decode("utf-8", "replace"))
        except (APIError, OSError, TimeoutError) as error:
            log.info("node %s cannot be asked what it uses: %s", name, str(error) or "timed out")
            return None


def _pair(counts: deque[tuple[float, Scrape]]) -> bool:
    return len(counts) > 1 and counts[-1][0] - counts[0][0] >= SHORTEST


def _before(counts: deque[tuple[float, Scrape]]) -> Scrape:
    """The latest count that is far enough from the last one, or else the first."""
    last = counts[-1][0]
    far = [scrape for at, scrape in counts if last - at >= GOOD]
    return far[-1] if far else counts[0][1]


def _first(counts: deque[tuple[float, Scrape]], who: Container) -> Counted | None:
    """The first count of a container that was not there at the usual one."""
    return next((scrape.containers[who] for _, scrape in counts if who in scrape.containers), None)
