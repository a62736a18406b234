"""Health endpoints, and the limit of Events."""

from __future__ import annotations

import pytest

from tests.integration.apiserver.conftest import Http
from wherry.apiserver.admission.event_buckets import Buckets, Limit

pytestmark = pytest.mark.looptime(False)


async def test_checks_by_name(http: Http) -> None:
    """Verbose, excluded, one alone, unknown: in upstream's words."""
    for kind in ("healthz", "livez", "readyz"):
        assert (await http("GET", f"/{kind}")).body == b"ok"
        lines = (await http("GET", f"/{kind}?verbose")).body.decode().splitlines()
        assert {"[+]ping ok", "[+]log ok", "[+]etcd ok", "[+]informer-sync ok"} <= set(lines)
        assert "[+]poststarthook/rbac/bootstrap-roles ok" in lines
        assert lines[-1] == f"{kind} check passed"
        assert ("[+]shutdown ok" in lines) == (kind == "readyz")
    assert (await http("GET", "/livez/ping")).body == b"ok"
    assert (await http("GET", "/livez/poststarthook/rbac/bootstrap-roles")).body == b"ok"
    assert (await http("GET", "/livez/shutdown")).code == 404
    lines = (await http("GET", "/readyz?verbose&exclude=etcd&exclude=nonsense")).body.decode().splitlines()
    assert "[+]etcd excluded: ok" in lines
    assert 'warn: some health checks cannot be excluded: no matches for "nonsense"' in lines


async def test_a_failing_check_says_which_and_not_why(http: Http) -> None:
    """500, with the name; it can be excluded; the metric says the same."""
    http.running.server.api.broken.set()
    answer = await http("GET", "/readyz")
    assert answer.code == 500
    assert "[-]etcd failed: reason withheld" in answer.body.decode()
    assert answer.body.decode().rstrip().endswith("readyz check failed")
    assert (await http("GET", "/readyz?exclude=etcd")).code == 200
    metrics = (await http("GET", "/metrics")).body.decode()
    assert 'kubernetes_healthcheck{name="etcd",type="readyz"} 0' in metrics
    assert 'kubernetes_healthcheck{name="ping",type="livez"} 1' in metrics


def event(name: str) -> dict[str, object]:
    return {
        "metadata": {"name": name, "namespace": "demo"}, "reason": "Tested", "type": "Normal",
        "involvedObject": {"kind": "Pod", "namespace": "demo", "name": "p"},
    }  # fmt: skip


async def test_events_have_a_limit(http: Http) -> None:
    """Each user has so many at once; what comes after is refused with 429, whichever group it is written to."""
    api = http.running.server.api
    api.event_buckets = Buckets((Limit("User", 0.001, 3),))
    path = "/api/v1/namespaces/demo/events"
    codes = [(await http("POST", path, event(f"e{number}"))).code for number in range(5)]
    assert codes == [201, 201, 201, 429, 429]
    refused = await http("POST", path, event("one-more"))
    assert refused.message.endswith("limit reached on type User for key kubernetes-admin")
    assert refused.headers["Retry-After"] == "1"
    maps = {"metadata": {"name": "m"}}
    assert (await http("POST", "/api/v1/namespaces/demo/configmaps", maps)).code == 201


def test_buckets_fill_again_and_are_bounded() -> None:
    """By time, not beyond the burst; and no more of them than the cache holds."""
    buckets = Buckets((Limit("Namespace", 10, 2, cache=100),))

    def take(namespace: str, now: float) -> bool:
        keys = {"Server": "", "Namespace": namespace, "User": "", "SourceAndObject": ""}
        return buckets.take(keys, now) is None

    assert [take("a", 0) for _ in range(3)] == [True, True, False]
    assert [take("a", 0.1) for _ in range(2)] == [True, False]
    assert [take("a", 100) for _ in range(3)] == [True, True, False]
    for number in range(1000):
        assert take(f"n{number}", 100)
    assert len(buckets._filled[0]) <= 101
