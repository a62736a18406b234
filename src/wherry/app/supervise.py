"""The supervisor: a small process that keeps the server and the agents running where no systemd does.

Owns: `<run>/units/<name>.json` is read (what must run), `<run>/<name>.pid` is written, `<run>/supervisor.pid` and the
lock on `<run>/supervisor.lock` say that it runs. Woken by: the end of a unit (pidfd), SIGHUP (units changed), SIGTERM
(stop everything, in reverse order of names' `order`), time (back-off).

Invariants: a running unit is adopted, never started twice, and ended first if it runs as something else than is asked;
the supervisor may be killed at any moment without harm to its units; where a unit becomes another, its process may load
before the old one's ends; a unit that ends is started again at once, then
ever more slowly, up to `CAP` seconds, while it keeps ending within `STEADY` seconds. Imports nothing large: it stays
for months in a few megabytes.

Another version takes over in the same process: when `<run>/supervisor.json` holds another command line than ours at a
SIGHUP, we become that (execv), with our pid and our children. Unit files are read by earlier and later versions than
wrote them: unknown fields are passed over, and a unit whose file cannot be read goes on as it is.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import sys
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from wherry.app.ahead import Ahead
from wherry.host import daemons

FIRST = 0.02
CAP = 5.0
STEADY = 5.0
GRACE = 10.0
LOG_CHECK = 60.0
"""Seconds between looks at the size of log files."""
MARK = "WHERRY_UNIT"
"""Variable in a unit's environment that tells as what it was started."""
SIGNALS = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)


class Unit(NamedTuple):
    """One process to keep running. `order`: lower starts earlier and stops later. `log` is a file. `version` is what
    runs, wherry's own and what else a process is started anew for. `ahead`: it loads before another's place is emptied
    for it (`ahead.py`)."""

    name: str
    argv: tuple[str, ...]
    log: str
    order: int = 0
    grace: float = GRACE
    version: str = ""
    ahead: bool = False

    def encode(self) -> str:
        """As the content of a unit file."""
        return json.dumps(self._asdict(), indent=1) + "\n"

    @property
    def release(self) -> str:
        """The version of wherry."""
        return self.version.partition(" ")[0]

    @property
    def mark(self) -> str:
        """The version and a digest of the command line. The same in every version of wherry: another value restarts
        what runs."""
        return f"{self.version}:{zlib.crc32(chr(0).join(self.argv).encode()):08x}"

    def is_run_by(self, process: daemons.Process) -> bool:
        """Whether a process was started as this. One without a mark is known by its command line."""
        mark = daemons.environment(process, MARK)
        return mark == self.mark if mark else daemons.words(process) == self.argv


def decode(text: str) -> Unit:
    """The unit in the content of a unit file. Raises ValueError, KeyError, TypeError."""
    fields = {name: value for name, value in json.loads(text).items() if name in Unit._fields}
    return Unit(**{**fields, "argv": tuple(fields["argv"])})


def read_units(run: Path, before: Mapping[str, Unit] | None = None) -> dict[str, Unit]:
    """What must run, by name. A file that cannot be read stands for what it was `before`, with a word on stderr."""
    units = {}
    for path in sorted((run / "units").glob("*.json")):
        try:
            unit = decode(path.read_text())
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            print(f"{path}: {error}", file=sys.stderr)  # noqa: T201 - stderr is the supervisor's log
            if before is None or path.stem not in before:
                continue
            unit = before[path.stem]
        units[unit.name] = unit
    return units


def program(run: Path) -> tuple[str, ...]:
    """The command line that the supervisor is to have; () when nobody has asked for one."""
    try:
        argv = json.loads((run / "supervisor.json").read_text())["argv"]
        return tuple(map(str, argv))
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def environment(unit: Unit) -> dict[str, str]:
    """The environment of a unit's process."""
    return {**os.environ, MARK: unit.mark}


class Watched:
    """A unit and its present process."""

    def __init__(self, unit: Unit, run: Path, ahead: Ahead | None = None) -> None:
        self.unit = unit
        self.descriptor: int | None = None
        self._ahead = ahead
        self.due = 0.0
        self._pid_file = run / f"{unit.name}.pid"
        self._process: daemons.Process | None = None
        self._since = 0.0
        self._delay = 0.0

    def ensure(self, now: float) -> None:
        """Adopt the running process, or start one; on failure note when to try again."""
        self._process = daemons.read_pid(self._pid_file)
        if self._process is not None and not self.unit.is_run_by(self._process):
            say(f"{self.unit.name} runs as something else, pid {self._process.pid}")
            self.stop()
        if self._process is None:
            try:
                self._process = self._start()
            except OSError as error:
                say(f"{self.unit.name} cannot be started: {error}")
                self._wait(now)
                return
            say(f"{self.unit.name} started, pid {self._process.pid}")
        self._since = now
        self.due = float("inf")
        self.descriptor = self._process.open()
        if self.descriptor is None:
            self.ended(now)

    def load(self, unit: Unit) -> Ahead | None:
        """Have the process load that is to take this one's place as that unit, where this one runs; None if there is
        none: it is then started when this one has ended."""
        if not unit.ahead or self.descriptor is None:
            return None
        try:
            ahead = Ahead(unit.argv, Path(unit.log), environment(unit))
        except OSError as error:
            say(f"{unit.name} cannot be started: {error}")
            return None
        if ahead.wait():
            return ahead
        say(f"{unit.name} has not loaded ahead, pid {ahead.process.pid}")
        ahead.drop()
        return None

    def ended(self, now: float) -> None:
        """The process is gone: forget it and set when to start the next."""
        self._close()
        status = daemons.reap(self._process) if self._process else None
        say(f"{self.unit.name} ended{'' if status is None else f', wait status {status}'}")
        if now - self._since > STEADY:
            self._delay = 0.0
        self._wait(now)

    def stop(self) -> None:
        """End the process, with the unit's grace."""
        self._close()
        if self._process is not None and not daemons.stop(self._process, self.unit.grace):
            say(f"{self.unit.name} did not end within {self.unit.grace:.0f} s and was killed")
        self._process = None
        self._pid_file.unlink(missing_ok=True)

    def _start(self) -> daemons.Process:
        """The process that has loaded ahead, or a new one; its pid is noted before it does anything."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead.process.alive():
            daemons.write_pid(self._pid_file, ahead.process)
            ahead.go()
            return ahead.process
        if ahead is not None:
            ahead.drop()
        process = daemons.start(self.unit.argv, Path(self.unit.log), env=environment(self.unit))
        daemons.write_pid(self._pid_file, process)
        return process

    def _wait(self, now: float) -> None:
        self.due = now + self._delay
        self._delay = min(CAP, max(FIRST, self._delay * 2))

    def _close(self) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


class Supervisor:
    """Keeps the units of one run folder going."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._watched: dict[str, Watched] = {}
        self._reload = True
        self._asked = False
        self._stop = False
        self._logs_due = 0.0
        self._wake, wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
        signal.signal(signal.SIGHUP, self._on_signal)
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # blocked by the version before us, while it became us
        daemons.reap_all()

    def run(self) -> None:
        """Until SIGTERM."""
        while not self._stop:
            if self._reload:
                self._reload = False
                if self._asked:
                    self._become()
                self._apply(read_units(self._run, {name: own.unit for name, own in self._watched.items()}))
            now = time.monotonic()  # noqa: TID251 - asyncio's weight is what this process avoids
            self._start_due(now)
            self._rotate(now)
            self._poll(now)
        for watched in self._in_order(reverse=True):
            watched.stop()

    def _on_signal(self, number: int, _frame: object) -> None:
        if number == signal.SIGHUP:
            self._reload = self._asked = True
        else:
            self._stop = True

    def _become(self) -> None:
        """Go on as another version's program, if that is asked for; signals wait until it is ready for them."""
        argv = program(self._run)
        if not argv or list(argv) == sys.orig_argv:
            return
        say(f"going on as {' '.join(argv)}")
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            os.execv(argv[0], argv)
        except OSError as error:
            say(f"that cannot be run: {error}")
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _apply(self, units: dict[str, Unit]) -> None:
        loaded = {}
        for watched in self._in_order(reverse=True):
            unit = units.get(watched.unit.name)
            if unit != watched.unit:
                if unit is not None:
                    loaded[unit.name] = watched.load(unit)
                watched.stop()
                del self._watched[watched.unit.name]
        for name, unit in units.items():
            if name not in self._watched:
                self._watched[name] = Watched(unit, self._run, loaded.get(name))

    def _in_order(self, *, reverse: bool = False) -> list[Watched]:
        return sorted(self._watched.values(), key=lambda w: (w.unit.order, w.unit.name), reverse=reverse)

    def _start_due(self, now: float) -> None:
        for watched in self._in_order():
            if watched.due <= now:
                watched.ensure(now)

    def _rotate(self, now: float) -> None:
        if now >= self._logs_due:
            self._logs_due = now + LOG_CHECK
            for watched in self._watched.values():
                daemons.rotate(Path(watched.unit.log))

    def _poll(self, now: float) -> None:
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        by_descriptor = {}
        next_due = self._logs_due
        for watched in self._watched.values():
            next_due = min(next_due, watched.due)
            if watched.descriptor is not None:
                poll.register(watched.descriptor, select.POLLIN)
                by_descriptor[watched.descriptor] = watched
        for descriptor, _ in poll.poll(max(0.0, (next_due - now) * 1000)):
            if descriptor == self._wake:
                os.read(self._wake, 512)
            else:
                by_descriptor[descriptor].ended(time.monotonic())  # noqa: TID251 - as above


def say(text: str) -> None:
    """A line for the supervisor's log."""
    print(time.strftime("%Y-%m-%dT%H:%M:%S"), text, file=sys.stderr, flush=True)  # noqa: T201 - stderr is its log


def main(run: Path) -> int:
    """Supervise the units of the run folder; 1 when another supervisor already does."""
    lock = os.open(run / "supervisor.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("another supervisor runs already")
        return 1
    supervisor = Supervisor(run)
    own = daemons.find(os.getpid())
    assert own is not None  # we are running
    daemons.write_pid(run / "supervisor.pid", own)
    supervisor.run()
    (run / "supervisor.pid").unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
