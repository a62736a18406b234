"""One release takes another's place and gives it back, on a running cluster: nobody notices.

Two builds of this tree stand for the releases; in the second every container has a field more, with a default. Pods
keep their processes, endpoints stay Ready, requests are answered, the API is away for less than five seconds. What
happens when an upgrade fails or is killed is in tests/upgrade.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import releases as made
from tests.support.load import Load
from tests.support.releases import NEW, OLD, PODS, PORT, REPLICAS, SLICES, Releases, flaps, programs, running, says
from tests.support.rest import Follower, Rest
from wherry.testing.cluster import Cluster

pytestmark = [
    pytest.mark.host,
    pytest.mark.looptime(enabled=False),
    # Python 3.11 forgets to close a TLS socket whose peer is killed before the handshake (SSLSocket._create).
    pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning"),
]


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    """Two builds."""
    return made.make(tmp_path_factory.mktemp("releases"))


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory, tools: Path, releases: Releases) -> Iterator[Cluster]:
    """A cluster of the old release with ten Ready web servers."""
    with Cluster(tmp_path_factory.mktemp("upgrade") / "cluster", start=False) as it:
        made.serve(it, tools, releases)
        yield it


@pytest.fixture
def rest(own: Cluster) -> Rest:
    """Its API."""
    return Rest(own.kubeconfig)


@pytest.mark.parametrize("back", [False, True], ids=["up", "back"])
def test_nobody_notices(own: Cluster, rest: Rest, releases: Releases, back: bool) -> None:
    before, after = (NEW, OLD) if back else (OLD, NEW)
    python = releases.old if back else releases.new
    supervisor, containerd = own.pid("supervisor"), own.pid("containerd")
    with Follower(rest, PODS) as pods, Follower(rest, SLICES) as slices, Load(own.address, PORT) as load:
        load.more(50)
        there = running(pods.objects)
        assert len(there) == REPLICAS
        told = made.upgrade(own, python)
        load.more(100)
        made.apply(own)
        own.kubectl("annotate", "--overwrite", "service/web", f"test={after}")  # the watches follow the new server
        rest_says = json.loads(own.kubectl("get", "deployment", "web", "-o", "json"))["status"]
        load.more(50)
        assert running(pods.objects) == there
    print(f"{before} -> {after}: {told['seconds']} s, API away for {told['apiAwaySeconds']} s")  # noqa: T201
    print(f"{load.total} requests, longest {load.longest:.3f} s; watches resumed {pods.breaks} times")  # noqa: T201
    assert (told["changed"], told["from"], told["to"], told["restarted"]) == (True, before, after, [])
    assert load.failures == []
    assert flaps(slices.events) == []
    assert (pods.fault, slices.fault) == ("", "")
    assert told["apiAwaySeconds"] < 5
    assert Path(told["copy"]).name == f"state-{before}.db"
    assert (own.pid("supervisor"), own.pid("containerd")) == (supervisor, containerd)
    assert programs(own) == {str(python)}
    assert rest_says["readyReplicas"] == REPLICAS
    says(rest, after)
    again = made.upgrade(own, python)
    assert (again["changed"], again["moves"], again["supervisor"]) == (False, [], None)
    assert json.loads(own.wherry("version", "-o", "json"))["running"]["server"] == after


def test_up_of_another_release_does_not_replace_all_at_once(own: Cluster, releases: Releases) -> None:
    own.python = str(releases.new)
    said = own.wherry("up", check=False)
    own.python = str(releases.old)
    assert f"runs wherry {OLD}, and this is {NEW}; replace it in place with `wherry upgrade`" in said
