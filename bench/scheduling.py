"""Scheduling rows: 5,000 nodes; the decision alone, and pods from create to bound through the API.

The decision: snapshot to node with all filters and scores, each counted in the snapshot before the next one. Through
the API: an API server over SQLite with synchronous=FULL and the scheduler in one process on one event loop; from the
first create until the watch has shown the last pod bound. `python -m bench scheduling`
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import uvloop

from bench.rows import Row, percentile
from tests.support.apiserver import running_apiserver
from tests.support.nodes import HOST, ZONE, apart, liking, near, node, pod, spreading
from wherry.aio.clock import SystemClock
from wherry.api.core.namespace import NAMESPACE
from wherry.api.core.node import NODE
from wherry.api.core.pod import POD
from wherry.api.core.serviceaccount import SERVICEACCOUNT
from wherry.api.types.core import Namespace, Pod, ServiceAccount
from wherry.app import memory
from wherry.client.interface import Client
from wherry.machinery.meta import Key, ObjectMeta
from wherry.scheduler.cycle import Placed, Refused, place
from wherry.scheduler.filters.verdict import Ask
from wherry.scheduler.loop import Scheduler
from wherry.scheduler.podinfo import Shapes
from wherry.scheduler.preemption import Victims, preempt
from wherry.scheduler.snapshot import Snapshot
from wherry.store.sqlite import SqliteLog

NODES, ZONES = 5000, 10
MIX = {"app": "mix"}
OWNER = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "u-web", "controller": True}

Template = Callable[[str], Pod]


def nodes() -> Iterator[Any]:
    """The cluster's nodes."""
    for number in range(NODES):
        yield node(f"node-{number}", labels={ZONE: f"zone-{number % ZONES}"}, cpu="4", memory="32Gi")


def plain(name: str) -> Pod:
    """A pod that asks for a little."""
    return pod(name, cpu="100m", memory="100Mi")


def of_set(name: str) -> Pod:
    """A pod of a ReplicaSet: spread by default."""
    return pod(name, cpu="100m", memory="100Mi", labels={"app": "web"}, meta={"ownerReferences": [OWNER]})


def lonely(name: str) -> Pod:
    """One per host."""
    return pod(name, cpu="100m", labels={"app": "lonely"}, affinity=apart({"app": "lonely"}))


def lonely_everywhere(name: str) -> Pod:
    """One per host, over namespaces chosen by label."""
    chosen = {"matchLabels": {"kubernetes.io/metadata.name": "default"}}
    return pod(name, cpu="100m", labels=MIX, affinity=apart(MIX, namespaceSelector=chosen))


def together(name: str) -> Pod:
    """All in one zone."""
    return pod(name, cpu="100m", labels={"app": "near"}, affinity=near({"app": "near"}))


def friendly(name: str) -> Pod:
    """Rather near each other."""
    return pod(name, cpu="100m", labels={"app": "friend"}, affinity=liking({"app": "friend"}, HOST))


def even(name: str) -> Pod:
    """Evenly over zones, and rather over hosts."""
    soft = spreading({"app": "even"}, HOST, whenUnsatisfiable="ScheduleAnyway")
    rules = [spreading({"app": "even"}), soft]
    return pod(name, cpu="100m", labels={"app": "even"}, topologySpreadConstraints=rules)


def choosy(name: str) -> Pod:
    """In one of two zones."""
    wanted = [{"matchExpressions": [{"key": ZONE, "operator": "In", "values": ["zone-1", "zone-2"]}]}]
    rule = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": wanted}}
    return pod(name, cpu="100m", affinity={"nodeAffinity": rule})


CASES: tuple[tuple[str, Template, int, int, str], ...] = (
    ("plain pods", plain, 0, 5000, ">= 1,000/s"),
    ("required anti-affinity (host)", lonely, 1000, 1000, ">= 700/s"),
    ("required anti-affinity, namespaceSelector", lonely_everywhere, 1000, 1000, ">= 700/s"),
    ("required affinity (zone)", together, 1000, 1000, ">= 700/s"),
    ("preferred affinity", friendly, 5000, 1000, ">= 700/s"),
    ("topology spread", even, 5000, 2000, ">= 700/s"),
    ("default spread (ReplicaSet)", of_set, 5000, 1000, ""),
    ("node affinity", choosy, 0, 2000, ">= 700/s"),
)


# --- the decision alone ---


def decide(snapshot: Snapshot, shapes: Shapes, wanted: Iterable[Pod]) -> list[float]:
    """Seconds per decision, reading the pod and counting it included."""
    took, dice = [], random.Random(1)
    for one in wanted:
        begun = time.perf_counter()
        info = shapes.read(one)
        outcome = place(snapshot, Ask(info), dice)
        assert isinstance(outcome, Placed), outcome
        snapshot.put_pod(info, outcome.node)
        took.append(time.perf_counter() - begun)
    return took


def ready() -> tuple[Snapshot, Shapes]:
    """All nodes, no pods."""
    snapshot = Snapshot()
    for one in nodes():
        snapshot.put_node(one)
    memory.settle()  # as the server does when it has started
    return snapshot, Shapes({"default": {"kubernetes.io/metadata.name": "default"}})


def microseconds(took: list[float]) -> str:
    """p50 and p99."""
    return f"p50 {statistics.median(took) * 1e6:.0f} us, p99 {percentile(took, 0.99) * 1e6:.0f} us"


def decisions() -> Iterator[Row]:
    """A row per case."""
    for name, template, before, count, _ in CASES:
        snapshot, shapes = ready()
        decide(snapshot, shapes, (template(f"before-{n}") for n in range(before)))
        decide(snapshot, shapes, (plain(f"other-{n}") for n in range(200)))
        took = decide(snapshot, shapes, [template(f"p-{n}") for n in range(min(count, 1000))])
        yield Row(f"decision, {NODES:,} nodes: {name}", microseconds(took), "p50 <= 250 us")


def preemptions(count: int = 300) -> Row:
    """Every node is full of less important pods."""
    snapshot, shapes = ready()
    for number in range(NODES):
        for part in range(4):
            snapshot.put_pod(shapes.read(pod(f"low-{number}-{part}", cpu="900m")), f"node-{number}")
    dice, took = random.Random(1), []
    for number in range(count):
        begun = time.perf_counter()
        ask = Ask(shapes.read(pod(f"high-{number}", cpu="3", priority=10)))
        outcome = place(snapshot, ask, dice)
        assert isinstance(outcome, Refused)
        victims = preempt(snapshot, ask, outcome, [], dice)
        assert isinstance(victims, Victims)
        for victim in victims.pods:
            snapshot.drop_pod(victim.uid)
        snapshot.put_pod(ask.info, victims.node)
        took.append(time.perf_counter() - begun)
    return Row(f"preemption, {NODES:,} nodes", f"{count / sum(took):,.0f}/s, {microseconds(took)}", ">= 300/s")


# --- through the API ---


async def make(client: Client, template: Template, names: Iterable[str]) -> None:
    """Create pods, 32 at a time."""
    left = iter(names)

    async def some() -> None:
        for name in left:
            await client.create(POD, template(name))

    await asyncio.gather(*(some() for _ in range(32)))


class Bound:
    """Counts bound pods."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._names: set[str] = set()
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Watch for ever."""
        async for event in self._client.watch(POD):
            if event.obj is not None and event.obj.spec.node_name:
                self._names.add(event.obj.metadata.name)
                self._wake.set()

    async def reach(self, count: int) -> None:
        """Wait until so many are bound."""
        while len(self._names) < count:
            self._wake.clear()
            await self._wake.wait()


async def through_api(template: Template, before: int, count: int) -> str:
    """Pods per second, and CPU time of the whole process."""
    folder = Path(tempfile.mkdtemp(prefix="wherry-bench-"))
    log = await SqliteLog.open(folder / "state.db")
    async with running_apiserver(folder, log=log) as server:
        client = server.client()
        with contextlib.suppress(Exception):
            await client.create(NAMESPACE, Namespace(metadata=ObjectMeta(name="default")))
        await client.create(SERVICEACCOUNT, ServiceAccount(metadata=ObjectMeta(name="default", namespace="default")))
        for one in nodes():
            await client.create(NODE, one)  # new ones carry the taint not-ready
            await client.patch(NODE, Key("", one.metadata.name), {"spec": {"taints": None}})
        bound = Bound(client)
        jobs = [asyncio.create_task(bound.run())]
        jobs.append(asyncio.create_task(Scheduler(server.client(), SystemClock(), random.Random(1)).run()))
        await make(client, template, (f"before-{n}" for n in range(before)))
        await bound.reach(before)
        begun, used = time.perf_counter(), time.process_time()
        await make(client, template, (f"p-{n}" for n in range(count)))
        await bound.reach(before + count)
        took, used = time.perf_counter() - begun, time.process_time() - used
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
    await log.close()
    shutil.rmtree(folder, ignore_errors=True)
    return f"{count / took:,.0f}/s, {used / count * 1e6:,.0f} us CPU each"


def rows(only: str = "") -> list[Row]:
    """All rows; `only` names a case."""
    out = [*decisions(), preemptions()] if not only else []
    for name, template, before, count, goal in CASES:
        if only in name:
            rate = uvloop.run(through_api(template, before, count))
            what = f"{count:,} {name}" + (f" after {before:,}" if before else "")
            out.append(Row(f"scheduling through the API, {NODES:,} nodes: {what}", rate, goal))
    return out
