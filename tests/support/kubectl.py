"""kubectl programs for tests: the one that comes with wherry, and the distribution's (1.20 on Debian 12)."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wherry.testing.cluster import Cluster, run

CACHE = Path("/var/cache/wherry-tests")
PACKAGE = "kubernetes-client"


@dataclass(frozen=True)
class Kubectl:
    """A kubectl program in a namespace of a cluster. Called, it gives standard output, and raises unless `check=False`
    (then standard error follows)."""

    program: str
    cluster: Cluster
    namespace: str

    def argv(self, *arguments: str) -> list[str]:
        """The command line."""
        return [self.program, *arguments[:1], "-n", self.namespace, *self.cluster.kubectl_flags, *arguments[1:]]

    def __call__(self, *arguments: str, check: bool = True, stdin: str = "", editor: str = "") -> str:
        env = {**os.environ, **({"KUBE_EDITOR": editor} if editor else {})}
        return run(self.argv(*arguments), env=env, check=check, stdin=stdin, timeout=60)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start it with a pipe for its output, for commands that go on; the caller ends it."""
        return subprocess.Popen(self.argv(*arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def on_terminal(self, arguments: Sequence[str], typed: str, *, rows: int, columns: int) -> str:
        """Run it on a terminal of this size, type, and give all that was shown. Raises AssertionError after 30 s."""
        main, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        process = subprocess.Popen(
            self.argv(*arguments), stdin=other, stdout=other, stderr=other, start_new_session=True
        )
        os.close(other)
        try:
            os.write(main, typed.encode())
            return _read(main, 30).decode()
        finally:
            process.kill()
            process.wait()
            os.close(main)


def _read(descriptor: int, seconds: float) -> bytes:
    """Until the other side is closed."""
    until, shown = time.monotonic() + seconds, b""
    while True:
        left = until - time.monotonic()
        assert left > 0, f"kubectl has not ended after {seconds} s, it has shown {shown!r}"
        if select.select([descriptor], [], [], left)[0]:
            try:
                shown += os.read(descriptor, 65536)
            except OSError:  # Linux's way to say that nobody has the other side open
                return shown


def oldest() -> str:
    """The path of the distribution's kubectl, unpacked into a cache; "" when the distribution cannot be asked."""
    program = CACHE / PACKAGE / "usr/bin/kubectl"
    if not program.exists():
        CACHE.mkdir(mode=0o755, parents=True, exist_ok=True)
        for command in (
            ["apt-get", "-qq", "download", PACKAGE],
            ["sh", "-c", 'dpkg-deb -x "$1"_*.deb "$1" && rm "$1"_*.deb', "sh", PACKAGE],
        ):
            if subprocess.run(command, cwd=CACHE, capture_output=True, check=False).returncode:
                return ""
    return str(program)
