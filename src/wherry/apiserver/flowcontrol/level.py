"""Level: the seats of one priority level and the queues of those who wait for one.

A request takes seats (a long list several) and gives them back. While there are seats, or some to borrow from levels
that lend theirs, nobody waits. Otherwise a request joins the shortest of a few queues dealt to its flow, so that
one flow can fill only its own hand; queues take turns by what they have been given so far. Runs on one event loop.
https://kubernetes.io/docs/concepts/cluster-administration/flow-control/
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from dataclasses import dataclass, field

from wherry.api.types.flowcontrol import PriorityLevelConfiguration, QueuingConfiguration


@dataclass(slots=True)
class Waiting:
    """A request in a queue; `arrival` counts those of its level."""

    arrival: int
    width: int
    future: asyncio.Future[None]


@dataclass(slots=True)
class Queue:
    """Requests of the flows that were dealt this queue. `given`: virtual time up to which it has had its share."""

    waiting: deque[Waiting] = field(default_factory=deque)
    given: float = 0.0


class Full(Exception):
    """No seat and no room in the queues; `reason` is the metric's word for it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Level:
    """One priority level. `limit`: seats of its own; None: exempt, nobody waits."""

    __slots__ = (
        "_arrivals", "_queues",
        "_virtual",
        "borrowable",
        "borrowing",
        "hand",
        "lendable",
        "length",
        "limit",
        "name",
        "taken",
        "uid",
        "waiting",
    )  # fmt: skip

    def __init__(self, name: str) -> None:
        self.name = name
        self.uid = ""
        self.limit: int | None = None
        self.lendable = 0
        self.borrowing: int | None = None
        self.borrowable: list[Level] = []
        """The other levels, which may lend."""
        self.taken = 0
        self.waiting = 0
        self.hand = self.length = 0
        self._queues: list[Queue] = []
        self._virtual = 0.0
        self._arrivals = 0

    def configure(self, config: PriorityLevelConfiguration, limit: int | None) -> None:
        """Take a (new) configuration; `limit` is its share of the server's seats."""
        self.uid = config.metadata.uid
        self.limit = limit
        spec = config.spec.limited
        exempt = config.spec.exempt
        share = (spec.lendable_percent if spec else exempt.lendable_percent if exempt else 0) or 0
        self.lendable = round((limit or 0) * share / 100)
        percent = spec.borrowing_limit_percent if spec else None
        self.borrowing = None if percent is None else round((limit or 0) * percent / 100)
        self._shuffle(spec.limit_response.queuing if spec and spec.limit_response.type == "Queue" else None)

    def _shuffle(self, queuing: QueuingConfiguration | None) -> None:
        self.hand = queuing.hand_size if queuing else 0
        self.length = queuing.queue_length_limit if queuing else 0
        wanted = queuing.queues if queuing else 0
        rest = self._queues[wanted:]
        self._queues = [*self._queues[:wanted], *(Queue() for _ in range(wanted - len(self._queues)))]
        for queue in rest:  # whoever waits in a queue that is no more goes on in another
            for waiting in queue.waiting:
                if self._queues:
                    min(self._queues, key=lambda q: len(q.waiting)).waiting.append(waiting)
                else:
                    self._admit(waiting)

    def take(self, width: int) -> bool:
        """Take seats if there are any; False: it would have to wait."""
        if self.limit is None or (not self.waiting and self._fits(width)):
            self.taken += width
            return True
        return False

    @property
    def free(self) -> bool:
        """Whether there is a seat for somebody who leaves it at once."""
        return self.limit is None or (not self.waiting and self._fits(1))

    def _fits(self, width: int) -> bool:
        limit = self.limit
        assert limit is not None
        taken = self.taken
        if taken + width <= limit or not taken:  # whoever is alone may sit down however wide
            return True
        wanted = taken + width - limit
        if self.borrowing is not None and wanted > self.borrowing:
            return False
        return wanted <= self._on_offer()

    def _on_offer(self) -> int:
        """Seats that other levels lend and that nobody else has borrowed yet."""
        free = lent = 0
        for level in self.borrowable:
            limit = level.limit or 0
            free += max(0, min(level.lendable, limit - level.taken))
            lent += max(0, level.taken - limit) if level.limit is not None else 0
        return free - lent

    async def wait(self, flow: str, width: int, seconds: float) -> None:
        """Wait in a queue until seats are taken. Raises Full at once when there is no room, or after `seconds`."""
        if not self._queues:
            raise Full("concurrency-limit")
        queue = self._deal(flow)
        if len(queue.waiting) >= self.length:
            raise Full("queue-full")
        if not queue.waiting:
            queue.given = max(queue.given, self._virtual)
        self._arrivals += 1
        mine = Waiting(self._arrivals, width, asyncio.get_running_loop().create_future())
        queue.waiting.append(mine)
        self.waiting += 1
        self.serve()  # seats may have become free since they were looked for
        try:
            async with asyncio.timeout(seconds):
                await mine.future
        except BaseException as error:
            if mine.future.done() and not mine.future.cancelled():
                self.give(width)  # it got its seats in the very moment in which it gave up
            else:
                self._leave(mine)
            if isinstance(error, TimeoutError):
                raise Full("time-out") from None
            raise

    def _leave(self, mine: Waiting) -> None:
        for queue in self._queues:
            if mine in queue.waiting:
                queue.waiting.remove(mine)
                self.waiting -= 1
                return

    def _deal(self, flow: str) -> Queue:
        """The shortest queue of the flow's hand."""
        number = int.from_bytes(hashlib.blake2b(flow.encode("utf-8", "surrogatepass"), digest_size=16).digest())
        left = list(range(len(self._queues)))
        hand = []
        for _ in range(min(self.hand, len(left))):
            number, at = divmod(number, len(left))
            hand.append(self._queues[left.pop(at)])
        return min(hand, key=lambda queue: sum(waiting.width for waiting in queue.waiting))

    def give(self, width: int) -> None:
        """Give seats back, to whoever waits: here, or in a level that borrows."""
        self.taken -= width
        self.serve()
        for level in self.borrowable:
            if level.waiting:
                level.serve()

    def serve(self) -> None:
        """Let in who waits, as long as there are seats: queues take turns."""
        while self.waiting:
            queue = min((q for q in self._queues if q.waiting), key=lambda q: (q.given, q.waiting[0].arrival))
            if self.limit is not None and not self._fits(queue.waiting[0].width):
                return
            waiting = queue.waiting.popleft()
            self._virtual = max(self._virtual, queue.given)
            queue.given += waiting.width
            self._admit(waiting)

    def _admit(self, waiting: Waiting) -> None:
        self.waiting -= 1
        if not waiting.future.done():
            self.taken += waiting.width
            waiting.future.set_result(None)
