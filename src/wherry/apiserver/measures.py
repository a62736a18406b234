"""Measures: the API server's own metrics, under the names that kube-apiserver gives them.

Requests are counted by tuples of label values; everything else is read off when /metrics is asked for. Other parts of
the process add what they know with `collect`. https://kubernetes.io/docs/reference/instrumentation/metrics/
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from wherry.apiserver.served import Served
from wherry.apiserver.views import VIEWS
from wherry.machinery.metrics import Counter, Family, Gauge, Histogram, Labels, Reading, render

_VERBS = {
    "create": "POST", "update": "PUT", "patch": "PATCH", "get": "GET", "list": "LIST", "watch": "WATCH",
    "delete": "DELETE", "deletecollection": "DELETECOLLECTION",
}  # fmt: skip
_METHODS = frozenset({"get", "head", "post", "put", "patch", "delete", "options", "connect"})
_WHAT = ("verb", "group", "version", "resource", "subresource", "scope", "component")
_SECONDS = (
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60,
)  # fmt: skip
_BYTES = (1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9)
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Series:
    """Requests of one kind with one outcome: how many, how long they took, how large their answers were."""

    __slots__ = ("bytes", "seconds", "sizes", "took", "total")

    def __init__(self) -> None:
        self.total = 0
        self.took = [0] * (len(_SECONDS) + 1)
        self.seconds = 0.0
        self.sizes = [0] * (len(_BYTES) + 1)
        self.bytes = 0


class Measures:
    """Counts requests, and knows who else has something to say."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._series: dict[tuple[Labels, bool, int], Series] = {}
        self.reading = self.writing = 0
        """How many requests are being handled."""
        self.long_running = Gauge(
            "apiserver_longrunning_requests",
            "[STABLE] Gauge of all active long-running apiserver requests broken out by verb, group, version, "
            "resource, scope and component. Not all requests are tracked this way.",
            _WHAT,
        )
        self.deprecated = Gauge(
            "apiserver_requested_deprecated_apis",
            "[STABLE] Gauge of deprecated APIs that have been requested, broken out by API group, version, resource, "
            "subresource, and removed_release.",
            ("group", "version", "resource", "subresource", "removed_release"),
        )
        self._sources: list[Callable[[], Iterable[Family]]] = [self._own, process_families]

    def collect(self, source: Callable[[], Iterable[Family]]) -> None:
        """Ask this, too, at every scrape."""
        self._sources.append(source)

    def done(self, what: Labels, code: int, seconds: float, size: int, *, dry_run: bool) -> None:
        """A request has been answered. `what` is RequestInfo.what; `size` of the answer in bytes, -1: unknown."""
        series = self._series.get((what, dry_run, code))
        if series is None:
            series = self._new((what, dry_run, code))
        series.total += 1
        series.seconds += seconds
        series.took[bisect_left(_SECONDS, seconds)] += 1
        if size >= 0:
            series.bytes += size
            series.sizes[bisect_left(_BYTES, size)] += 1

    def _new(self, key: tuple[Labels, bool, int]) -> Series:
        """Few different ones, whatever clients ask for: what nobody serves is one kind."""
        (verb, group, version, plural, subresource, _), dry_run, code = key
        resource = self._served.find(group, version, plural) if plural else None
        known = resource is not None and (not subresource or subresource in resource.subresources)
        if not known and (plural or verb not in _METHODS):
            key = ((verb if verb in _VERBS else "other", "", "", "", "", ""), dry_run, code)
        return self._series.setdefault(key, Series())

    def text(self) -> str:
        """Everything, for a scrape."""
        return render(family for source in self._sources for family in source())

    def _own(self) -> Iterable[Family]:
        inflight: dict[Labels, float] = {("readOnly",): float(self.reading), ("mutating",): float(self.writing)}
        return (*self._answered(), self.long_running, self.deprecated, Reading(
            "apiserver_current_inflight_requests",
            "[STABLE] Number of requests that are being handled, per request kind.",
            ("request_kind",),
            lambda: inflight,
        ))  # fmt: skip

    def _answered(self) -> tuple[Family, ...]:
        """Four families out of the series."""
        total = Counter(
            "apiserver_request_total",
            "[STABLE] Counter of apiserver requests broken out for each verb, dry run value, group, version, resource, "
            "scope, component, and HTTP response code.",
            (*_WHAT, "dry_run", "code"),
        )
        seconds = Histogram(
            "apiserver_request_duration_seconds",
            "[STABLE] Response latency distribution in seconds for each verb, dry run value, group, version, resource, "
            "subresource, scope and component.",
            (*_WHAT, "dry_run"),
            _SECONDS,
        )
        sizes = Histogram(
            "apiserver_response_sizes",
            "[STABLE] Response size distribution in bytes for each group, version, verb, resource, subresource, scope "
            "and component.",
            _WHAT,
            _BYTES,
        )
        sli = Histogram(
            "apiserver_request_sli_duration_seconds",
            "[ALPHA] Response latency distribution (not counting webhook duration and priority & fairness queue wait "
            "times) in seconds for each verb, group, version, resource, subresource, scope and component.",
            _WHAT,
            _SECONDS[2:],
        )
        for (what, dry_run, code), series in self._series.items():
            shown, dry = labels(what), "All" if dry_run else ""
            total.add((*shown, dry, str(code)), series.total)
            seconds.merge((*shown, dry), series.took, series.seconds)
            sizes.merge(shown, series.sizes, series.bytes)
            if shown[0] not in ("WATCH", "CONNECT"):
                sli.merge(shown, (sum(series.took[:3]), *series.took[3:]), series.seconds)
        return total, seconds, sizes, sli


def labels(what: Labels) -> Labels:
    """RequestInfo.what as the values of `_WHAT`."""
    verb, group, version, resource, subresource, scope = what
    if subresource in ("attach", "exec", "portforward", "proxy"):
        verb = "CONNECT"
    return (_VERBS.get(verb, verb.upper()), group, version, resource, subresource, scope, "apiserver")


def store_families(revision: Callable[[], int], counts: Callable[[], dict[Labels, float]]) -> tuple[Family, ...]:
    """What the store holds; `counts` by group and resource."""

    def joined() -> dict[Labels, float]:
        return {(f"{plural}.{group}".rstrip("."),): many for (group, plural), many in counts().items()}

    text = "Number of stored objects at the time of last check split by kind."
    return (
        Reading("apiserver_storage_objects", f"[STABLE] {text}", ("resource",), joined),
        Reading("apiserver_resource_objects", f"[ALPHA] {text}", ("group", "resource"), counts),
        Reading(
            "wherry_store_revision", "Newest revision of the store.", (), lambda: {(): float(revision())}, "counter"
        ),
    )


def build_info(version: Mapping[str, str]) -> Family:
    """What runs; `version` as /version says it."""
    names = {
        "build_date": "buildDate", "compiler": "compiler", "git_commit": "gitCommit", "git_tree_state": "gitTreeState",
        "git_version": "gitVersion", "go_version": "goVersion", "major": "major", "minor": "minor",
        "platform": "platform",
    }  # fmt: skip
    help_ = "[BETA] A metric with a constant '1' value labeled by what was built, and from what."
    values = tuple(version.get(name, "") for name in names.values())
    return Reading("kubernetes_build_info", help_, tuple(names), lambda: {values: 1.0})


def shown(resource: object) -> bool:
    """Whether a resource's objects are stored under its own name."""
    return resource not in VIEWS


def process_families() -> tuple[Family, ...]:
    """process_*: as every Prometheus client library names them."""
    stat = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    boot = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime"))
    limit = next(line for line in Path("/proc/self/limits").read_text().splitlines() if line.startswith("Max open"))
    readings: tuple[tuple[str, str, float, str], ...] = (
        ("cpu_seconds_total", "Total user and system CPU time spent in seconds.",
         (int(stat[11]) + int(stat[12])) / _TICKS, "counter"),
        ("open_fds", "Number of open file descriptors.", len(os.listdir("/proc/self/fd")), "gauge"),
        ("max_fds", "Maximum number of open file descriptors.", float(limit.split()[3]), "gauge"),
        ("resident_memory_bytes", "Resident memory size in bytes.", int(stat[21]) * _PAGE, "gauge"),
        ("virtual_memory_bytes", "Virtual memory size in bytes.", int(stat[20]), "gauge"),
        ("start_time_seconds", "Start time of the process since unix epoch in seconds.",
         int(boot.split()[1]) + int(stat[19]) / _TICKS, "gauge"),
    )  # fmt: skip
    return tuple(_constant(f"process_{name}", help_, value, kind) for name, help_, value, kind in readings)


def _constant(name: str, help_: str, value: float, kind: str) -> Family:
    return Reading(name, help_, (), lambda: {(): value}, kind)
