"""Two machines: the server's goes first upwards and last downwards, and between the two an older agent works."""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import releases as made
from tests.support.load import Load
from tests.support.releases import NEW, OLD, PODS, PORT, SLICES, Releases, flaps, running
from tests.support.rest import Follower, Rest
from tests.support.segment import Machine, Segment
from wherry.testing.cluster import Cluster

pytestmark = [
    pytest.mark.host,
    pytest.mark.looptime(enabled=False),
    # Python 3.11 forgets to close a TLS socket whose peer is killed before the handshake (SSLSocket._create).
    pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning"),
]


@pytest.fixture
def two(tmp_path: Path, tools: Path, releases: Releases) -> Iterator[tuple[Cluster, Machine]]:
    """A cluster of the old release, with a second machine that has joined it, and web servers on both."""
    with Cluster(tmp_path / "cluster", start=False) as cluster:
        cluster.python = str(releases.old)
        cluster.up()
        cluster.load_image(tools)
        with Segment(cluster.place) as segment:
            other = dataclasses.replace(segment.machine(tmp_path / "other"), python=str(releases.old))
            other.wherry(*shlex.split(cluster.wherry("token", "create"))[1:], "--name", "second")
            other.wherry("image", "load", str(tools))
            made.apply(cluster)
            cluster.kubectl("rollout", "status", "deployment/web", "--timeout=90s")
            yield cluster, other


def versions(rest: Rest) -> set[str]:
    """What the nodes say they run."""
    items = rest.get("/api/v1/nodes")["items"]
    return {item["status"]["nodeInfo"]["kubeletVersion"].partition("+wherry-")[2] for item in items}


def test_the_server_first_upwards_and_last_downwards(two: tuple[Cluster, Machine], releases: Releases) -> None:
    cluster, old = two
    new = dataclasses.replace(old, python=str(releases.new))
    rest = Rest(cluster.kubeconfig)
    with Follower(rest, PODS) as pods, Follower(rest, SLICES) as slices, Load(cluster.address, PORT) as load:
        load.more(20)
        there = running(pods.objects)
        assert len({item["spec"]["nodeName"] for item in pods.objects.values()}) == 2
        said = new.wherry("upgrade", check=False)
        assert f"the server runs wherry {OLD}, and this is {NEW}; upgrade the server's machine first" in said
        assert made.upgrade(cluster, releases.new)["changed"]
        assert versions(rest) == {OLD, NEW}
        load.more(20)
        told = json.loads(new.wherry("upgrade", "-o", "json"))
        assert (told["changed"], [move["name"] for move in told["moves"]]) == (True, ["watchdog", "agent-second"])
        assert versions(rest) == {NEW}
        cluster.python = str(releases.old)
        said = cluster.wherry("upgrade", check=False)
        assert f"node second runs wherry {NEW}, which is newer than {OLD}; run `wherry upgrade` of {OLD}" in said
        assert json.loads(old.wherry("upgrade", "-o", "json"))["changed"]
        assert made.upgrade(cluster, releases.old)["changed"]
        assert versions(rest) == {OLD}
        load.more(20)
        assert running(pods.objects) == there
    assert load.failures == []
    assert flaps(slices.events) == []
