"""Ahead: a process that is to take another's place loads its program while the other still serves.

Loading is nearly all of a start, so the place is empty for a moment only. The supervisor starts the process with one
end of a pair of sockets (its descriptor in the environment), waits until it says that it has loaded, ends the other,
notes the new one's pid and gives the word. Until then the new process has touched nothing but its program; if the
supervisor is gone, it ends. The supervisor imports this: nothing large here.
"""

from __future__ import annotations

import os
import select
import signal
import socket
from collections.abc import Sequence
from pathlib import Path

from wherry.host import daemons

VARIABLE = "WHERRY_AHEAD"
"""The descriptor of the process's end."""
LOADED, GO = b"loaded", b"go"
SECONDS = 30.0
"""How long loading may take; then the place is emptied all the same."""


class Ahead:
    """The supervisor's side. Raises OSError when the program cannot be run."""

    def __init__(self, argv: Sequence[str], log: Path, env: dict[str, str]) -> None:
        self._own, theirs = socket.socketpair()
        with theirs:
            try:
                self.process = daemons.start(
                    argv, log, env={**env, VARIABLE: str(daemons.FIRST)}, descriptors=[theirs.fileno()]
                )
            except OSError:
                self._own.close()
                raise

    def wait(self, seconds: float = SECONDS) -> bool:
        """Until it has loaded; whether it has, in so many seconds."""
        poll = select.poll()
        poll.register(self._own, select.POLLIN)
        try:
            return bool(poll.poll(seconds * 1000)) and self._own.recv(len(LOADED)) == LOADED
        except OSError:
            return False

    def go(self) -> None:
        """Give the word; nobody hears it where the process has ended."""
        with self._own as own:
            try:
                own.sendall(GO)
            except OSError:
                return

    def drop(self) -> None:
        """It is not wanted any more."""
        self._own.close()
        self.process.signal(signal.SIGKILL)
        self.process.wait(1)
        daemons.reap(self.process)


def asked() -> bool:
    """Whether this process has been started ahead."""
    return VARIABLE in os.environ


def turn() -> bool:
    """Say that all is loaded, and wait for the word; False when there is no supervisor to give it. Called once."""
    with socket.socket(fileno=int(os.environ.pop(VARIABLE))) as own:
        try:
            own.sendall(LOADED)
            return own.recv(len(GO)) == GO
        except OSError:
            return False
