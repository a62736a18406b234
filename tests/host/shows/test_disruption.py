"""Every disturbance once, while clients of all kinds ask: no request fails. The long version is `make disruption`."""

from __future__ import annotations

import pytest

from tests.disruption import application, report
from tests.disruption.run import run
from wherry.testing.cluster import Cluster

pytestmark = [
    pytest.mark.host,
    pytest.mark.looptime(enabled=False),
    # Python 3.11 forgets to close a TLS socket whose peer is killed before the handshake (SSLSocket._create).
    pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning"),
]
REQUESTS = 20_000


def test_no_request_fails_whatever_is_done_to_the_cluster(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("disruption")  # short: the names of sockets are
    with Cluster(folder / "cluster", nodes=2) as cluster:
        cluster.load_image(application.archive(folder))
        result = run(cluster, REQUESTS)
    text = report.text(result, REQUESTS)
    print(text)  # noqa: T201 - figures, not limits
    assert report.problems(result, REQUESTS) == [], text
