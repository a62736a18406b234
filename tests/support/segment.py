"""A second machine for a test's cluster: a network namespace on one bridge with the cluster's own.

    with Cluster(root) as cluster, Segment(cluster.place) as segment:
        other = segment.machine(tmp_path / "other")
        other.wherry("join", ...)

The bridge `wb-<n>` takes over the machine's end of the cluster's wire and its address, the gateway of both. Leaving the
block runs `wherry delete` on the second machine and puts the wire back.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from types import TracebackType
from typing import Self

from wherry.testing.cluster import run
from wherry.testing.place import Place


def ip(*arguments: str, check: bool = True) -> str:
    """Run `ip`."""
    return subprocess.run(["ip", *arguments], check=check, capture_output=True, text=True).stdout


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine of the segment: its namespace, its address, its state root."""

    netns: str
    address: IPv4Address
    root: Path
    python: str = sys.executable
    """Whose wherry the commands run."""

    def wherry(self, *arguments: str, check: bool = True, timeout: float = 120) -> str:
        """Run the wherry command line there; its standard output, without `check` its standard error too."""
        argv = ["nsenter", f"--net=/run/netns/{self.netns}", "--", self.python, "-m", "wherry.cli.main", *arguments]
        env = {**os.environ, "WHERRY_ROOT": str(self.root), "KUBECONFIG": f"{self.root}.kubeconfig"}
        return run(argv, env=env, check=check, stdin="", timeout=timeout)

    def processes(self) -> list[str]:
        """The pids of what runs in its namespace."""
        return ip("netns", "pids", self.netns).split()


class Segment:
    """See the module."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._bridge = f"wb-{place.number}"
        self._gateway = f"{place.gateway}/24"
        self._machines: list[Machine] = []

    def __enter__(self) -> Self:
        link = self._place.netns
        ip("link", "add", self._bridge, "type", "bridge")
        ip("link", "set", self._bridge, "up")
        ip("address", "delete", self._gateway, "dev", link)
        ip("link", "set", link, "master", self._bridge)
        ip("address", "add", self._gateway, "dev", self._bridge)
        return self

    def machine(self, root: Path) -> Machine:
        """One more machine, with an address of its own and a default route."""
        number = len(self._machines) + 3
        name = f"{self._place.netns}-{number}"
        made = Machine(name, IPv4Address(f"198.18.{self._place.number}.{number}"), root)
        self._machines.append(made)
        ip("netns", "add", name)
        ip("link", "add", name, "master", self._bridge, "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("link", "set", name, "up")
        for words in (
            ("link", "set", "lo", "up"), ("link", "set", "eth0", "up"),
            ("address", "add", f"{made.address}/24", "dev", "eth0"),
            ("route", "add", "default", "via", str(self._place.gateway)),
        ):  # fmt: skip
            ip("-n", name, *words)
        return made

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for made in self._machines:
            made.wherry("delete", "--yes", check=False)
            ip("netns", "delete", made.netns, check=False)
            ip("link", "delete", made.netns, check=False)
        link = self._place.netns
        ip("link", "set", link, "nomaster", check=False)
        ip("link", "delete", self._bridge, check=False)
        ip("address", "add", self._gateway, "dev", link, check=False)
