"""Early: DNS while an agent that starts loads the rest of itself.

That takes a second, several on a busy machine, and the queries of pods would wait. So a thread answers them as soon as
there is a process: on the socket that was kept, from what was last known (`dns_memory`). It answers names that it knows
to be there, nothing else: all other queries are held until the server (`dns.py`) takes them over with `end`. Imports
little, on purpose.
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import threading
from collections import deque
from typing import Self

from wherry.host import sockets
from wherry.network import dns_memory
from wherry.network import dns_wire as wire
from wherry.network.dns import Answers, Files, Question
from wherry.network.dns_records import Zone

log = logging.getLogger(__name__)

MOST = 4096
"""Queries that are held; of more, the first are given up."""


class Early:
    """See the module. `udp` is closed at the end; `zone` holds what is known."""

    def __init__(self, udp: socket.socket, zone: Zone) -> None:
        self._udp = udp
        self._zone = zone
        self._answers = Answers(zone, lambda: 0)
        self._held: deque[Question] = deque(maxlen=MOST)
        self._told, self._tell = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, name="early DNS", daemon=True)
        self._thread.start()

    @classmethod
    def begin(cls, files: Files, zone: Zone, at: tuple[str, int]) -> Self | None:
        """Answer from now on; None where no socket was kept or nothing is known."""
        kept = sockets.again(files.sockets, *at)
        if kept is None:
            return None
        udp, tcp = kept
        tcp.close()
        if not dns_memory.load(files.memory, zone):
            udp.close()
            return None
        return cls(udp, zone)

    def end(self) -> list[Question]:
        """Stop, and give over what nobody has answered. Blocks for a moment; safe to repeat."""
        self._tell.close()
        self._thread.join()
        held = list(self._held)
        self._held.clear()
        return held

    def _serve(self) -> None:
        with self._udp, self._told:
            while self._told not in select.select((self._udp, self._told), (), ())[0]:
                with contextlib.suppress(OSError):  # nothing there after all, or the client is gone
                    self._take(*self._udp.recvfrom(4096))

    def _take(self, message: bytes, client: tuple[str, int]) -> None:
        try:
            answer = self._answer(message)
        except Exception:
            log.exception("early DNS: %r", message)
            answer = None
        if answer is None:
            self._held.append((message, client))
        else:
            self._udp.sendto(answer, client)

    def _answer(self, message: bytes) -> bytes | None:
        """The answer when the name is known to be there."""
        known = self._answers.remembered(message)
        if known is not None:
            return known
        try:
            query = wire.read(message)
        except wire.Malformed:
            return None
        found = self._zone.find(query.name) if query.klass == 1 and self._zone.serves(query.name) else None
        if found is None or found.cname:
            return None
        answer = self._answers.answer(message, query)
        return wire.fit(answer, query) if answer is not None else None
