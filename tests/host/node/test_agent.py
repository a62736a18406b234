"""The agent with real containers, beside an API in memory: what survives, what is restarted, what is left behind.

Each test brings its own containerd, so the tests are few and long.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.containerd import namespace, own_containerd, usable
from tests.support.fakeapi import FakeAPI
from wherry.aio.clock import SystemClock
from wherry.api.core.configmap import CONFIGMAP
from wherry.api.core.event import EVENT
from wherry.api.core.pod import POD
from wherry.api.core.secret import SECRET
from wherry.api.types.core import ConfigMap, Pod, ResourceRequirements, Secret
from wherry.host import consumption, mounts, netns, processes
from wherry.host.containerd import Supervisor
from wherry.machinery.codec import from_dict
from wherry.machinery.meta import Key, ObjectMeta
from wherry.machinery.time import time_at
from wherry.node import groups, stats_metrics, stats_summary
from wherry.node.agent import Agent
from wherry.node.config import AgentConfig
from wherry.node.runtime.containerd import Containerd

pytestmark = [
    pytest.mark.host,
    pytest.mark.looptime(False),
    pytest.mark.skipif(not usable(), reason="needs root and containerd"),
]
SH = ["/bin/busybox", "sh", "-c"]
FOREVER = "trap 'exit 0' TERM; while :; do /bin/busybox sleep 0.1; done"


@dataclass(slots=True)
class Node:
    """One node under test."""

    api: FakeAPI
    runtime: Containerd
    supervisor: Supervisor
    config: AgentConfig
    agent: Agent | None = None
    task: asyncio.Task[None] | None = None

    async def up(self) -> None:
        """Start an agent."""
        self.agent = Agent(self.config, self.api, self.runtime, SystemClock())
        self.task = asyncio.get_running_loop().create_task(self.agent.run())

    async def down(self) -> None:
        """Cancel it, as the end of its process would."""
        assert self.task is not None
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task

    async def run(self, name: str, *containers: dict[str, Any], **spec: Any) -> None:
        """Create a pod."""
        full = [{"name": f"c{index}", "image": "busybox:1", **one} for index, one in enumerate(containers)]
        body = {"nodeName": "n1", "restartPolicy": "Always", "terminationGracePeriodSeconds": 2, "containers": full}
        meta = {"name": name, "namespace": "default", "generation": 1, "labels": {"app": name}}
        await self.api.create(POD, from_dict(Pod, {"metadata": meta, "spec": body | spec}))

    async def pod(self, name: str) -> Pod:
        """The pod as the API has it."""
        return await self.api.get(POD, Key("default", name))

    async def until(self, name: str, holds: Callable[[Pod], object], seconds: float = 15) -> Pod:
        """Wait until something holds of a pod."""
        for _ in range(int(seconds / 0.02)):
            pod = await self.pod(name)
            if holds(pod):
                return pod
            await asyncio.sleep(0.02)
        raise AssertionError(msgspec.json.encode((await self.pod(name)).status, enc_hook=str).decode())

    async def delete(self, name: str, grace: int = 2) -> None:
        """Delete a pod as the API server does, and wait until it is gone."""
        pod = await self.pod(name)
        stamp = time_at(SystemClock().now() + grace)
        meta = msgspec.structs.replace(pod.metadata, deletion_timestamp=stamp, deletion_grace_period_seconds=grace)
        await self.api.replace(POD, msgspec.structs.replace(pod, metadata=meta))
        for _ in range(500):
            if not (await self.api.list(POD)).items or name not in [
                one.metadata.name for one in (await self.api.list(POD)).items
            ]:
                return
            await asyncio.sleep(0.02)
        raise AssertionError("still there")

    async def all_gone(self) -> None:
        """Wait until the agent has nothing left to do."""
        for _ in range(500):
            if self.agent is not None and not self.agent.pods() and not await self.runtime.sandboxes():
                return
            await asyncio.sleep(0.02)
        raise AssertionError("something is left")

    async def events(self, name: str) -> list[tuple[str, str]]:
        """(reason, message) of a pod's events."""
        found = (await self.api.list(EVENT)).items
        return [(one.reason, one.message) for one in found if one.involved_object.name == name]

    def log(self, pod: Pod, container: str = "c0", restart: int = 0) -> str:
        """What a container wrote."""
        folder = self.config.logs / f"default_{pod.metadata.name}_{pod.metadata.uid}" / container
        lines = (folder / f"{restart}.log").read_text().splitlines()
        return "\n".join(line.split(" ", 3)[3] for line in lines)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with own_containerd(tmp_path) as (runtime, supervisor):
        config = AgentConfig(
            name="n1", root=tmp_path / "node", run=tmp_path / "run", addresses=("10.77.0.1",), refresh=0.3,
            cgroup_root=f"/wherry-test-{os.getpid()}",
        )  # fmt: skip
        made = Node(FakeAPI(), runtime, supervisor, config)
        with netns.entered(namespace()):
            await made.up()
            yield made
            await made.down()


def ready(pod: Pod) -> bool:
    """Whether it is Ready."""
    return any(one.type == "Ready" and one.status == "True" for one in pod.status.conditions)


def reason(pod: Pod) -> str:
    """Why its first container waits."""
    waiting = pod.status.container_statuses[0].state.waiting
    return waiting.reason if waiting else ""


def pid_of(node: Node, pod: Pod) -> int:
    """The process of a pod's only container."""
    group = groups.of_pod(node.config, pod)
    identity = pod.status.container_statuses[0].container_id.removeprefix("containerd://")
    for root in (Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup")):
        path = root / group.lstrip("/") / identity / "cgroup.procs"
        if path.exists():
            return int(path.read_text().split()[0])
    raise AssertionError("no process")


async def test_who_waits_to_be_accepted_is_answered_before_the_pod_is_told_to_end(node: Node) -> None:
    """A program that is late, as on a busy machine. (Seeded fault: SIGTERM at once: the kernel resets what waits.)"""
    serve = (
        "/bin/busybox httpd -f -p 8080 -h / & trap 'kill $!; exit' TERM; wait"  # the first process of all ignores it
    )
    await node.run("web", {"command": [*SH, serve]})
    pod = await node.until("web", lambda one: ready(one) and one.status.pod_ip)
    first = pid_of(node, pod)
    for _ in range(100):
        with contextlib.suppress(OSError):
            (await asyncio.open_connection(pod.status.pod_ip, 8080))[1].close()
            break
        await asyncio.sleep(0.05)
    (pid,) = map(int, Path(f"/proc/{first}/task/{first}/children").read_text().split())
    os.kill(pid, signal.SIGSTOP)
    reader, writer = await asyncio.open_connection(pod.status.pod_ip, 8080)
    writer.write(b"GET /none HTTP/1.0\r\n\r\n")
    async with asyncio.TaskGroup() as group:
        group.create_task(node.delete("web", grace=8))
        await asyncio.sleep(1)
        os.kill(pid, signal.SIGCONT)
        async with asyncio.timeout(5):
            assert b" 404 " in await reader.readline()
    writer.close()


async def test_volumes_environment_and_their_removal(node: Node) -> None:
    await node.api.create(CONFIGMAP, ConfigMap(metadata=ObjectMeta(name="cm", namespace="default"), data={"k": "one"}))
    await node.api.create(SECRET, Secret(metadata=ObjectMeta(name="s", namespace="default"), data={"pw": b"geheim"}))
    script = (
        "cd /bin; for f in /cm/k /s/pw /down/labels /all/token /sub; do ./busybox cat $f; ./busybox echo; done;"
        " ./busybox echo $A $B $FROM_k $ME; ./busybox echo bye >/dev/termination-log;"
        " ./busybox stat -L -c '%a %g' /empty /s/pw; ./busybox mount | ./busybox grep -c ' /mem ';"
        " ./busybox hostname; " + FOREVER
    )
    mounted = [
        {"name": n, "mountPath": f"/{n}"} for n in ("cm", "s", "down", "all", "empty", "mem")
    ] + [{"name": "cm", "mountPath": "/sub", "subPath": "k"}]  # fmt: skip
    await node.run(
        "p",
        {
            "command": [*SH, script],
            "env": [
                {"name": "A", "value": "a"}, {"name": "B", "value": "$(A)-$$(A)"},
                {"name": "ME", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            ],
            "envFrom": [{"configMapRef": {"name": "cm"}, "prefix": "FROM_"}],
            "volumeMounts": mounted,
        },
        securityContext={"fsGroup": 1234},
        volumes=[
            {"name": "cm", "configMap": {"name": "cm"}},
            {"name": "s", "secret": {"secretName": "s", "defaultMode": 0o400}},
            {"name": "down", "downwardAPI": {"items": [
                {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
            {"name": "all", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
            {"name": "empty", "emptyDir": {}},
            {"name": "mem", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
        ],
    )  # fmt: skip
    pod = await node.until("p", ready)
    await asyncio.sleep(0.3)
    said = node.log(pod).split("\n")
    assert said[:5] == ["one", "geheim", 'app="p"', "token-of-default", "one"]
    assert said[5] == f"a a-$(A) one {pod.status.pod_ip}"
    assert said[6:] == ["2777 1234", "440 1234", "1", "p"]

    folder = node.config.pods / pod.metadata.uid
    await node.api.patch(CONFIGMAP, Key("default", "cm"), {"data": {"k": "two"}})
    for _ in range(100):
        if (folder / "volumes/cm/k").read_text() == "two":
            break
        await asyncio.sleep(0.05)
    identity = pod.status.container_statuses[0].container_id.removeprefix("containerd://")
    seen = await node.runtime.exec_sync(identity, ("/bin/busybox", "cat", "/cm/k", "/sub"), 5)
    assert seen.stdout == b"twoone"
    assert len(mounts.mounted_below(folder)) == 5
    await node.delete("p")
    assert mounts.mounted_below(folder) == []
    await node.all_gone()
    assert not folder.exists()
    assert list(node.config.logs.iterdir()) == []


async def test_kills_are_answered_and_the_agent_may_come_and_go(node: Node) -> None:
    await node.run("stays", {"command": [*SH, FOREVER]})
    await node.run("dies", {"command": [*SH, FOREVER]})
    stays, dies = await node.until("stays", ready), await node.until("dies", ready)

    loop = asyncio.get_running_loop()
    before = loop.time()
    os.kill(pid_of(node, dies), signal.SIGKILL)
    again = await node.until("dies", lambda pod: pod.status.container_statuses[0].restart_count == 1 and ready(pod))
    assert loop.time() - before < 1.0
    last = again.status.container_statuses[0].last_state.terminated
    assert last is not None
    assert (last.exit_code, last.reason) == (137, "Error")

    writes = len(node.api.writes)
    await node.down()
    pid = pid_of(node, stays)
    await node.up()
    await asyncio.sleep(1.5)
    assert [one for one in node.api.writes[writes:] if one[1] == "Pod"] == []
    assert pid_of(node, await node.pod("stays")) == pid

    containerd = node.supervisor.running()
    assert containerd is not None
    os.kill(containerd, signal.SIGKILL)
    await processes.ended(containerd)
    await node.supervisor.start()
    os.kill(pid_of(node, again), signal.SIGKILL)
    await asyncio.sleep(0.5)
    await node.until("dies", lambda pod: reason(pod) == "CrashLoopBackOff")
    assert pid_of(node, await node.pod("stays")) == pid

    node.api.down = True
    await node.down()
    await node.up()
    await asyncio.sleep(2.0)
    os.kill(pid, signal.SIGKILL)
    await asyncio.sleep(1.5)
    assert node.agent is not None
    assert [pod.status.container_statuses[0].restart_count for pod in node.agent.pods()
            if pod.metadata.name == "stays"] == [1]  # fmt: skip
    node.api.down = False
    await node.until("stays", lambda pod: pod.status.container_statuses[0].restart_count == 1 and ready(pod))


async def test_order_probes_and_failures(node: Node) -> None:
    await node.run(
        "order",
        {"command": [*SH, "/bin/busybox cat /d/log; " + FOREVER], "volumeMounts": [{"name": "d", "mountPath": "/d"}],
         "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 10}},
        {"command": ["/bin/busybox", "httpd", "-f", "-p", "8080"],
         "livenessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1, "failureThreshold": 1}},
        initContainers=[
            {"name": f"i{n}", "image": "busybox:1", "command": [*SH, f"/bin/busybox echo {n} >>/d/log"],
             "volumeMounts": [{"name": "d", "mountPath": "/d"}]}
            for n in range(2)
        ],
        volumes=[{"name": "d", "emptyDir": {}}],
    )  # fmt: skip
    await node.run("bad", {"image": "127.0.0.1:1/none:1", "command": ["x"]})
    await node.run("noconfig", {"command": ["x"], "envFrom": [{"configMapRef": {"name": "nope"}}]})
    await node.run("noprogram", {"command": ["/nope"]})
    last_words = "/bin/busybox echo last words >/dev/termination-log; exit 7"
    await node.run("once", {"command": [*SH, last_words]}, restartPolicy="Never")

    killed = await node.until("order", lambda pod: any(one.restart_count for one in pod.status.container_statuses))
    assert node.log(killed).split("\n")[:2] == ["0", "1"]
    events = await node.events("order")
    assert ("Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 404") in events
    assert ("Killing", "Container c1 failed liveness probe, will be restarted") in events

    failed = await node.until("once", lambda pod: pod.status.phase == "Failed")
    end = failed.status.container_statuses[0].state.terminated
    assert end is not None
    assert (end.exit_code, end.reason, end.message) == (7, "Error", "last words\n")

    await node.until("bad", lambda pod: reason(pod) == "ImagePullBackOff")
    waits = await node.until("noconfig", lambda pod: reason(pod) == "CreateContainerConfigError")
    text = waits.status.container_statuses[0].state.waiting
    assert text is not None
    assert text.message == 'configmap "nope" not found'
    await node.until("noprogram", lambda pod: reason(pod) == "CrashLoopBackOff")
    for name in ("order", "bad", "noconfig", "noprogram", "once"):
        await node.delete(name, grace=1)
    await node.all_gone()


async def test_use_of_cpu_memory_disk_and_network_is_measured(node: Node) -> None:
    busy = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; " + FOREVER
    volume = {"volumes": [{"name": "v", "emptyDir": {}}]}
    mount = [{"name": "v", "mountPath": "/v"}]
    fill = "/bin/busybox dd if=/dev/zero of=/v/f bs=1024 count=2048; "
    await node.run("u", {"command": [*SH, fill + busy], "volumeMounts": mount}, **volume)
    await node.until("u", ready)
    await asyncio.sleep(1.5)
    assert node.agent is not None
    first = await node.agent.meter.look()
    await asyncio.sleep(1.2)
    look = await node.agent.meter.look()
    (pod,) = look.pods
    assert pod.use.cpu >= pod.containers[0].use.cpu > 50_000_000
    assert pod.containers[0].use.working_set > 0
    assert pod.rate is not None
    assert first.pods[0].rate is None
    assert pod.traffic
    assert pod.traffic[0].name == "eth0"
    assert pod.volumes[0].space.used >= 2048 * 1024
    body = stats_summary.summary("n1", 1.0, look)
    assert body["pods"][0]["containers"][0]["cpu"]["usageCoreNanoSeconds"] == pod.containers[0].use.cpu
    assert body["node"]["fs"]["capacityBytes"] > body["node"]["fs"]["availableBytes"] > 0
    text = stats_metrics.resource(look)
    assert 'container_cpu_usage_seconds_total{container="c0",namespace="default",pod="u"}' in text
    await node.delete("u")
    await node.all_gone()


async def test_a_pod_is_resized_in_place_or_restarted_as_its_policy_says(node: Node) -> None:
    def size(cpu: str, memory: str) -> dict[str, Any]:
        return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"cpu": cpu, "memory": memory}}

    async def resize(cpu: str, memory: str, generation: int) -> Pod:
        pod = await node.pod("z")
        (one,) = pod.spec.containers
        own = msgspec.structs.replace(one, resources=from_dict(ResourceRequirements, size(cpu, memory)))
        spec = msgspec.structs.replace(pod.spec, containers=(own,))
        meta = msgspec.structs.replace(pod.metadata, generation=generation)
        await node.api.replace(POD, msgspec.structs.replace(pod, spec=spec, metadata=meta))

        def over(pod: Pod) -> bool:
            kinds = {one.type for one in pod.status.conditions}
            quiet = not kinds & {"PodResizePending", "PodResizeInProgress"}
            return quiet and ready(pod) and pod.status.observed_generation == generation

        return await node.until("z", over)

    def limits(pod: Pod) -> tuple[int, int]:
        group = groups.of_pod(node.config, pod).lstrip("/")
        one = pod.status.container_statuses[0].container_id.removeprefix("containerd://")
        v1 = Path("/sys/fs/cgroup/memory")
        if not v1.is_dir():
            v2 = Path("/sys/fs/cgroup") / group / one
            return int((v2 / "cpu.max").read_text().split()[0]), int((v2 / "memory.max").read_text())
        quota = Path("/sys/fs/cgroup/cpu") / group / one / "cpu.cfs_quota_us"
        return int(quota.read_text()), int((v1 / group / one / "memory.limit_in_bytes").read_text())

    policy = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]
    await node.run("z", {"command": [*SH, FOREVER], "resources": size("50m", "32Mi"), "resizePolicy": policy})
    await node.until("z", ready)
    pod = await resize("80m", "32Mi", 2)
    assert (limits(pod), pod.status.container_statuses[0].restart_count) == ((8000, 32 << 20), 0)
    assert pod.status.container_statuses[0].allocated_resources["cpu"] == "80m"
    pod = await resize("40m", "48Mi", 3)
    assert (limits(pod), pod.status.container_statuses[0].restart_count) == ((4000, 48 << 20), 1)
    resources = pod.status.container_statuses[0].resources
    assert resources is not None
    assert resources.limits == {"cpu": "40m", "memory": "48Mi"}
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            await resize("5000", "48Mi", 4)
    pod = await node.until("z", lambda one: any(c.reason == "Infeasible" for c in one.status.conditions))
    assert pod.status.container_statuses[0].allocated_resources["cpu"] == "40m"
    reasons = [name for name, _ in await node.events("z")]
    assert {"ResizeStarted", "ResizeCompleted", "ResizeInfeasible"} <= set(reasons)
    await node.delete("z")
    await node.all_gone()


async def test_an_image_is_a_volume(node: Node) -> None:
    script = "/files/bin/busybox cat /files/bin/busybox >/dev/null && /bin/busybox echo seen; "
    script += "/bin/busybox touch /files/x || /bin/busybox echo refused; " + FOREVER
    volume = {"volumes": [{"name": "v", "image": {"reference": "busybox:1", "pullPolicy": "IfNotPresent"}}]}
    await node.run("i", {"command": [*SH, script], "volumeMounts": [{"name": "v", "mountPath": "/files"}]}, **volume)
    pod = await node.until("i", lambda one: ready(one) and "refused" in node.log(one))
    assert "seen" in node.log(pod)
    await node.delete("i")
    await node.all_gone()
    assert not mounts.mounted_below(node.config.pods)


async def test_what_the_node_does_not_take_ends_failed_with_the_cause(node: Node) -> None:
    await node.run("big", {"command": [*SH, FOREVER], "resources": {"requests": {"cpu": "9000"}}})
    pod = await node.until("big", lambda one: one.status.phase == "Failed")
    assert pod.status.reason == "OutOfcpu"
    assert pod.status.message.startswith("Pod was rejected: Node didn't have enough resource: cpu, requested: 9000000,")
    await node.delete("big")


async def test_a_pod_as_a_whole_is_resized(node: Node) -> None:
    whole = {"requests": {"cpu": "50m"}, "limits": {"cpu": "100m", "memory": "64Mi"}}
    await node.run("w", {"command": [*SH, FOREVER]}, resources=whole)
    pod = await node.until("w", ready)
    larger = from_dict(ResourceRequirements, whole | {"limits": {"cpu": "200m", "memory": "96Mi"}})
    spec = msgspec.structs.replace(pod.spec, resources=larger)
    meta = msgspec.structs.replace(pod.metadata, generation=2)
    await node.api.replace(POD, msgspec.structs.replace(pod, spec=spec, metadata=meta))

    def over(one: Pod) -> bool:
        kinds = {each.type for each in one.status.conditions}
        return one.status.observed_generation == 2 and "PodResizeInProgress" not in kinds

    pod = await node.until("w", over)
    assert "ResizeCompleted" in [reason for reason, _ in await node.events("w")]
    use = consumption.of_group(groups.of_pod(node.config, pod))
    assert use is not None
    assert use.limit == 96 << 20
    assert pod.status.resources == larger
    await node.delete("w")
    await node.all_gone()
