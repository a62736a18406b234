"""PodQueue: which pod is tried next (pure but for the clock's numbers that callers pass in).

Active pods come by priority, then by how long they have waited. A pod that fits nowhere waits until something changes
that may help it, or five minutes; each further try comes after a back-off of 1 s, doubling up to 10 s. Where help is
likely (a node comes, victims have left) the back-off is never more than 1 s.
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
    failed_at: float = 0.0
    due: float = 0.0
    """When it is tried again if nothing happens."""
    serial: int = 0
    """Which entry of the heaps is the valid one."""
    minds_neighbours: bool = False


@dataclass(slots=True)
class PodQueue:
    """Pods that wait for a node, by uid. Times are monotonic seconds."""

    _pods: dict[str, _Waiting] = field(default_factory=dict)
    _parked: dict[str, _Waiting] = field(default_factory=dict)
    _active: list[tuple[int, float, int, str]] = field(default_factory=list)
    _later: list[tuple[float, int, str]] = field(default_factory=list)
    _serial: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def __len__(self) -> int:
        return len(self._pods)

    def __contains__(self, uid: str) -> bool:
        return uid in self._pods

    def add(self, uid: str, priority: int, now: float) -> None:
        """A pod waits; does nothing for one that is known."""
        if uid not in self._pods:
            self._pods[uid] = waiting = _Waiting(uid, priority, now)
            self._activate(waiting)

    def drop(self, uid: str) -> None:
        """The pod waits no more."""
        self._pods.pop(uid, None)
        self._parked.pop(uid, None)

    def failed(self, uid: str, now: float, *, minds_neighbours: bool = False) -> None:
        """The pod fits nowhere now. `minds_neighbours`: a pod that appears somewhere may help it."""
        waiting = self._pods.get(uid)
        if waiting is not None:
            self._back_off(waiting, now)
            waiting.minds_neighbours = minds_neighbours
            self._parked[uid] = waiting
            self._try_at(waiting, now + LONGEST_WAIT)

    def retry(self, uid: str, now: float) -> None:
        """Try this pod again after its back-off (its binding failed, say)."""
        waiting = self._pods.get(uid)
        if waiting is not None:
            self._back_off(waiting, now)
            self._parked[uid] = waiting
            self._try_at(waiting, waiting.ready_at)

    def changed(self, now: float, *, soon: bool = False) -> None:
        """Something changed that may help: parked pods are tried again, each after its back-off."""
        for uid in tuple(self._parked):
            self.nudge(uid, now, soon=soon)

    def neighbours_came(self, now: float) -> None:
        """A pod was placed: parked pods that like company are tried again, each after its back-off."""
        for uid in tuple(uid for uid, waiting in self._parked.items() if waiting.minds_neighbours):
            self.nudge(uid, now)

    def nudge(self, uid: str, now: float, *, soon: bool = False) -> None:
        """Something changed that may help this parked pod; `soon`: it probably does."""
        waiting = self._parked.get(uid)
        if waiting is not None:
            ready_at = min(waiting.ready_at, waiting.failed_at + FIRST_BACKOFF) if soon else waiting.ready_at
            if max(ready_at, now) < waiting.due:
                self._try_at(waiting, max(ready_at, now))

    def next(self, now: float) -> str | None:
        """The pod to try now, or None. It is handed out once; `failed`, `retry` or `drop` say what became of it."""
        while self._later and self._later[0][0] <= now:
            _, serial, uid = heapq.heappop(self._later)
            waiting = self._pods.get(uid)
            if waiting is not None and waiting.serial == serial:
                self._parked.pop(uid, None)
                self._activate(waiting)
        while self._active:
            _, _, serial, uid = heapq.heappop(self._active)
            waiting = self._pods.get(uid)
            if waiting is not None and waiting.serial == serial:
                return uid
        return None

    def tries(self, uid: str) -> int:
        """How often this pod was tried in vain."""
        waiting = self._pods.get(uid)
        return 0 if waiting is None else waiting.tries

    def sizes(self) -> dict[str, int]:
        """How many pods are to be tried now, how many after their back-off, and how many when something changes."""
        waits = sum(waiting.due >= waiting.failed_at + LONGEST_WAIT for waiting in self._parked.values())
        parked = len(self._parked)
        return {"active": len(self._pods) - parked, "backoff": parked - waits, "unschedulable": waits}

    def wait(self, now: float) -> float | None:
        """Seconds until `next` may have something without anything changing; None if never."""
        if self._active:
            return 0.0
        return max(self._later[0][0] - now, 0.0) if self._later else None

    def _back_off(self, waiting: _Waiting, now: float) -> None:
        waiting.tries += 1
        waiting.failed_at = now
        waiting.ready_at = now + min(FIRST_BACKOFF * 2 ** min(waiting.tries - 1, 10), LONGEST_BACKOFF)

    def _try_at(self, waiting: _Waiting, when: float) -> None:
        waiting.serial, waiting.due = next(self._serial), when
        heapq.heappush(self._later, (when, waiting.serial, waiting.uid))

    def _activate(self, waiting: _Waiting) -> None:
        waiting.serial = next(self._serial)
        heapq.heappush(self._active, (-waiting.priority, waiting.since, waiting.serial, waiting.uid))
