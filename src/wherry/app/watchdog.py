"""The watchdog: kills a node's stateful pods when its agent has not put their end off in time.

The agent promises, in its Lease, that its stateful pods are dead at a certain moment unless it hears from the API
(`api.core.fencing`). It keeps that promise itself; this process keeps it when the agent is dead, stopped or stuck. The
agent writes what has to be killed and when to `<run>/<node>/fence.json`, before anybody can rely on it, and puts it off
with every renewal that is answered. It promises only while `<run>/watchdog.beat` shows that we are alive.

Owns: `<run>/watchdog.beat`. Woken by: time, every second. Imports nothing large: it stays for months in few megabytes.
Invariants: from the moment on that a file names, what it lists is killed again every second, until the file puts that
off; times are seconds since boot that count a machine's sleep, so that a machine that wakes up kills first; a file of
another boot lists what is dead anyhow.
docs/adr/0021-stateful-pods-are-replaced-only-when-fenced.md
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from wherry.host import boot, group_kill

TICK = 1.0
BEAT = "watchdog.beat"
FILE = "fence.json"


class Order(NamedTuple):
    """What one agent has written. `deadline`: seconds since boot; None while nothing is promised. `groups`: the control
    groups of its stateful pods."""

    boot: str
    deadline: float | None
    groups: tuple[str, ...]


def decode(text: str) -> Order:
    """The content of a file. Raises ValueError, KeyError, TypeError, AttributeError."""
    fields = json.loads(text)
    deadline = fields["deadline"]
    groups = tuple(str(group) for group in fields["pods"].values())
    return Order(str(fields["boot"]), None if deadline is None else float(deadline), groups)


def due(order: Order, boot_id: str, now: float) -> tuple[str, ...]:
    """The control groups to kill now."""
    late = order.deadline is not None and now >= order.deadline
    return order.groups if late and order.boot == boot_id else ()


class Watchdog:
    """Looks after all nodes of one run folder."""

    def __init__(self, run: Path, kill: Callable[[str], int] = group_kill.kill) -> None:
        self._run, self._kill = run, kill
        self._boot = boot.boot_id()
        self._orders: dict[Path, tuple[tuple[int, int], Order]] = {}

    def run(self) -> None:
        """Until SIGTERM."""
        ends = (signal.SIGTERM, signal.SIGINT)
        signal.pthread_sigmask(signal.SIG_BLOCK, ends)
        self.look(boot.elapsed())
        while signal.sigtimedwait(ends, TICK) is None:
            self.look(boot.elapsed())

    def look(self, now: float) -> None:
        """Once over all nodes: kill what is due, then say that we are alive."""
        for path in self._files():
            order = self._order(path)
            groups = due(order, self._boot, now) if order is not None else ()
            for group in groups:
                killed = self._kill(group)
                if killed:
                    say(f"{path.parent.name}: its agent had no API for too long; killed {killed} processes in {group}")
        _write(self._run / BEAT, f"{boot.elapsed():.2f}\n")

    def _files(self) -> list[Path]:
        with os.scandir(self._run) as entries:
            found = [Path(entry.path) / FILE for entry in entries if entry.is_dir()]
        return [path for path in found if path.exists()]

    def _order(self, path: Path) -> Order | None:
        try:
            stat = path.stat()
            stamp = (stat.st_ino, stat.st_mtime_ns)
            known = self._orders.get(path)
            if known is None or known[0] != stamp:
                known = self._orders[path] = (stamp, decode(path.read_text()))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            say(f"{path}: {error}")
            known = self._orders.get(path)
        return known[1] if known is not None else None


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.new")
    partial.write_text(text)
    partial.replace(path)


def say(text: str) -> None:
    """A line for the log."""
    print(time.strftime("%Y-%m-%dT%H:%M:%S"), text, file=sys.stderr, flush=True)  # noqa: T201 - stderr is its log


if __name__ == "__main__":
    Watchdog(Path(sys.argv[1])).run()
