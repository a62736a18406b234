"""Autoscaler rows: the load on a site doubles until more replicas are asked for, and until a new pod answers; a whole
cluster, so it needs root.

`python -m bench autoscale`. The load is that of visitors from outside, at https through the Ingress, so all parts have
their share of the time: measuring, deciding, scheduling, starting, endpoints.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.rows import Row
from tests.load import small
from tests.load.climb import Scaled, Told, climb
from tests.support import image
from tests.support.rest import Rest
from wherry.testing.cluster import Cluster

ROUNDS = 5
RATE = 3.0
"""Requests a second: three quarters of what one replica is to do."""


def shown(seconds: Sequence[float]) -> str:
    """The middle and the worst, of few."""
    return f"p50 {statistics.median(seconds):.1f} s, longest {max(seconds):.1f} s"


def rows() -> Iterator[Row]:
    """Every row of this file."""
    if os.geteuid():
        sys.stderr.write(" left out: needs root")
        return
    told: list[Told] = []
    with tempfile.TemporaryDirectory(prefix="wherry-bench-") as folder:
        archive = image.archive(Path(folder))
        with Cluster(Path(folder) / "cluster") as cluster, contextlib.redirect_stdout(sys.stderr):
            cluster.load_image(archive)
            site = small.install(cluster, "default", "bench.test", most=2)
            scaled = Scaled(
                Rest(cluster.kubeconfig),
                "default",
                small.NAME,
                f"app={small.NAME}",
                small.MILLI,
                small.PERCENT,
                times=2,
            )
            told += [climb(scaled, site, RATE, quiet=10, high=20) for _ in range(ROUNDS)]
    yield Row("load doubles to more replicas asked for", shown([one.asked for one in told]))
    yield Row("load doubles to new pod serves", shown([one.served for one in told]), "<= 10 s")
