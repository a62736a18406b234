"""A server process to measure: `wherry server --only api` on a folder of its own, on one core of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.wire import Access
from wherry.aio.clock import SystemClock
from wherry.app import up
from wherry.app.config import Config, save
from wherry.host.keys import Pki

TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Running:
    """A running server: one process, or several that serve together."""

    pids: tuple[int, ...]
    access: Access
    started: float
    """Seconds from the start of the process until it answered."""

    def cpu(self) -> float:
        """CPU seconds used so far, all threads."""
        return sum(_cpu(pid) for pid in self.pids)

    def memory(self) -> int:
        """Resident bytes."""
        return sum(_memory(pid) for pid in self.pids)


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def _memory(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def placed() -> Iterator[Config]:
    """Folders and keys of a server that does not run yet, removed in the end."""
    folder = Path(tempfile.mkdtemp(prefix="wherry-bench-"))
    config = Config(root=str(folder), port=free_port())
    up.make_folders_and_keys(config, SystemClock())
    save(config)
    try:
        yield config
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(config.run, ignore_errors=True)


def access(config: Config) -> Access:
    """The administrator's way in."""
    pki = Pki(config.pki, SystemClock())
    ca, admin = pki.ca.files.certificate, pki.admin
    return Access("127.0.0.1", config.port, Path(ca), Path(admin.certificate), Path(admin.key))


@contextmanager
def apart(*commands: list[str]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Run the commands on one core and this process on another, where there are two, until the block ends."""
    cores = os.sched_getaffinity(0)
    first, second, *_ = (*sorted(cores), *cores)
    os.sched_setaffinity(0, {first})  # what a process begins with holds for its threads too
    try:
        processes = [subprocess.Popen(one, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) for one in commands]
        os.sched_setaffinity(0, {second})
        try:
            yield processes
        finally:
            for process in reversed(processes):
                process.send_signal(signal.SIGTERM)
                process.wait(timeout=60)
    finally:
        os.sched_setaffinity(0, cores)  # the next server is to have a core of its own too


@contextmanager
def server(*parts: str) -> Iterator[Running]:
    """Run a server with these parts (default: only the API) until the block ends."""
    only = [flag for part in parts or ("api",) for flag in ("--only", part)]
    wherry = str(Path(sys.executable).with_name("wherry"))
    with placed() as config:
        begun = time.perf_counter()
        with apart([wherry, "server", "--root", config.root, *only]) as processes:
            wait(config.port, processes)
            yield Running((processes[0].pid,), access(config), time.perf_counter() - begun)


def wait(port: int, processes: list[subprocess.Popen[bytes]], patience: float = 20.0) -> None:
    """Until something listens on the port, some seconds at most. Raises SystemExit when it does not."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if any(one.poll() is not None for one in processes):
                raise SystemExit("the server ended before it answered") from None
            time.sleep(0.01)
        else:
            return
    raise SystemExit("the server does not answer")
