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
    """A running server."""

    pid: int
    access: Access
    started: float
    """Seconds from the start of the process until it answered."""

    def cpu(self) -> float:
        """CPU seconds used so far, all threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def memory(self) -> int:
        """Resident bytes."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def server(*parts: str) -> Iterator[Running]:
    """Run a server with these parts (default: only the API) until the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="wherry-bench-"))
    config = Config(root=str(folder), port=free_port())
    up.make_folders_and_keys(config, SystemClock())
    save(config)
    only = [flag for part in parts or ("api",) for flag in ("--only", part)]
    wherry = str(Path(sys.executable).with_name("wherry"))
    begun = time.perf_counter()
    process = subprocess.Popen([wherry, "server", "--root", str(folder), *only], stderr=subprocess.DEVNULL)
    cores = os.sched_getaffinity(0)
    if len(cores) > 1:
        first, second, *_ = sorted(cores)
        os.sched_setaffinity(process.pid, {first})
        os.sched_setaffinity(0, {second})
    try:
        _wait(config.port, process)
        admin = Pki(config.pki, SystemClock()).admin
        ca = Pki(config.pki, SystemClock()).ca.files.certificate
        access = Access("127.0.0.1", config.port, Path(ca), Path(admin.certificate), Path(admin.key))
        yield Running(process.pid, access, time.perf_counter() - begun)
    finally:
        os.sched_setaffinity(0, cores)  # the next server is to have a core of its own too
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=10)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(config.run, ignore_errors=True)


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process.poll() is not None:
                raise SystemExit("the server ended before it answered") from None
            time.sleep(0.01)
        else:
            return
    raise SystemExit("the server does not answer")
