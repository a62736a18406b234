"""Evictor: looks every ten seconds whether the node runs short, reclaims what nobody uses, and ends one pod at a time.

Owns the node's pressure conditions: a condition stays for `TRANSITION` seconds after its shortage was last seen, so
that pods do not come and go. Decisions are in eviction.py; a pod is ended by its own worker.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from wherry.aio.clock import Clock
from wherry.api.types.core import Pod
from wherry.host import consumption
from wherry.node import eviction, machine
from wherry.node.config import AgentConfig
from wherry.node.eviction import Kind, Shortage, Signal, Victim
from wherry.node.metering import Meter
from wherry.node.registration import Pressure
from wherry.node.runtime.interface import RuntimeFault

log = logging.getLogger(__name__)

EVERY = 10.0
TRANSITION = 300.0
WALK_EVERY = 60.0
"""Seconds between looks at pods' limits on local storage."""


@dataclass(slots=True)
class Evictor:
    """See the module. `evict` ends a pod; `reclaim` removes unused images."""

    config: AgentConfig
    meter: Meter
    clock: Clock
    pods: Callable[[], list[Pod]]
    evict: Callable[[Victim], None]
    reclaim: Callable[[], Awaitable[None]]
    changed: Callable[[], None] = lambda: None
    """A condition came or went."""
    _seen: dict[Kind, float] = field(default_factory=dict)
    """Resource -> when its shortage was last seen (monotonic)"""
    _walked: float = float("-inf")

    def pressures(self) -> tuple[Pressure, ...]:
        """The conditions that hold."""
        now = self.clock.monotonic()
        kinds = [kind for kind, at in self._seen.items() if now - at < TRANSITION]
        found = {eviction.CONDITIONS[kind][0]: Pressure(*eviction.CONDITIONS[kind]) for kind in kinds}
        return tuple(found.values())

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await asyncio.sleep(EVERY)
            try:
                await self.look(self.signals())
            except (RuntimeFault, OSError) as error:
                log.info("the node's resources cannot be looked at: %s", error)

    def signals(self) -> dict[str, Signal]:
        """What is left of everything, now."""
        memory = Signal(machine.memory_available(), machine.memory_bytes())
        disk = consumption.of_filesystem(self.config.root)
        images = consumption.of_filesystem(self._images())
        used, most = machine.pids()
        return eviction.signals(memory, disk, images, Signal(most - used, most))

    def _images(self) -> Path:
        place = self.config.root / "containerd" / "data"
        return place if place.exists() else self.config.root

    async def look(self, signals: dict[str, Signal]) -> None:
        """Act on what is left."""
        before = self.pressures()
        short = eviction.shortages(signals, self.config.eviction_hard)
        for one in short:
            self._seen[one.resource] = self.clock.monotonic()
        if self.pressures() != before:
            self.changed()
        if short and await self._still(short[0]):
            look = await self.meter.look()
            victim = eviction.victim(short[0], look.pods)
            if victim is not None:
                self.evict(victim)
        elif self.clock.monotonic() - self._walked >= WALK_EVERY and any(map(eviction.wants_walk, self.pods())):
            self._walked = self.clock.monotonic()
            await self._limits()

    async def _still(self, short: Shortage) -> bool:
        """Whether a shortage goes on after the node has removed what nobody needs."""
        log.warning("%s: %d left, less than %d", short.signal, short.available, short.threshold)
        if short.resource not in ("ephemeral-storage", "inodes"):
            return True
        await self.reclaim()
        again = eviction.shortages(self.signals(), self.config.eviction_hard)
        return any(one.signal == short.signal for one in again)

    async def _limits(self) -> None:
        for one in (await self.meter.look()).pods:
            victim = eviction.over_limit(one)
            if victim is not None:
                self.evict(victim)
