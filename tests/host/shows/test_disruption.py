"""A rolling update, the same while all is killed, and a killed HAProxy, while clients of all kinds ask: no request
fails. All disturbances, for long, are `make disruption`."""

from __future__ import annotations

import pytest

from tests.disruption import application, report
from tests.disruption.disturbances import ROUND
from tests.disruption.run import run
from wherry.testing.cluster import Cluster

pytestmark = [
    pytest.mark.host,
    pytest.mark.looptime(enabled=False),
    # Python 3.11 forgets to close a TLS socket whose peer is killed before the handshake (SSLSocket._create).
    pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning"),
]
REQUESTS = 10_000
SOME = ("rolling update", "rolling update, all killed", "HAProxy killed")


def test_no_request_fails_while_all_is_rolled_and_killed(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("disruption")  # short: the names of sockets are
    with Cluster(folder / "cluster", nodes=2) as cluster:
        cluster.load_image(application.archive(folder))
        result = run(cluster, REQUESTS, factor=0.5, around=[one for one in ROUND if one.name in SOME])
    text = report.text(result, REQUESTS)
    print(text)  # noqa: T201 - figures, not limits
    assert report.problems(result, REQUESTS) == [], text
