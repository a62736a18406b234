"""Upgrades that fail are taken back, and those that are killed are finished by the next run; meanwhile nobody notices.

`make upgrade-test`; the plain case is in tests/host/shows/test_upgrade.py.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import releases as made
from tests.support.load import Load
from tests.support.releases import (
    NEW,
    OLD,
    PODS,
    PORT,
    SLICES,
    Releases,
    flaps,
    programs,
    replace_package,
    running,
    says,
)
from tests.support.rest import Follower, Rest
from wherry.testing.cluster import Cluster, CommandFailed

pytestmark = [
    pytest.mark.host,
    pytest.mark.looptime(enabled=False),
    # Python 3.11 forgets to close a TLS socket whose peer is killed before the handshake (SSLSocket._create).
    pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning"),
]


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


def interrupted(cluster: Cluster, python: Path, after: str) -> None:
    """Run the command, and kill it as soon as this step has begun or, where none is given, ended."""
    argv = cluster.place.argv([str(python), "-m", "wherry.cli.main", "upgrade"])
    env = {**os.environ, "WHERRY_ROOT": cluster.config.root}
    with subprocess.Popen(argv, env=env, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if after in line:
                process.send_signal(signal.SIGKILL)
                break


@pytest.mark.parametrize("step", ["make keys", "hand over the supervisor", "replace the server"])
def test_an_upgrade_that_is_killed_is_finished_by_the_next(
    own: Cluster, rest: Rest, releases: Releases, step: str
) -> None:
    with Follower(rest, PODS) as pods, Follower(rest, SLICES) as slices, Load(own.address, PORT) as load:
        load.more(20)
        there = running(pods.objects)
        interrupted(own, releases.new, step)
        for moment in (0.05, 0.3):  # and killed again in the middle of whatever comes then
            process = subprocess.Popen(
                own.place.argv([str(releases.new), "-m", "wherry.cli.main", "upgrade"]),
                env={**os.environ, "WHERRY_ROOT": own.config.root}, stderr=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )  # fmt: skip
            time.sleep(2 + moment)
            process.kill()
            process.wait()
        made.upgrade(own, releases.new)
        says(rest, NEW)
        assert programs(own) == {str(releases.new)}
        made.upgrade(own, releases.old)
        says(rest, OLD)
        assert running(pods.objects) == there
        load.more(20)
    assert load.failures == []
    assert flaps(slices.events) == []


def test_what_fails_is_taken_back(own: Cluster, rest: Rest, releases: Releases) -> None:
    with Follower(rest, PODS) as pods, Load(own.address, PORT) as load:
        load.more(20)
        there = running(pods.objects)
        with pytest.raises(CommandFailed) as caught:
            made.upgrade(own, releases.broken)
        assert running(pods.objects) == there
        load.more(20)
    said = str(caught.value)
    assert "exit status 1" in said
    assert "Traceback" not in said
    assert f"everything runs wherry {OLD} again; see `wherry logs server` and `wherry logs agent`" in said
    assert load.failures == []
    says(rest, OLD)
    assert programs(own) == {str(releases.old)}
    assert not (own.config.state / "upgrade.json").exists()


def test_a_release_installed_in_the_place_of_the_other_takes_over(own: Cluster, rest: Rest, releases: Releases) -> None:
    with Follower(rest, PODS) as pods, Follower(rest, SLICES) as slices, Load(own.address, PORT) as load:
        load.more(20)
        there = running(pods.objects)
        replace_package(releases.old, releases.new)
        told = made.upgrade(own, releases.old)
        assert (told["changed"], told["from"], told["supervisor"]) == (True, OLD, str(releases.old))
        says(rest, NEW)
        load.more(20)
        assert running(pods.objects) == there
    assert load.failures == []
    assert flaps(slices.events) == []
