"""Keepers: what keeps the server and the agents running. systemd where it is pid 1, our own supervisor elsewhere.

`apply(units)` is idempotent: units that run as asked are left alone, changed ones restarted, missing ones started,
others of ours stopped. `stop()` ends all of them. Containers are nobody's business here.
"""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from wherry.app import supervise
from wherry.app.supervise import Unit
from wherry.host import daemons, files

SYSTEMD_UNITS = Path("/etc/systemd/system")
WAIT = 10.0


class KeeperError(Exception):
    """The processes cannot be started; the text says why and what to do."""


class Keeper(Protocol):
    """Keeps processes running."""

    def apply(self, units: Sequence[Unit]) -> frozenset[str]:
        """Have exactly these units running; returns the names of what was started or stopped. Raises KeeperError."""

    def stop(self) -> bool:
        """End every unit; returns whether any ran."""

    def pid(self, name: str) -> int | None:
        """The pid of a unit, None when it does not run."""


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
            self._start()
            changed.add("supervisor")
        elif changed:
            running.signal(signal.SIGHUP)
        return frozenset(changed)

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

    def _start(self) -> None:
        files.private_folder(self._log.parent)
        process = daemons.start([sys.executable, "-I", "-m", "wherry.app.supervise", str(self._run)], self._log)
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
            name
            for name, text in wanted.items()
            if files.write_if_changed(self._folder / self._service(name), text, mode=0o644)
        }
        if changed or stale:
            self._control("daemon-reload")
        for name in wanted:
            self._control("enable", "--quiet", self._service(name))
            self._control("restart" if name in changed else "start", self._service(name))
        return frozenset({*changed, *idle, *stale})

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


def command(*arguments: str) -> tuple[str, ...]:
    """How to run `wherry <arguments>` with this very interpreter and package, whatever the working directory."""
    return (sys.executable, "-I", "-m", "wherry.cli.main", *arguments)
