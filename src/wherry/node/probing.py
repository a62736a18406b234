"""Probing: one prober per running container of a pod that has probes; none for pods that end, whose last findings stay.

After a restart of the agent a prober begins with what the status says, so `follow` goes before the status is decided.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection

from wherry.node import facts, podstatus
from wherry.node.checks import Target
from wherry.node.performer import Parts, Performer
from wherry.node.probes import Prober, has_probes
from wherry.node.runtime.interface import Container

log = logging.getLogger(__name__)


class Probing:
    """See the module."""

    def __init__(self, parts: Parts, do: Performer, wake: Callable[[], None]) -> None:
        self._parts, self._do, self._wake = parts, do, wake
        self._probers: dict[str, tuple[Prober, asyncio.Task[None]]] = {}

    def found(self) -> dict[str, facts.Probed]:
        """What is known, by container id."""
        return {one: prober.found for one, (prober, _) in self._probers.items()}

    def stop(self) -> None:
        """End all."""
        for _, task in self._probers.values():
            task.cancel()

    def follow(self, group: asyncio.TaskGroup, awaiting: Collection[str], *, stopping: bool) -> None:
        """Begin and end probers as containers come and go. `awaiting`: ids whose postStart has not ended."""
        wanted: dict[str, Container] = {}
        if not stopping:
            running = (one for one in self._parts.observer.pod(self._do.uid).containers if facts.running(one))
            wanted = {one.id: one for one in running if one.id not in awaiting}
        for identity in [one for one in self._probers if one not in wanted]:
            self._probers[identity][1].cancel()
            if not stopping:
                del self._probers[identity]
        for identity, container in wanted.items():
            spec = self._do.spec_of(container.name)
            if identity in self._probers or spec is None:
                continue
            target = Target(identity, self._do.address(), spec)
            if has_probes(target):
                prober = self._prober(target, container)
                self._probers[identity] = (prober, group.create_task(self._guard(prober)))

    def _prober(self, target: Target, container: Container) -> Prober:
        before = podstatus.prior(self._do.pod, container.name)
        same = before is not None and before.container_id == podstatus.SCHEME + container.id
        found = facts.Probed(started=False, ready=False)
        if same and before is not None:
            found = facts.Probed(started=bool(before.started), ready=before.ready)
        parts, name = self._parts, container.name
        return Prober(
            parts.runtime, parts.session, parts.clock, target, container.started, self._wake,
            lambda reason, message: self._do.tell("Warning", reason, message, name), found, self._count_for(name),
        )  # fmt: skip

    def _count_for(self, container: str) -> Callable[[str, str], None]:
        meta, tally = self._do.pod.metadata, self._parts.tally

        def count(kind: str, result: str) -> None:
            tally[kind, result, container, meta.name, meta.namespace, meta.uid] += 1

        return count

    async def _guard(self, prober: Prober) -> None:
        try:
            await prober.run()
        except* Exception:
            log.exception("probes of %s in pod %s", prober.target.spec.name, facts.pod_text(self._do.pod))
