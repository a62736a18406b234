"""The site of the example under ten times its load: `make show-load`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import pytest

from tests.load import wordpress
from tests.load.climb import Scaled, climb, rate_for
from tests.support.rest import Rest
from wherry.testing.cluster import Cluster

pytestmark = [pytest.mark.host, pytest.mark.looptime(enabled=False)]
SHARE = 3.0
"""What the higher load costs, as a multiple of what the autoscaler lets one pod do: more than a pod may use at all."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of one node."""
    with Cluster(tmp_path_factory.mktemp("load") / "cluster") as made:
        yield made


def test_ten_times_the_load(cluster: Cluster) -> None:
    begun = time.monotonic()
    site = wordpress.install(cluster)
    sys.stdout.write(f"\nthe site stands after {time.monotonic() - begun:.0f} s\n")
    scaled = Scaled(Rest(cluster.kubeconfig), wordpress.NAMESPACE, "web", "tier=web", milli=100, percent=80)
    climb(scaled, site, rate_for(scaled, site, SHARE), quiet=20, high=60)
