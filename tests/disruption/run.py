"""One run: clients ask, disturbances go round and round, until there were enough requests."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.disruption.disturbances import ROUND, Disturbance
from tests.disruption.report import Result
from tests.disruption.tally import QUIET
from tests.disruption.world import World
from wherry.testing.cluster import Cluster

WARM = 2.0
"""Seconds of load before and after everything."""
PAUSE = 0.5
"""Seconds between two disturbances, which belong to the one before."""


def run(
    cluster: Cluster, requests: int, *, factor: float = 1.0, releases: Sequence[Path] = (),
    around: Sequence[Disturbance] = ROUND,
) -> Result:  # fmt: skip
    """Whole rounds of disturbances until so many requests have been answered, at least one round. An upgrade goes from
    one of the releases to the other; the cluster is of the first and has the image. A disturbance that does not end
    well ends the run."""
    with World.around(cluster, factor, releases) as world:
        begun = time.monotonic()
        time.sleep(WARM)
        trouble = ""
        while not trouble and (not world.turn or world.requests < requests):
            trouble = _round(world, around, begun)
            world.turn += 1
        world.during(QUIET)
        time.sleep(WARM)
        return Result(world.stop(), time.monotonic() - begun, trouble)


def _round(world: World, around: Sequence[Disturbance], begun: float) -> str:
    """All of them once; what went wrong, if anything did."""
    for disturbance in around:
        asked = f"{world.requests:,} requests, {world.failed} failed"
        _say(f"[{time.monotonic() - begun:4.0f} s] {asked}; {disturbance.name} ({world.node})")
        world.during(disturbance.name)
        try:
            disturbance.do(world)
        except (AssertionError, OSError) as error:
            return f"{disturbance.name} on {world.node}: {error}"
        time.sleep(PAUSE)
        for failure in world.news():
            _say(f"    {failure}")
    return ""


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
