"""Cluster: a whole wherry cluster for a test, with real containers, beside whatever else runs on the machine.

    with Cluster(tmp_path / "cluster", nodes=3) as cluster:
        cluster.load_image(archive)
        cluster.kubectl("apply", "-f", "-", stdin=manifest)
        cluster.kubectl("wait", "--for=condition=Ready", "pod/web", "--timeout=60s")

Needs root and what `wherry doctor` asks for. The cluster lives in a network namespace of its own (`place.py`), under
its own state root and kubeconfig; it is reached from the test at `cluster.address`. Leaving the block runs
`wherry delete` and removes the namespace. Clusters, of several nodes too, stand beside each other.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from wherry.app import kubectl
from wherry.app.config import Config
from wherry.testing import place

TIMEOUT = 120.0
DELETE = 300.0
"""Large images take a while to delete, too, on a slow disk."""


class CommandFailed(AssertionError):
    """A command that a test relies on failed; the text holds everything it printed."""


class Cluster:
    """One cluster under `root`. `nodes`: how many. With `start=False` the block begins without a cluster, for tests
    that call `up` themselves. Commands raise CommandFailed unless `check=False`."""

    def __init__(self, root: Path, *, nodes: int = 1, start: bool = True) -> None:
        self.config = Config(root=str(root.absolute()), nodes=nodes)
        self.python = sys.executable
        """Whose wherry the commands run: the test's own, or another version's environment."""
        self.kubeconfig = root.absolute().with_name(f"{root.name}.kubeconfig")
        """A kubeconfig for commands outside the cluster's namespace, such as the test's own."""
        self._inside = root.absolute().with_name(f"{root.name}.inside.kubeconfig")
        self._cache = root.absolute().with_name(f"{root.name}.cache")
        self._place: place.Place | None = None
        self._start = start

    def __enter__(self) -> Self:
        """Make the namespace and bring the cluster up. Raises CommandFailed, place.PlaceError."""
        try:
            self._place = place.take()
            if self._start:
                self.up()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Delete everything."""
        self._close()

    @property
    def place(self) -> place.Place:
        """The namespace the cluster is in."""
        if self._place is None:
            raise RuntimeError("the cluster is not up: use it in a with block")
        return self._place

    @property
    def address(self) -> str:
        """What reaches the cluster from the test: its API on :6443, node ports."""
        return str(self.place.address)

    @property
    def api_url(self) -> str:
        """The API, for the test."""
        return f"https://{self.address}:{self.config.port}"

    @property
    def node_names(self) -> tuple[str, ...]:
        """The nodes, in order."""
        return tuple(node.name for node in self.config.machines())

    def node_root(self, node: str = "") -> Path:
        """The state folder of a node, by default the first."""
        return self.config.node_root(node or self.node_names[0])

    def up(self, *flags: str) -> str:
        """`wherry up`; also refreshes the kubeconfig. Its standard output."""
        output = self.wherry("up", "--nodes", str(self.config.nodes), *flags)
        self._write_kubeconfig()
        return output

    def down(self, *flags: str) -> str:
        """`wherry down`; `up` brings it back."""
        return self.wherry("down", *flags)

    def move(self, host: int) -> None:
        """Change the machine's address, as when a laptop changes networks; call it between `down` and `up`."""
        self.place.move(host)

    def load_image(self, *archives: Path, timeout: float = TIMEOUT) -> None:
        """Load image archives into every node."""
        self.wherry("image", "load", *map(str, archives), timeout=timeout)

    def wherry(self, *arguments: str, check: bool = True, stdin: str = "", timeout: float = TIMEOUT) -> str:
        """Run the wherry command line inside the cluster's namespace; its standard output."""
        argv = self.place.argv([self.python, "-m", "wherry.cli.main", *arguments])
        env = {**os.environ, "WHERRY_ROOT": self.config.root, "KUBECONFIG": str(self._inside)}
        env.pop("SUDO_USER", None)  # the kubeconfig is the test's, whoever runs it
        return run(argv, env=env, check=check, stdin=stdin, timeout=timeout)

    def kubectl(self, *arguments: str, check: bool = True, stdin: str = "", timeout: float = TIMEOUT) -> str:
        """Run kubectl from outside; its standard output, with `check=False` followed by its standard error."""
        return run(self.kubectl_argv(*arguments), env=os.environ, check=check, stdin=stdin, timeout=timeout)

    def kubectl_argv(self, *arguments: str) -> list[str]:
        """The command line of kubectl against this cluster, for tests that start it themselves."""
        return [kubectl.program(), *self.kubectl_flags, *arguments]

    @property
    def kubectl_flags(self) -> tuple[str, ...]:
        """What points any kubectl at this cluster. The cache is its own: another cluster may have had this address."""
        return ("--kubeconfig", str(self.kubeconfig), "--cache-dir", str(self._cache))

    def pid(self, name: str) -> int:
        """The process of a part: "server", "supervisor", "agent" or "containerd" (of the first node), or
        "agent-<node>", "<node>/containerd". Raises FileNotFoundError when it does not run."""
        first = self.node_names[0]
        known = {"agent": f"agent-{first}", "containerd": f"{first}/containerd"}
        return int((self.config.run / f"{known.get(name, name)}.pid").read_text().split()[0])

    def _write_kubeconfig(self) -> None:
        text = self.config.admin_kubeconfig.read_text()
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(text.replace(self.config.api_url(), self.api_url))

    def _close(self) -> None:
        try:
            if self._place is not None:
                self.wherry("delete", "--yes", timeout=DELETE)
        finally:
            for path in (self.kubeconfig, self._inside):
                path.unlink(missing_ok=True)
            shutil.rmtree(self._cache, ignore_errors=True)
            if self._place is not None:
                self._place.close()
                self._place = None


def run(argv: Sequence[str], *, env: Mapping[str, str], check: bool, stdin: str, timeout: float) -> str:
    """Run a program; its standard output, without `check` its standard error too. Raises CommandFailed."""
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, check=False, env=dict(env), input=stdin, timeout=timeout
        )
    except subprocess.TimeoutExpired as error:
        said = b"".join((error.stdout or b"", error.stderr or b"")).decode(errors="replace")
        raise CommandFailed(f"{' '.join(argv)}: not done after {timeout:.0f} s\n{said}") from error
    if check and done.returncode:
        raise CommandFailed(f"{' '.join(argv)}: exit status {done.returncode}\n{done.stderr}{done.stdout}")
    return done.stdout if check else done.stdout + done.stderr
