"""Node rows: a whole cluster with real containers, in a network namespace of its own; needs root and containerd.

`python -m bench node`

Runs beside the raw runtime: sandbox, container and start asked of the same containerd directly, one raw and one through
the API in turn, so that load of the machine falls on both.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from bench import idle
from bench.rows import Row, latencies, percentile
from bench.wire import Access, Wire
from tests.support import image
from wherry.aio.clock import SystemClock
from wherry.app.runtimes import runtime_settings
from wherry.host.keys import Pki
from wherry.node.runtime.containerd import Containerd
from wherry.node.runtime.interface import ContainerConfig, SandboxConfig
from wherry.testing.cluster import Cluster

SETTLE, MEASURE = 20.0, 30.0
"""Seconds before a look at the idle cluster, and of the look."""
PODS = "/api/v1/namespaces/default/pods"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
ONES, BURST = 15, 20
SLEEP = ["sleep", "100000"]
ASK = """
import socket, time
while True:
    try:
        with socket.create_connection(("app", 80), 1) as connection:
            connection.sendall(b"GET / HTTP/1.1\\r\\n\\r\\n")
            if connection.recv(100).startswith(b"HTTP/1.1 200"):
                break
    except OSError:
        time.sleep(0.02)
"""
OWN = ("server", "agent", "supervisor")


@dataclass(slots=True)
class Seen:
    """When pods were first seen Running and when gone, by name; `changed` wakes who waits."""

    running: dict[str, float] = field(default_factory=dict)
    gone: dict[str, float] = field(default_factory=dict)
    served: dict[str, float] = field(default_factory=dict)
    """When a Service was first seen with an endpoint that is ready."""
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def follow(self, wire: Wire, path: str) -> None:
        """Read a watch until cancelled."""
        assert await wire.start(f"{path}?watch=1") == 200
        left = b""
        while True:
            *lines, left = (left + await wire.chunk()).split(b"\n")
            now = time.monotonic()
            async with self.changed:
                for line in lines:
                    self._note(json.loads(line), now)
                self.changed.notify_all()

    def _note(self, event: dict[str, Any], now: float) -> None:
        seen = event["object"]
        if seen["kind"] == "EndpointSlice":
            if any(one.get("conditions", {}).get("ready") for one in seen.get("endpoints") or ()):
                self.served.setdefault(seen["metadata"]["labels"]["kubernetes.io/service-name"], now)
        elif event["type"] == "DELETED":
            self.gone.setdefault(seen["metadata"]["name"], now)
        elif seen["status"].get("phase") == "Running":
            self.running.setdefault(seen["metadata"]["name"], now)

    async def until(self, among: dict[str, float], name: str) -> float:
        """The moment at which `name` came among them."""
        async with asyncio.timeout(60), self.changed:
            await self.changed.wait_for(lambda: name in among)
        return among[name]


def pod(name: str, command: list[str], **labels: str) -> bytes:
    """A plain pod, its service account's token mounted as always."""
    container = {"name": "main", "image": image.TOOLS, "command": command}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 1}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": spec}
    return json.dumps(body).encode()


def service(name: str, app: str) -> bytes:
    """A Service on port 80 for what listens on 8080."""
    spec = {"selector": {"app": app}, "ports": [{"port": 80, "targetPort": 8080}]}
    return json.dumps({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}).encode()


def access(cluster: Cluster) -> Access:
    """The administrator's."""
    pki = Pki(cluster.config.pki, SystemClock())
    admin, ca = pki.admin, pki.ca.files.certificate
    return Access(cluster.address, cluster.config.port, Path(ca), Path(admin.certificate), Path(admin.key))


class Bench:
    """A cluster and one connection to its API."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.access = access(cluster)
        self.context = self.access.context()
        self.seen = Seen()

    async def post(self, path: str, body: bytes) -> Any:
        """Create; the object."""
        status, answer = await self.wire.ask("POST", path, body)
        assert status == 201, answer
        return json.loads(answer)

    async def run(self) -> list[Row]:
        """Everything that needs the API."""
        self.wire = await Wire.dial(self.access, self.context)
        watches = [await Wire.dial(self.access, self.context) for _ in range(2)]
        follow = [
            asyncio.create_task(self.seen.follow(wire, path))
            for wire, path in zip(watches, (PODS, SLICES), strict=True)
        ]
        try:
            return [*await self.one_by_one(), await self.burst(), await self.first_packets()]
        finally:
            for task in follow:
                task.cancel()
            await asyncio.gather(*follow, return_exceptions=True)
            for wire in (self.wire, *watches):
                wire.close()

    async def one_by_one(self) -> list[Row]:
        """Pod starts beside the raw runtime, then deletes."""
        runtime = Containerd(str(self.socket))
        raw, ours, sandboxes = [], [], []
        for number in range(ONES):
            begun = time.monotonic()
            sandboxes.append(await self.start_raw(runtime, number))
            raw.append(time.monotonic() - begun)
            ours.append(await self.start(f"one-{number}"))
        for sandbox in sandboxes:
            await runtime.stop_sandbox(sandbox)
            await runtime.remove_sandbox(sandbox)
        await runtime.close()
        gone = [await self.delete(f"one-{number}") for number in range(ONES)]
        ratio = statistics.median(ours) / statistics.median(raw)
        return [
            Row("sandbox, create, start by CRI alone", latencies(raw), "(floor)"),
            Row("pod create to Running, one by one", f"{latencies(ours)}, {ratio:.2f} x floor", "p50 <= 1.14 x floor"),
            Row("pod delete to gone, grace 0", latencies(gone), "p50 <= 11 ms"),
        ]

    @property
    def socket(self) -> Path:
        """containerd's."""
        config = self.cluster.config
        return runtime_settings(config, config.machines()[0]).socket

    async def start_raw(self, runtime: Containerd, number: int) -> str:
        """What a pod is to the runtime; the sandbox."""
        name = f"raw-{number}"
        parent = self.cluster.config.cgroup(self.cluster.node_names[0])
        sandbox = SandboxConfig(
            name=name, namespace="default", uid=name, hostname=name, log_dir="/tmp", cgroup_parent=parent
        )
        made = await runtime.run_sandbox(sandbox)
        config = ContainerConfig(name="main", image=image.TOOLS, command=tuple(SLEEP), log_path=f"{name}.log")
        await runtime.start_container(await runtime.create_container(made, config, sandbox))
        return made

    async def start(self, name: str) -> float:
        """Create a pod; seconds until the watch shows it Running."""
        begun = time.monotonic()
        await self.post(PODS, pod(name, SLEEP))
        return await self.seen.until(self.seen.running, name) - begun

    async def delete(self, name: str) -> float:
        """Delete it; seconds until the watch shows it gone."""
        begun = time.monotonic()
        status, answer = await self.wire.ask("DELETE", f"{PODS}/{name}?gracePeriodSeconds=0")
        assert status == 200, answer
        return await self.seen.until(self.seen.gone, name) - begun

    async def burst(self) -> Row:
        """Many pods at once; they stay for the look at idle."""
        await self.emptied()
        begun = time.monotonic()
        for number in range(BURST):
            await self.post(PODS, pod(f"burst-{number}", SLEEP))
        took = [await self.seen.until(self.seen.running, f"burst-{number}") - begun for number in range(BURST)]
        return Row(f"{BURST} pods at once", latencies(took), "p50 <= 2.1 s, p99 <= 2.6 s")

    async def emptied(self) -> None:
        """Wait until the runtime has let go of every pod that was deleted."""
        runtime = Containerd(str(self.socket))
        async with asyncio.timeout(60):
            while await runtime.sandboxes():  # noqa: ASYNC110 - the runtime does not tell
                await asyncio.sleep(0.2)
        await runtime.close()

    async def first_packets(self) -> Row:
        """From a ready endpoint, as a watch shows it, to the first connection through the Service."""
        await self.post(PODS, pod("web", image.SERVE, app="web"))
        await self.seen.until(self.seen.running, "web")
        await asyncio.sleep(1)
        argv = self.cluster.place.argv([sys.executable, "-m", "bench.knock"])
        knock = await asyncio.create_subprocess_exec(
            *argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert knock.stdin
        assert knock.stdout
        took = []
        for number in range(ONES):
            name = f"web-{number}"
            made = await self.post("/api/v1/namespaces/default/services", service(name, "web"))
            knock.stdin.write(f"{made['spec']['clusterIP']} 80\n".encode())
            landed = float(await asyncio.wait_for(knock.stdout.readline(), 30))
            took.append(max(0.0, landed - await self.seen.until(self.seen.served, name)))
        knock.stdin.close()
        await knock.wait()
        return Row("endpoint ready to first packet through the Service", latencies(took), "p99 <= 100 ms")


def application() -> str:
    """A web server, its Service, and a pod that succeeds when it got an answer by name."""
    asker = json.loads(pod("asker", ["/usr/bin/python3", "-I", "-S", "-c", ASK]))
    asker["spec"]["restartPolicy"] = "Never"
    items = [json.loads(pod("app", image.SERVE, app="app")), json.loads(service("app", "app")), asker]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def standing_up(cluster: Cluster, archive: Path, up: float) -> Iterator[Row]:
    """From nothing; loading the image is not counted."""
    yield Row("nothing to node Ready", f"{up:.2f} s", "<= 2.5 s")
    cluster.load_image(archive)
    begun = time.monotonic()
    cluster.kubectl("apply", "-f", "-", stdin=application())
    cluster.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/asker", "--timeout=60s")
    total = up + time.monotonic() - begun
    yield Row("nothing to app answering by its name in DNS", f"{total:.2f} s", "<= 4 s")
    cluster.kubectl("delete", "pod/app", "pod/asker", "service/app", "--grace-period=1")


def idling(cluster: Cluster, what: str, goal: str) -> Iterator[Row]:
    """Memory and CPU of a cluster that is left alone."""
    time.sleep(SETTLE)
    pids = {name: cluster.pid(name) for name in (*OWN, "containerd")}
    used = idle.shares(pids, MEASURE)
    held = {name: idle.memory(pid) for name, pid in pids.items()}
    rss, pss = sum(held[name].rss for name in OWN), sum(held[name].pss for name in OWN)
    each = ", ".join(f"{name} {one.rss:.0f}/{one.pss:.0f}" for name, one in held.items())
    yield Row(f"idle memory, {what}: RSS/PSS", f"{rss:.0f}/{pss:.0f} MB ({each})", "wherry's RSS <= 150 MB")
    parts = ", ".join(f"{name} {share:.2f}" for name, share in used.items())
    yield Row(f"idle CPU, {what}", f"{sum(used[name] for name in OWN):.2f} % of a core ({parts})", goal)


def restarts(cluster: Cluster) -> Row:
    """The server killed; until the API answers again."""
    took = []
    for _ in range(5):
        pid = cluster.pid("server")
        begun = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        uvloop.run(_answering(access(cluster)))
        took.append(time.monotonic() - begun)
        time.sleep(6)  # longer than what the supervisor takes for a quick death
    text = f"p50 {statistics.median(took):.2f} s, longest {percentile(took, 1):.2f} s"
    return Row("server killed to API answering", text, "< 2 s")


async def _answering(where: Access) -> None:
    context = where.context()
    async with asyncio.timeout(30):
        while True:
            try:
                wire = await Wire.dial(where, context)
                status, _ = await wire.ask("GET", "/readyz")
                wire.close()
            except (OSError, EOFError):
                status = 0
            if status == 200:
                return
            await asyncio.sleep(0.01)


def rows() -> Iterator[Row]:
    """Every row of this file."""
    if os.geteuid():
        sys.stderr.write(" left out: needs root")
        return
    with tempfile.TemporaryDirectory(prefix="wherry-bench-") as folder:
        archive = image.archive(Path(folder))
        begun = time.monotonic()
        with Cluster(Path(folder) / "cluster") as cluster:
            up = time.monotonic() - begun
            yield from standing_up(cluster, archive, up)
            yield from idling(cluster, "no pods", "<= 0.5 %")
            yield from uvloop.run(Bench(cluster).run())
            yield from idling(cluster, f"{BURST + 1} pods", "<= 1 %")
            yield restarts(cluster)
