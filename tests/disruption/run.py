"""One run: clients ask, disturbances go round and round, until there were enough requests."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass

from tests.disruption.disturbances import ROUND, Disturbance
from tests.disruption.tally import QUIET, Tally
from tests.disruption.world import World
from wherry.testing.cluster import Cluster

WARM = 2.0
"""Seconds of load before and after everything."""
PAUSE = 0.5
"""Seconds between two disturbances, which belong to the one before."""


@dataclass(frozen=True, slots=True)
class Result:
    """What was counted, and how long it took, in seconds."""

    tally: Tally
    seconds: float


def run(cluster: Cluster, requests: int, *, factor: float = 1.0, around: Iterable[Disturbance] = ROUND) -> Result:
    """Whole rounds of disturbances until so many requests have been answered, at least one round. The cluster has the
    image. Raises AssertionError and CommandFailed when a disturbance does not end well."""
    with World.around(cluster, factor) as world:
        begun = time.monotonic()
        time.sleep(WARM)
        while True:
            for disturbance in around:
                _say(f"[{time.monotonic() - begun:4.0f} s] {world.requests:,} requests, {world.failed} failed; "
                     f"{disturbance.name} ({world.node})")  # fmt: skip
                world.during(disturbance.name)
                disturbance.do(world)
                time.sleep(PAUSE)
            world.turn += 1
            if world.requests >= requests:
                break
        world.during(QUIET)
        time.sleep(WARM)
        return Result(world.stop(), time.monotonic() - begun)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
