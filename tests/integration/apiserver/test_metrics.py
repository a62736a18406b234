"""What /metrics says: upstream's names, true numbers, and no more series than there are kinds of requests."""

from __future__ import annotations

import re

import pytest

from tests.integration.apiserver.conftest import Http

pytestmark = pytest.mark.looptime(False)

MAPS = "/api/v1/namespaces/demo/configmaps"
LINE = re.compile(r'^([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\]|\\.)*",?)+)\})? (-?[0-9.e+-]+|\+Inf)$')
NAMES = frozenset({
    "apiserver_request_total", "apiserver_request_duration_seconds_bucket", "apiserver_current_inflight_requests",
    "apiserver_storage_objects", "apiserver_response_sizes_count",
    "apiserver_flowcontrol_nominal_limit_seats", "apiserver_flowcontrol_dispatched_requests_total",
    "apiserver_flowcontrol_current_executing_seats", "apiserver_flowcontrol_current_inqueue_requests",
    "process_cpu_seconds_total", "process_resident_memory_bytes", "process_start_time_seconds", "process_open_fds",
})  # fmt: skip


async def scrape(http: Http) -> dict[str, dict[frozenset[tuple[str, str]], float]]:
    """Name -> labels -> value; every line must be well formed, every family have its type."""
    answer = await http("GET", "/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    found: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
    typed = set()
    for line in answer.body.decode().splitlines():
        if line.startswith("# TYPE "):
            typed.add(line.split()[2])
        if line.startswith("#"):
            continue
        parts = LINE.match(line)
        assert parts, line
        name, labels, value = parts.groups()
        assert name in typed or name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") in typed
        pairs = frozenset(re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"', labels or ""))
        series = found.setdefault(name, {})
        assert pairs not in series, f"twice: {line}"
        series[pairs] = float(value)
    return found


def value(series: dict[frozenset[tuple[str, str]], float], **labels: str) -> float:
    """The sum of all series with these labels."""
    return sum(v for pairs, v in series.items() if frozenset(labels.items()) <= pairs)


async def test_requests_are_counted(http: Http) -> None:
    """Under upstream's labels."""
    before = await scrape(http)
    for number in range(3):
        await http("POST", MAPS, {"metadata": {"name": f"a{number}"}})
    await http("POST", f"{MAPS}?dryRun=All", {"metadata": {"name": "dry"}})
    await http("GET", f"{MAPS}/a1")
    await http("GET", f"{MAPS}/none")
    await http("GET", MAPS)
    after = await scrape(http)
    assert after.keys() >= NAMES

    def more(**labels: str) -> float:
        name = "apiserver_request_total"
        return value(after[name], **labels) - value(before[name], **labels)

    maps = {"group": "", "version": "v1", "resource": "configmaps", "component": "apiserver"}
    assert more(verb="POST", code="201", dry_run="", scope="namespace", **maps) == 3
    assert more(verb="POST", code="201", dry_run="All", **maps) == 1
    assert more(verb="GET", code="200", scope="resource", **maps) == 1
    assert more(verb="GET", code="404", **maps) == 1
    assert more(verb="LIST", code="200", scope="namespace", **maps) == 1
    stored = "apiserver_storage_objects"  # the server has some of its own
    assert value(after[stored], resource="configmaps") - value(before[stored], resource="configmaps") == 3
    took = after["apiserver_request_duration_seconds_bucket"]
    assert value(took, verb="POST", le="+Inf", dry_run="", **maps) == 3
    assert value(after["apiserver_current_inflight_requests"], request_kind="mutating") == 0


async def test_watches_are_long_running(http: Http) -> None:
    """While they last."""
    async with http.session.get(f"{http.running.url}{MAPS}?watch=1"):
        during = await scrape(http)
    assert value(during["apiserver_longrunning_requests"], verb="WATCH", resource="configmaps") == 1


async def test_nobody_can_make_series_without_end(http: Http) -> None:
    """Made-up groups, resources, subresources, verbs and paths are all one kind."""
    await http("GET", "/api/v1/nonsense")
    await http("GET", "/nonsense")
    before = await scrape(http)
    for number in range(30):
        await http("GET", f"/apis/group{number}/v{number}/things{number}")
        await http("GET", f"/api/v1/namespaces/demo/pods/a/sub{number}")
        await http("GET", f"/path{number}")
        async with http.session.request(f"VERB{number}", http.running.url + "/apis"):
            pass
    after = await scrape(http)
    grown = len(after["apiserver_request_total"]) - len(before["apiserver_request_total"])
    assert grown <= 4
