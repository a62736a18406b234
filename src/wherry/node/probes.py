"""Probes: looking at one running container again and again, and what follows from what is seen.

A startup probe holds the others back until it succeeds. Until the first success of a startup or readiness probe it is
tried more often than its period (from 0.1 s up), so that a fast server is ready fast; those early tries never count as
failures. After a restart of the agent a container that was ready stays ready until a probe says otherwise.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import aiohttp

from wherry.aio.clock import Clock
from wherry.api.types.core import Probe
from wherry.node import checks
from wherry.node.checks import Target, Unknowable
from wherry.node.facts import Probed
from wherry.node.runtime.interface import Runtime

EARLY = 0.1
EARLY_EXEC = 1.0
Kind = Literal["startup", "liveness", "readiness"]


def has_probes(target: Target) -> bool:
    """Whether there is anything to do."""
    spec = target.spec
    return bool(spec.startup_probe or spec.liveness_probe or spec.readiness_probe)


async def look(runtime: Runtime, session: aiohttp.ClientSession, target: Target, probe: Probe) -> checks.Answer:
    """One try of a probe. Raises Unknowable."""
    timeout = float(probe.timeout_seconds or 1)
    if probe.exec is not None:
        return await checks.run_command(runtime, target.container, probe.exec.command, timeout)
    if probe.http_get is not None:
        return await checks.http_get(session, target, probe.http_get, timeout)
    if probe.tcp_socket is not None:
        return await checks.tcp_connect(target, probe.tcp_socket, timeout)
    if probe.grpc is not None:
        return await checks.grpc_health(target, probe.grpc, timeout)
    raise Unknowable("missing probe handler")


@dataclass(slots=True)
class Prober:
    """All probes of one container. `begun` is when it started (epoch seconds); `changed` is called on every new
    finding; `tell(reason, message)` makes a Warning event."""

    runtime: Runtime
    session: aiohttp.ClientSession
    clock: Clock
    target: Target
    begun: float
    changed: Callable[[], None]
    tell: Callable[[str, str], None]
    found: Probed = field(default_factory=lambda: Probed(started=False, ready=False))
    count: Callable[[str, str], None] = lambda _, __: None
    """(probe type, result) of every try that counts"""

    async def run(self) -> None:
        """Probe until the container is to be killed (its finding then says why) or this task is cancelled."""
        spec = self.target.spec
        if spec.startup_probe is not None and not self.found.started:
            await self._loop("startup", spec.startup_probe)
            if self.found.failed:
                return
        elif not self.found.started:
            self._set(Probed(started=True, ready=self.found.ready))
        async with asyncio.TaskGroup() as group:
            if spec.liveness_probe is not None:
                group.create_task(self._loop("liveness", spec.liveness_probe))
            if spec.readiness_probe is not None:
                group.create_task(self._loop("readiness", spec.readiness_probe))

    def _set(self, found: Probed) -> None:
        if found != self.found:
            self.found = found
            self.changed()

    async def _loop(self, kind: Kind, probe: Probe) -> None:
        await asyncio.sleep(max(0.0, self.begun + probe.initial_delay_seconds - self.clock.now()))
        period = float(probe.period_seconds or 10)
        early = EARLY_EXEC if probe.exec is not None else EARLY
        good = bad = 0
        next_due = self.clock.monotonic()
        waiting = kind == "startup" or (kind == "readiness" and not self.found.ready)
        while True:
            due = self.clock.monotonic() >= next_due
            if due:
                next_due += period
            healthy = await self._once(kind, probe, quiet=not due)
            if healthy:
                good, bad, waiting = good + 1, 0, waiting and good + 1 < (probe.success_threshold or 1)
            elif healthy is False and due:
                good, bad = 0, bad + 1
            if self._conclude(kind, probe, good, bad):
                return
            pause = max(0.0, next_due - self.clock.monotonic())
            if waiting and not good and early < pause:
                pause, early = early, early * 2
            await asyncio.sleep(pause)

    async def _once(self, kind: Kind, probe: Probe, *, quiet: bool) -> bool | None:
        """Whether it is healthy; None if that cannot be told."""
        word = kind.capitalize()
        try:
            healthy, text = await look(self.runtime, self.session, self.target, probe)
        except Unknowable as error:
            if not quiet:
                self.count(word, "unknown")
                self.tell("Unhealthy", f"{word} probe errored and resulted in unknown state: {error}")
            return None
        if not quiet:
            self.count(word, "successful" if healthy else "failed")
        if not healthy and not quiet:
            self.tell("Unhealthy", f"{word} probe failed: {text}")
        return healthy

    def _conclude(self, kind: Kind, probe: Probe, good: int, bad: int) -> bool:
        """Draw the conclusion; True ends this probe."""
        now = self.found
        if good and good >= (probe.success_threshold or 1):
            if kind == "startup":
                self._set(Probed(started=True, ready=now.ready))
                return True
            if kind == "readiness":
                self._set(Probed(started=True, ready=True, failed=now.failed))
        if bad and bad >= (probe.failure_threshold or 3):
            if kind == "readiness":
                self._set(Probed(started=True, ready=False, failed=now.failed))
            else:
                self._set(Probed(started=now.started, ready=False, failed=kind))
                return True
        return False
