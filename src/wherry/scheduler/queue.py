"""PodQueue: which pod is tried next (pure but for the clock's numbers that callers pass in).

Active pods come by priority, then by how long they have waited. A pod that fits nowhere waits until something changes
that may help it, or five minutes; each further try comes after a back-off of 1 s, doubling up to 10 s.
https://kubernetes.io/docs/concepts/scheduling-eviction/kube-scheduler/
"""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, field

FIRST_BACKOFF, LONGEST_BACKOFF, LONGEST_WAIT = 1.0, 10.0, 300.0


@dataclass(slots=True)
class _Waiting:
    uid: str
    priority: int
    since: float
    tries: int = 0
    ready_at: float = 0.0
    """Monotonic seconds before which it is not tried again."""
    parked: bool = False
    serial: int = 0


@dataclass(slots=True)
class PodQueue:
    """Pods that wait for a node, by uid. Times are monotonic seconds."""

    _pods: dict[str, _Waiting] = field(default_factory=dict)
    _active: list[tuple[int, float, int, str]] = field(default_factory=list)
    _later: list[tuple[float, int, str]] = field(default_factory=list)
    _serial: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def add(self, uid: str, priority: int, now: float) -> None:
        """A pod waits; does nothing for one that is known."""
        if uid not in self._pods:
            self._pods[uid] = _Waiting(uid, priority, now)
            self._activate(self._pods[uid])

    def drop(self, uid: str) -> None:
        """The pod waits no more."""
        self._pods.pop(uid, None)

    def failed(self, uid: str, now: float) -> None:
        """The pod fits nowhere now."""
        waiting = self._pods.get(uid)
        if waiting is not None:
            waiting.tries += 1
            waiting.ready_at = now + min(FIRST_BACKOFF * 2 ** (waiting.tries - 1), LONGEST_BACKOFF)
            waiting.parked = True
            waiting.serial = next(self._serial)
            heapq.heappush(self._later, (now + LONGEST_WAIT, waiting.serial, uid))

    def changed(self, now: float) -> None:
        """Something changed that may help: parked pods are tried again, each after its back-off."""
        for waiting in self._pods.values():
            if waiting.parked:
                waiting.parked = False
                waiting.serial = next(self._serial)
                heapq.heappush(self._later, (max(waiting.ready_at, now), waiting.serial, waiting.uid))

    def retry(self, uid: str, now: float) -> None:
        """Try this pod again after its back-off (its binding failed, say)."""
        self.failed(uid, now)
        waiting = self._pods.get(uid)
        if waiting is not None:
            waiting.parked = False
            heapq.heappush(self._later, (waiting.ready_at, waiting.serial, uid))

    def next(self, now: float) -> str | None:
        """The pod to try now, or None. It is handed out once; `failed`, `retry` or `drop` say what became of it."""
        while self._later and self._later[0][0] <= now:
            _, serial, uid = heapq.heappop(self._later)
            waiting = self._pods.get(uid)
            if waiting is not None and waiting.serial == serial:
                waiting.parked = False
                self._activate(waiting)
        while self._active:
            _, _, serial, uid = heapq.heappop(self._active)
            waiting = self._pods.get(uid)
            if waiting is not None and waiting.serial == serial:
                return uid
        return None

    def wait(self, now: float) -> float | None:
        """Seconds until `next` may have something without anything changing; None if never."""
        if self._active:
            return 0.0
        return max(self._later[0][0] - now, 0.0) if self._later else None

    def _activate(self, waiting: _Waiting) -> None:
        waiting.serial = next(self._serial)
        heapq.heappush(self._active, (-waiting.priority, waiting.since, waiting.serial, waiting.uid))
