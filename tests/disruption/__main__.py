"""`python -m tests.disruption`: clients ask a cluster of its own while everything is disturbed. As root.

REQUESTS (1000000) says how many requests there are at least, NODES (3) how many nodes, PACE (1.0) how often clients ask
compared to what `plan.py` says; ONLY names the disturbances that a round is to consist of, with commas. The cluster is
upgraded, too: to a second build of this tree, in which containers have a field more, and back. Prints the report, which
is left in build/disruption/ with the logs of the cluster. The exit status is 1 when a request failed.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.disruption import application, report
from tests.disruption.disturbances import Disturbance, chosen
from tests.disruption.report import Result
from tests.disruption.run import run
from tests.support.builds import ADDED_FIELD, build
from wherry.testing.cluster import Cluster

OUT = Path("build/disruption").absolute()


def main() -> int:
    """The exit status."""
    if os.geteuid() != 0:
        sys.stderr.write("only root can run a cluster: sudo make disruption\n")
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the cluster is taken down
    requests = int(os.environ.get("REQUESTS") or 1_000_000)
    around = chosen(os.environ.get("ONLY") or "")
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    result = _run(requests, around)
    text = report.text(result, requests)
    (OUT / "report.txt").write_text(text)
    sys.stdout.write(text)
    return bool(report.problems(result, requests))


def _run(requests: int, around: Sequence[Disturbance]) -> Result:
    nodes, pace = int(os.environ.get("NODES") or 3), float(os.environ.get("PACE") or 1.0)
    scratch = Path(tempfile.mkdtemp(prefix="wherry-disruption-"))
    try:
        releases = [build(scratch / "releases", "7.1.0"), build(scratch / "releases", "7.2.0", ADDED_FIELD)]
        with Cluster(scratch / "cluster", nodes=nodes, start=False) as cluster:
            cluster.python = str(releases[0])
            cluster.up()
            cluster.load_image(application.archive(scratch))
            try:
                return run(cluster, requests, factor=pace, releases=releases, around=around)
            finally:
                _keep_logs(cluster)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _keep_logs(cluster: Cluster) -> None:
    shutil.copytree(cluster.config.logs, OUT / "logs")
    for node in cluster.node_names:
        log = cluster.node_root(node) / "ingress" / "haproxy.log"
        if log.exists():
            shutil.copy(log, OUT / "logs" / f"haproxy-{node}.log")


if __name__ == "__main__":
    raise SystemExit(main())
