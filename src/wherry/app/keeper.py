"""Keepers: what keeps the server and the agents running. systemd where it is pid 1, our own supervisor elsewhere.

`apply(units)` is idempotent: units that run as asked are left alone, changed ones restarted, missing ones started,
others of ours stopped. `put(unit)` does that for one and leaves the others as they are. `stop()` ends all of them.
Containers are nobody's business here. What is kept is known from what the keeper itself reads, and what runs from the
processes: nothing else has to be remembered, and whoever is killed half-way can be followed by another.
"""

from __future__ import annotations

import json
import select
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from wherry.app import ahead, supervise, version
from wherry.app.supervise import Unit
from wherry.host import daemons, files

SYSTEMD_UNITS = Path("/etc/systemd/system")
WAIT = 10.0
_POLL = 0.02


class KeeperError(Exception):
    """The processes cannot be started; the text says why and what to do."""


class Keeper(Protocol):
    """Keeps processes running."""

    def apply(self, units: Sequence[Unit]) -> frozenset[str]:
        """Have exactly these units running; returns the names of what was started or stopped. Raises KeeperError."""

    def put(self, unit: Unit) -> None:
        """Have this unit running as asked, whatever it ran as before; returns when it does. Raises KeeperError."""

    def renew(self, program: Sequence[str]) -> None:
        """Have the keeper itself run as this program, where it is one of ours. Raises KeeperError."""

    def program(self) -> tuple[str, ...]:
        """As what the keeper itself runs; () when it does not, or is none of ours."""

    def kept(self) -> Mapping[str, Unit]:
        """What is to run, by name."""

    def file(self, name: str) -> Path:
        """The file that a unit is started from."""

    def stop(self) -> bool:
        """End every unit; returns whether any ran."""

    def pid(self, name: str) -> int | None:
        """The pid of a unit, None when it does not run."""


def runs(keeper: Keeper, unit: Unit) -> bool:
    """Whether a unit runs, and as asked."""
    pid = keeper.pid(unit.name)
    process = None if pid is None else daemons.find(pid)
    return process is not None and unit.is_run_by(process)


def choose(run: Path, log: Path) -> Keeper:
    """The keeper that fits this machine. systemd starts services in its own network namespace: elsewhere, as in a
    test's cluster (`wherry.testing.place`), our supervisor is right."""
    if Path("/run/systemd/system").is_dir() and _network(1) == _network("self"):
        return Systemd(prefix=f"{run.name.replace('-', '_')}-")
    return Supervised(run, log)


def _network(process: int | str) -> Path:
    """Which network namespace a process is in."""
    return Path(f"/proc/{process}/ns/net").readlink()


class Supervised:
    """Our own supervisor over the unit files in `<run>/units`."""

    def __init__(self, run: Path, log: Path) -> None:
        self._run = run
        self._log = log

    def apply(self, units: Sequence[Unit]) -> frozenset[str]:
        """See Keeper."""
        folder = files.private_folder(self._run / "units")
        wanted = {unit.name: unit.encode() for unit in units}
        changed = {name for name in wanted if self.pid(name) is None}
        for path in folder.glob("*.json"):
            if path.stem not in wanted:
                path.unlink()
                changed.add(path.stem)
        changed.update(name for name, text in wanted.items() if files.write_if_changed(folder / f"{name}.json", text))
        running = self._supervisor()
        if running is None:
            self._start(supervisor_program(self._run))
            changed.add("supervisor")
        elif self.program() != supervisor_program(self._run):
            self.renew(supervisor_program(self._run))
            changed.add("supervisor")
        elif changed:
            running.signal(signal.SIGHUP)
        return frozenset(changed)

    def put(self, unit: Unit) -> None:
        """See Keeper."""
        files.private_folder(self._run / "units")
        files.write_if_changed(self._run / "units" / f"{unit.name}.json", unit.encode())
        self._nudge()
        _wait(
            lambda: runs(self, unit) and self.program() != (),
            unit.grace + WAIT + (ahead.SECONDS if unit.ahead else 0),
            f"{unit.name} does not run; see {unit.log}",
        )

    def renew(self, program: Sequence[str]) -> None:
        """See Keeper."""
        if self.program() == tuple(program):
            return
        said = self._run / "supervisor.pid"
        before = said.stat().st_mtime_ns if said.exists() else 0
        files.write_if_changed(self._run / "supervisor.json", json.dumps({"argv": list(program)}) + "\n")
        self._nudge()

        def renewed() -> bool:
            return self.program() == tuple(program) and said.exists() and said.stat().st_mtime_ns != before

        _wait(renewed, WAIT, f"the supervisor does not run as {' '.join(program)}; see {self._log}")

    def program(self) -> tuple[str, ...]:
        """See Keeper."""
        running = self._supervisor()
        return () if running is None else daemons.words(running)

    def kept(self) -> Mapping[str, Unit]:
        """See Keeper."""
        return supervise.read_units(self._run)

    def file(self, name: str) -> Path:
        """See Keeper."""
        return self._run / "units" / f"{name}.json"

    def _nudge(self) -> None:
        """Have the supervisor look again; one that does not run is started as it was asked to be."""
        running = self._supervisor()
        if running is not None:
            running.signal(signal.SIGHUP)
        else:
            self._start(supervise.program(self._run) or supervisor_program(self._run))

    def stop(self) -> bool:
        """See Keeper."""
        units = supervise.read_units(self._run) if (self._run / "units").is_dir() else {}
        running = self._supervisor()
        if running is not None:
            daemons.stop(running, sum(unit.grace for unit in units.values()) + WAIT)
        left = False
        for unit in sorted(units.values(), key=lambda unit: -unit.order):
            process = daemons.read_pid(self._run / f"{unit.name}.pid")
            if process is not None:
                left = True
                daemons.stop(process, unit.grace)
            (self._run / f"{unit.name}.pid").unlink(missing_ok=True)
            (self._run / "units" / f"{unit.name}.json").unlink(missing_ok=True)
        return left or running is not None

    def pid(self, name: str) -> int | None:
        """See Keeper."""
        process = daemons.read_pid(self._run / f"{name}.pid")
        return None if process is None else process.pid

    def _supervisor(self) -> daemons.Process | None:
        return daemons.read_pid(self._run / "supervisor.pid")

    def _start(self, program: Sequence[str]) -> None:
        files.private_folder(self._log.parent)
        files.write_if_changed(self._run / "supervisor.json", json.dumps({"argv": list(program)}) + "\n")
        process = daemons.start(program, self._log)
        if process.wait(0):
            raise KeeperError(f"the supervisor ended at once; see {self._log}")


class Systemd:
    """One systemd service per unit, started at boot. `prefix` keeps clusters in other roots apart."""

    def __init__(self, folder: Path = SYSTEMD_UNITS, prefix: str = "wherry-") -> None:
        self._folder = folder
        self._prefix = prefix

    def apply(self, units: Sequence[Unit]) -> frozenset[str]:
        """See Keeper."""
        wanted = {unit.name: service(unit) for unit in units}
        stale = [name for name in self._names() if name not in wanted]
        for name in stale:
            self._control("disable", "--now", self._service(name))
            (self._folder / self._service(name)).unlink()
        idle = {name for name in wanted if self.pid(name) is None}
        changed = {
            name for name, text in wanted.items() if files.write_if_changed(self._folder / self._service(name), text)
        }
        if changed or stale:
            self._control("daemon-reload")
        for name in wanted:
            self._control("enable", "--quiet", self._service(name))
            self._control("restart" if name in changed else "start", self._service(name))
        return frozenset({*changed, *idle, *stale})

    def put(self, unit: Unit) -> None:
        """See Keeper."""
        if files.write_if_changed(self._folder / self._service(unit.name), service(unit)):
            self._control("daemon-reload")
        self._control("enable", "--quiet", self._service(unit.name))
        if not runs(self, unit):
            self._control("restart", self._service(unit.name))
        _wait(lambda: runs(self, unit), unit.grace + WAIT, f"{unit.name} does not run; see {unit.log}")

    def renew(self, program: Sequence[str]) -> None:
        """See Keeper."""

    def program(self) -> tuple[str, ...]:
        """See Keeper."""
        return ()

    def kept(self) -> Mapping[str, Unit]:
        """See Keeper."""
        found = {}
        for name in self._names():
            text = (self._folder / self._service(name)).read_text()
            kept = next((line.removeprefix(_KEPT) for line in text.splitlines() if line.startswith(_KEPT)), "")
            if kept:
                found[name] = supervise.decode(kept)
        return found

    def file(self, name: str) -> Path:
        """See Keeper."""
        return self._folder / self._service(name)

    def stop(self) -> bool:
        """See Keeper."""
        names = self._names()
        for name in names:
            self._control("disable", "--now", self._service(name))
            (self._folder / self._service(name)).unlink(missing_ok=True)
        if names:
            self._control("daemon-reload")
        return bool(names)

    def pid(self, name: str) -> int | None:
        """See Keeper."""
        answer = self._control("show", "--property=MainPID", "--value", self._service(name)).strip()
        return int(answer) or None if answer.isdigit() else None

    def _service(self, name: str) -> str:
        return f"{self._prefix}{name}.service"

    def _names(self) -> list[str]:
        """Units that have a service, agents first."""
        found = self._folder.glob(f"{self._prefix}*.service")
        return sorted(path.name.removeprefix(self._prefix).removesuffix(".service") for path in found)

    def _control(self, *arguments: str) -> str:
        done = subprocess.run(["systemctl", *arguments], check=False, capture_output=True, text=True)
        if done.returncode and arguments[0] in ("start", "restart", "daemon-reload"):
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[0]
            raise KeeperError(f"systemctl {' '.join(arguments)}: {reason}; see journalctl -u {arguments[-1]}")
        return done.stdout


_KEPT = "X-Wherry="
"""systemd passes over names that begin with X-: a service file holds the unit that it was made from."""


def service(unit: Unit) -> str:
    """A unit as a systemd service. Its containers' processes survive a stop (KillMode=process)."""
    command = " ".join(_quoted(word) for word in unit.argv)
    return (
        f"[Unit]\nDescription=wherry {unit.name} {unit.version}".rstrip() + "\n"
        "After=network-online.target\n"
        "Wants=network-online.target\n"
        "StartLimitIntervalSec=0\n"
        "\n"
        "[Service]\n"
        f"ExecStart={command}\n"
        f"Environment={_quoted(f'{supervise.MARK}={unit.mark}')}\n"
        f"{_KEPT}{json.dumps(unit._asdict())}\n"
        "Restart=always\n"
        "RestartSec=100ms\n"
        "KillMode=process\n"
        "Delegate=yes\n"
        "OOMScoreAdjust=-999\n"
        "LimitNOFILE=1048576\n"
        "TasksMax=infinity\n"
        f"TimeoutStopSec={unit.grace:.0f}\n"
        f"StandardOutput=append:{unit.log}\n"
        f"StandardError=append:{unit.log}\n"
        "UMask=0077\n"
        "\n"
        "[Install]\n"
        "WantedBy=multi-user.target\n"
    )


def _quoted(word: str) -> str:
    """A word of ExecStart: systemd expands % and $, and splits at spaces."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if shlex.quote(word) != word else escaped


def _wait(condition: Callable[[], bool], seconds: float, otherwise: str) -> None:
    """Raises KeeperError with `otherwise` after so many seconds."""
    until = time.monotonic() + seconds  # noqa: TID251 - commands block, and have no event loop
    while not condition():
        if time.monotonic() > until:  # noqa: TID251 - as above
            raise KeeperError(otherwise)
        select.select([], [], [], _POLL)


def supervisor_program(run: Path) -> tuple[str, ...]:
    """The supervisor of this very interpreter and package. It passes over its last argument, which tells a version that
    was installed in the place of another."""
    return (sys.executable, "-I", "-m", "wherry.app.supervise", str(run), version.wherry())


def command(*arguments: str) -> tuple[str, ...]:
    """How to run `wherry <arguments>` with this very interpreter and package, whatever the working directory."""
    return (sys.executable, "-I", "-m", "wherry.cli.main", *arguments)
