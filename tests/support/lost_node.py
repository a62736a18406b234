"""A node of three is lost under load: its processes are frozen, later killed, while visitors ask the other nodes.

Frozen is the hard case. The node's kernel goes on accepting connections and taking requests for pods that will never
answer, and nobody is told.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import visitors
from tests.support.manifests import Json, ready
from tests.support.rest import Follower, Rest
from wherry.testing.cluster import Cluster

ROOT = Path(__file__).parents[2]
NOTICED, ELSEWHERE = 20.0, 30.0
"""Seconds that are promised."""
SLOWEST = 12.0
"""Seconds a request may take that is sent again: 7 for noticing, and then its own on a busy machine."""
IN_DOUBT = 10.0
"""Seconds after which at the latest a request is answered that must not be sent twice, if with an error."""


def processes_of(cluster: Cluster, node: str) -> set[int]:
    """All processes of a node that has a network namespace of its own: those in it, and what they have begun."""
    inside = os.stat(f"/run/netns/{cluster.config.machine(node).netns}").st_ino
    parents: dict[int, int] = {}
    found: set[int] = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):  # ended meanwhile
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if os.stat(entry / "ns/net").st_ino == inside:
                found.add(int(entry.name))
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def freeze(cluster: Cluster, node: str) -> set[int]:
    """Stop every process of a node, and those that they begin meanwhile; which they are."""
    frozen: set[int] = set()
    while new := processes_of(cluster, node) - frozen:
        for pid in new:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        frozen |= new
    return frozen


def kill(pids: set[int]) -> None:
    """End them."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class Site:
    """What visitors ask for, and the pods that answer: `selector` (as in a URL) in `namespace`, `replicas` of them."""

    host: str
    namespace: str
    selector: str
    replicas: int


@contextlib.contextmanager
def visited(cluster: Cluster, site: Site, nodes: list[str], clients: int) -> Iterator[subprocess.Popen[str]]:
    """Visitors at these nodes."""
    machines = {one.name: one.address for one in cluster.config.machines()}
    order = {
        "addresses": [machines[node] for node in nodes], "host": site.host, "clients": clients,
        "authority": cluster.wherry("site-ca"),
    }  # fmt: skip
    argv = cluster.place.argv([sys.executable, "-m", "tests.support.visitors"])
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.terminate()


@dataclass(frozen=True, slots=True)
class Course:
    """How it went; seconds after the freeze."""

    frozen: float
    noticed: float
    elsewhere: float
    killed: float
    report: visitors.Report

    def text(self) -> str:
        """For people."""
        slowest = ", ".join(
            f"{method} {one.took:.1f} s (sent {one.at - self.frozen:+.1f} s)"
            for method, one in self.report.slowest.items()
        )
        return (
            f"noticed after {self.noticed:.1f} s, all pods Ready elsewhere after {self.elsewhere:.1f} s, "
            f"killed after {self.killed:.1f} s; answered: {self.report.answered}; slowest: {slowest}; "
            f"in doubt: {[(one.outcome, round(one.took, 1)) for one in self.report.bad if one.method == 'POST']}"
        )

    def check(self) -> None:
        """The promises. A POST that was on its way to a pod as that froze may have been done: it is not sent again, and
        must be answered with an error soon. Nothing else may fail."""
        failed = [one for one in self.report.bad if not self._in_doubt(one)]
        assert failed == [], f"{len(failed)} requests to live nodes failed"
        assert self.report.answered["GET"] > 100
        assert self.noticed < NOTICED
        assert self.elsewhere < ELSEWHERE
        assert max(one.took for one in self.report.slowest.values()) < SLOWEST

    def _in_doubt(self, one: visitors.Seen) -> bool:
        sent = self.frozen - 1.0 <= one.at <= self.frozen + IN_DOUBT
        return one.method == "POST" and one.outcome in ("502", "503") and one.took < IN_DOUBT and sent


def lose(
    cluster: Cluster, site: Site, lost: str, *, clients: int = 4, before: float = 4.0, after: float = 8.0
) -> Course:
    """Freeze the node, wait until all is well without it, kill it; seconds of load before the one and after the
    other."""
    rest = Rest(cluster.kubeconfig)
    live = [node for node in cluster.node_names if node != lost]
    path = f"/api/v1/namespaces/{site.namespace}/pods?labelSelector={site.selector}"
    with (
        Follower(rest, "/api/v1/nodes") as nodes,
        Follower(rest, path) as pods,
        visited(cluster, site, live, clients) as process,
    ):
        time.sleep(before)
        assert any(ready(one) and one["spec"]["nodeName"] == lost for one in pods.objects.values())
        frozen = time.monotonic()
        pids = freeze(cluster, lost)
        try:
            nodes.wait(lambda found: any(_is(one, lost) and not ready(one) for one in found.values()), 40, "noticed")
            noticed = time.monotonic() - frozen
            pods.wait(lambda found: _elsewhere(found, lost) >= site.replicas, 60, "all pods Ready elsewhere")
            elsewhere = time.monotonic() - frozen
        finally:
            kill(pids)
        killed = time.monotonic() - frozen
        time.sleep(after)
        said, _ = process.communicate(timeout=60)
        return Course(frozen, noticed, elsewhere, killed, visitors.read(said))


def _is(item: Json, node: str) -> bool:
    name: Any = item["metadata"]["name"]
    return bool(name == node)


def _elsewhere(found: dict[str, Json], lost: str) -> int:
    return len([one for one in found.values() if ready(one) and one["spec"]["nodeName"] != lost])
