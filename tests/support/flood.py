"""Flood: one network namespace tries without pause to reach another; both ends count."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from wherry.host import netns

PAUSE = 0.0005
"""Seconds between two tries."""


@dataclass
class Flood:
    """Tries without pause, from one pod to another: datagrams, each from a new port and so judged anew, or
    connections; `failed` and `arrived` count."""

    source: str
    target: tuple[str, int]
    kind: socket.SocketKind
    sent: int = 0
    arrived: int = 0
    failed: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def send(self) -> None:
        """Until stopped."""
        with netns.entered(self.source):
            while not self.stop.is_set():
                with socket.socket(socket.AF_INET, self.kind) as one:
                    one.settimeout(2)
                    try:
                        one.connect(self.target)
                        one.send(b"?")
                    except OSError as error:
                        self.failed.append(repr(error))
                self.sent += 1
                time.sleep(PAUSE)

    def receive(self, space: str) -> None:
        """Count what arrives, until stopped."""
        with netns.entered(space), socket.socket(socket.AF_INET, self.kind) as one:
            one.bind(("0.0.0.0", self.target[1]))
            if self.kind == socket.SOCK_STREAM:
                one.listen(100)
            one.settimeout(0.1)
            while not self.stop.is_set():
                with contextlib.suppress(TimeoutError):
                    if self.kind == socket.SOCK_STREAM:
                        one.accept()[0].close()
                    else:
                        one.recv(10)
                    self.arrived += 1

    @contextlib.contextmanager
    def to(self, space: str) -> Iterator[None]:
        """Do it while the block runs, with the receiving end in `space`."""
        threads = [threading.Thread(target=self.receive, args=(space,)), threading.Thread(target=self.send)]
        for thread in threads:
            thread.start()
            time.sleep(0.05)  # the receiver first
        try:
            yield
        finally:
            self.stop.set()
            for thread in threads:
                thread.join()
