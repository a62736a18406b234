"""Climb: a site under ten times its load and back, with the times of everything that ought to happen.

    rate R, quiet -> 10 R -> use goes over the target -> more replicas asked for -> a new pod Ready -> R -> fewer again

Use is measured beside the autoscaler's own way: from the kernel's counters, once a second. The threshold is the first
moment at which they say that the pods use more than the target and its tolerance; at the low rate one request alone can
do that for a second, so the promise is judged from the moment the load rises, which is never later.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.load.visitors import Site, Visit, Visitors, percentile
from tests.support.manifests import processes, ready
from tests.support.rest import Follower, Rest
from wherry.host import consumption

REACTION = 10.0
"""Seconds from the rise of the load to more replicas: the promise gives as many from the threshold."""
SETTLE = 60.0
TRIES = 20
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scaled:
    """Who is scaled: a Deployment, the label of its pods, what each pod requests, and which part of that (percent) the
    autoscaler aims at."""

    rest: Rest
    namespace: str
    name: str
    label: str
    milli: int
    percent: int
    minimum: int = 1
    times: int = 10
    """By which the load rises."""

    @property
    def deployments(self) -> str:
        return f"/apis/apps/v1/namespaces/{self.namespace}/deployments"

    @property
    def pods(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods?labelSelector={self.label}"


@dataclass(slots=True)
class Told:
    """What happened when, in seconds since the load rose (`fell`, `lowest`: since it fell)."""

    over: float = 0.0
    asked: float = 0.0
    started: float = 0.0
    served: float = 0.0
    """When a visitor had the first answer of a pod that is new, where answers tell who gave them."""
    most: int = 0
    fell: float = 0.0
    lowest: float = 0.0
    quiet: list[Visit] = field(default_factory=list)
    high: list[Visit] = field(default_factory=list)
    late: list[Visit] = field(default_factory=list)


class Use:
    """The processor time that the pods use, once a second, from the kernel's own counters; in the block."""

    def __init__(self, scaled: Scaled, pods: Follower) -> None:
        self._scaled, self._pods = scaled, pods
        self._groups: dict[str, str] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.shares: list[tuple[float, float]] = []
        """(when, monotonic; what Ready pods used in the second before as a part of what the autoscaler aims at)."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        before: dict[str, int] = {}
        moment = time.monotonic()
        while not self._stop.wait(1.0):
            counts, now = self.counts(), time.monotonic()
            both = counts.keys() & before.keys()
            if both:
                used = sum(counts[one] - before[one] for one in both) / (now - moment) / 1e6
                self.shares.append((now, used / len(both) / (self._scaled.milli * self._scaled.percent / 100)))
            before, moment = counts, now

    def counts(self) -> dict[str, int]:
        """Nanoseconds by container, of the pods that are Ready."""
        found = {}
        for pod in filter(ready, list(self._pods.objects.values())):
            for status in pod["status"]["containerStatuses"]:
                use = consumption.of_group(self._group(status["containerID"]))
                if use is not None:
                    found[status["containerID"]] = use.cpu
        return found

    def _group(self, container: str) -> str:
        if container not in self._groups:
            (pid, *_) = processes(container)
            lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
            fields = [line.split(":", 2) for line in lines]
            (path, *_) = [path for _, kinds, path in fields if "cpuacct" in kinds.split(",")] or [fields[0][2]]
            self._groups[container] = path
        return self._groups[container]


def climb(scaled: Scaled, site: Site, rate: float, *, quiet: float, high: float) -> Told:
    """The whole course. `rate`: requests a second before; `quiet` and `high`: seconds at the one and the other rate.
    Raises AssertionError where something does not happen, or a visitor was not served."""
    told, name = Told(), f"{scaled.namespace}/{scaled.name}"
    opened(site)
    with (
        Follower(scaled.rest, scaled.deployments) as deployments,
        Follower(scaled.rest, scaled.pods) as pods,
        Use(scaled, pods) as use,
        Visitors(site, rate) as visitors,
    ):
        try:
            begun = _settled(deployments, name, scaled.minimum, quiet)
            visitors.rate, rose = rate * scaled.times, time.monotonic()
            deployments.wait(lambda now: _replicas(now[name]) > scaled.minimum, SETTLE, "more replicas")
            told.asked = time.monotonic() - rose
            pods.wait(lambda now: sum(map(ready, now.values())) > scaled.minimum, SETTLE, "a new pod Ready")
            told.started = time.monotonic() - rose
            time.sleep(max(0.0, rose + high - time.monotonic()))
            told.over = next((at - rose for at, share in use.shares if at > rose and share > 1.1), told.asked)
            told.most = _replicas(deployments.objects[name])
            visitors.rate, fell = rate, time.monotonic()
            told.fell = _until(deployments, lambda now: _replicas(now[name]) < told.most, fell, "fewer replicas")
            told.lowest = _until(
                deployments, lambda now: _replicas(now[name]) == scaled.minimum, fell, "as few as before"
            )
            pods.wait(lambda now: len(now) == scaled.minimum, SETTLE, "the pods of before alone")
            time.sleep(quiet / 2)
        except AssertionError:
            shares = ", ".join(f"{share:.2f}" for _, share in use.shares[-60:])
            sys.stdout.write(f"use as a part of the target, second by second: {shares}\n")
            sys.stdout.write(f"{len(visitors.visits)} requests, failed: {visitors.failures[:5]}\n")
            raise
    for one in visitors.visits:
        (told.quiet if begun <= one.due < rose else told.high if rose <= one.due < fell else told.late).append(one)
    old = {one.said for one in told.quiet}
    news = [one.due + one.seconds - rose for one in told.high if one.said and not one.error and one.said not in old]
    told.served = min(news, default=0.0)
    sys.stdout.write(report(told, rate, rate * scaled.times))
    failures = visitors.failures
    assert not failures, f"{len(failures)} of {len(visitors.visits)} failed: {failures[:5]}"
    assert told.asked <= REACTION, told
    return told


def rate_for(scaled: Scaled, site: Site, share: float) -> float:
    """Requests a second so that the higher load is worth `share` times what one pod aims at: by what a request costs on
    this machine today. Raises AssertionError."""
    opened(site)
    visitors = Visitors(site, 1)
    with Follower(scaled.rest, scaled.pods) as pods:
        pods.wait(lambda now: sum(map(ready, now.values())) == scaled.minimum, SETTLE, "the pods of before alone")
        use = Use(scaled, pods)
        before = use.counts()
        seen = [visitors.visit(page, kept=False) for _ in range(TRIES) for page in site.pages]
        after = use.counts()
    assert not [one for one in seen if one.error], seen
    cost = sum(count - before.get(one, 0) for one, count in after.items()) / len(seen) / 1e6
    aim = scaled.milli * scaled.percent / 100
    sys.stdout.write(f"a request costs {cost:.1f} ms of processor time\n")
    return share * aim / cost / scaled.times


def _settled(seen: Follower, name: str, least: int, quiet: float) -> float:
    """Wait until there have been as few replicas as may be for so long; since when. Raises AssertionError."""
    since = time.monotonic()
    while time.monotonic() - since < 3 * SETTLE:
        seen.wait(lambda now: _replicas(now[name]) == least, 2 * SETTLE, "as few replicas as may be")
        begun, events = time.monotonic(), len(seen.events)
        time.sleep(quiet)
        if all(_replicas(item) == least for _, item in seen.events[events:]):
            return begun
    raise AssertionError(f"the number of replicas has not settled at {least}")


def opened(site: Site) -> None:
    """Wait until each page is answered as it should be, which is what the load begins with. Raises AssertionError."""
    visitors, since = Visitors(site, 1), time.monotonic()
    for page in site.pages:
        while (seen := visitors.visit(page, kept=False)).error:
            assert time.monotonic() - since < SETTLE, seen
            time.sleep(0.2)


def _replicas(deployment: Json) -> int:
    return int(deployment["spec"].get("replicas", 1))


def _until(seen: Follower, condition: Callable[[dict[str, Json]], object], since: float, what: str) -> float:
    seen.wait(condition, 2 * SETTLE, what)
    return time.monotonic() - since


def report(told: Told, low: float, high: float) -> str:
    """All times, for people."""
    parts = ((told.quiet, low), (told.high, high), (told.late, low))
    everything = [one for visits, _ in parts for one in visits]
    lines = [
        f"the load rose from {low:g} to {high:g} requests a second at 0 s",
        f"use over the target      {told.over:6.1f} s",
        f"more replicas asked for  {told.asked:6.1f} s ({told.asked - told.over:+.1f} s from the threshold)",
        f"a new pod Ready          {told.started:6.1f} s ({told.started - told.over:+.1f} s from the threshold)",
        *([f"its first answer         {told.served:6.1f} s"] if told.served else []),
        f"most replicas            {told.most:6d}",
        f"fewer replicas           {told.fell:6.1f} s after the load fell, as few as before {told.lowest:.1f} s",
    ]
    for visits, wanted in parts:
        times = f"p50 {percentile(visits, 0.5):.3f} s, p99 {percentile(visits, 0.99):.3f} s"
        lines.append(f"at {wanted:5g}/s {len(visits):6d} requests, {times}, longest {percentile(visits, 1.0):.3f} s")
    failed, again = sum(bool(one.error) for one in everything), sum(one.again for one in everything)
    lines.append(f"{len(everything)} requests, {failed} failures, {again} asked again on a new connection")
    return "\n".join(lines) + "\n"
