"""Meter: what containers, pods, volumes and the node use right now, from control groups, the runtime and file systems.

Counters are cumulative; `rate` is CPU use in nanocores since the look before, None at the first one. Folders are walked
in a thread at most once a minute, and only while somebody asks. Shown by stats_summary.py and stats_metrics.py; ranked
by eviction.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from wherry.aio.clock import Clock
from wherry.api.types.core import Pod, Volume
from wherry.host import consumption, mounts
from wherry.host.consumption import Space, Traffic, Use
from wherry.node import groups, machine
from wherry.node.config import AgentConfig
from wherry.node.facts import running
from wherry.node.observer import Observer
from wherry.node.runtime.interface import Container, Runtime, Stats, Usage

FRESH = 1.0
"""Seconds for which a look is good."""
WALK_EVERY = 60.0
"""Seconds between walks through folders."""


@dataclass(frozen=True, slots=True)
class Disk:
    """What something takes on disk."""

    used: int
    inodes: int


@dataclass(frozen=True, slots=True)
class VolumeUse:
    """One volume of a pod. `claim` names the PersistentVolumeClaim behind it, ""; `own`: a file system of its own."""

    name: str
    claim: str
    space: Space
    in_memory: bool = False


@dataclass(frozen=True, slots=True)
class ContainerUse:
    """One running container. `started` epoch seconds."""

    name: str
    id: str
    image: str
    started: float
    restarts: int
    use: Use
    rate: int | None
    rootfs: Disk
    logs: Disk


@dataclass(frozen=True, slots=True)
class PodUse:
    """One pod with running containers."""

    pod: Pod
    use: Use
    rate: int | None
    containers: tuple[ContainerUse, ...]
    traffic: tuple[Traffic, ...] | None
    """None: it has no network of its own."""
    volumes: tuple[VolumeUse, ...]

    @property
    def ephemeral(self) -> Disk:
        """Writable layers, logs, and volumes on the node's disk that live no longer than the pod."""
        parts = [*(one.rootfs for one in self.containers), *(one.logs for one in self.containers)]
        parts += [Disk(one.space.used, one.space.inodes_used) for one in self.volumes if not one.claim
                  and not one.in_memory]  # fmt: skip
        return Disk(sum(one.used for one in parts), sum(one.inodes for one in parts))


@dataclass(frozen=True, slots=True)
class Look:
    """Everything at one moment (`at` epoch seconds)."""

    at: float
    node: Use
    node_rate: int | None
    total: int
    available: int
    pods: tuple[PodUse, ...]
    all_pods: Use
    all_pods_rate: int | None
    traffic: tuple[Traffic, ...]
    disk: Space | None
    images_disk: Space | None
    images: Usage
    own: tuple[int, int]
    """CPU nanoseconds and resident bytes of the agent itself."""
    tasks: tuple[int, int]
    """Processes and threads on the machine, and the most there may be."""


@dataclass(slots=True)
class Meter:
    """See the module. One per agent."""

    config: AgentConfig
    runtime: Runtime
    clock: Clock
    observer: Observer
    pods: Callable[[], list[Pod]]
    _last: Look | None = None
    _cpu: dict[str, tuple[float, int, int | None]] = field(default_factory=dict)
    """group -> (when, CPU then, rate then)"""
    _folders: dict[Path, Disk] = field(default_factory=dict)
    _walked: float = float("-inf")
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def look(self) -> Look:
        """Now, or a second ago. Raises RuntimeFault when the runtime does not answer."""
        async with self._lock:
            if self._last is None or self.clock.now() - self._last.at >= FRESH:
                stats, usage = await asyncio.gather(self.runtime.stats(), self.runtime.image_usage())
                work = [(pod, self._running(pod)) for pod in self.pods()]
                by_id = {one.container: one for one in stats}
                self._last = await asyncio.to_thread(self._take, self.clock.now(), work, by_id, usage)
            return self._last

    def _running(self, pod: Pod) -> tuple[str, tuple[Container, ...]]:
        seen = self.observer.pod(pod.metadata.uid)
        sandbox = next((one.id for one in seen.sandboxes if one.ready), "")
        return sandbox, tuple(one for one in seen.containers if running(one))

    def _take(
        self, now: float, work: list[tuple[Pod, tuple[str, tuple[Container, ...]]]], stats: dict[str, Stats],
        images: Usage,
    ) -> Look:  # fmt: skip
        walk = self.clock.monotonic() - self._walked >= WALK_EVERY
        if walk:
            self._walked, self._folders = self.clock.monotonic(), {}
        pods = tuple(self._pod(now, pod, sandbox, found, stats) for pod, (sandbox, found) in work if found)
        node = consumption.of_group("/") or Use()
        # the sum of all processors' time is exact in every kind of machine; the root group of version 1 counts less
        node = replace(node, cpu=machine.cpu_nanoseconds())
        everything = consumption.of_group(self.config.cgroups) or Use()
        place = Path(images.mountpoint) if images.mountpoint else self.config.root
        look = Look(
            at=now, node=node, node_rate=self._rate(now, "/", node.cpu), total=machine.memory_bytes(),
            available=machine.memory_available(), pods=pods, all_pods=everything,
            all_pods_rate=self._rate(now, self.config.cgroups, everything.cpu), traffic=consumption.of_network(),
            disk=consumption.of_filesystem(self.config.root),
            images_disk=consumption.of_filesystem(place if place.exists() else self.config.root), images=images,
            own=_own(), tasks=machine.pids(),
        )  # fmt: skip
        self._cpu = {group: one for group, one in self._cpu.items() if one[0] == now or now - one[0] < WALK_EVERY}
        return look

    def _rate(self, now: float, group: str, cpu: int) -> int | None:
        before = self._cpu.get(group)
        rate = None
        if before is not None:
            passed = now - before[0]
            rate = int(max(0, cpu - before[1]) / passed) if passed > 0 else before[2]
        self._cpu[group] = (now, cpu, rate)
        return rate

    def _pod(
        self, now: float, pod: Pod, sandbox: str, containers: tuple[Container, ...], stats: dict[str, Stats]
    ) -> PodUse:
        group = groups.of_pod(self.config, pod)
        parts = tuple(self._container(now, pod, one, stats.get(one.id)) for one in containers)
        use = consumption.of_group(group) or _sum(parts)
        traffic = None
        if not pod.spec.host_network:
            pids = consumption.processes(groups.of_container(self.config, pod, sandbox)) if sandbox else ()
            traffic = consumption.of_network(pids[0]) if pids else ()
        volumes = tuple(found for one in pod.spec.volumes if (found := self._volume(pod, one)))
        return PodUse(pod, use, self._rate(now, group, use.cpu), parts, traffic, volumes)

    def _container(self, now: float, pod: Pod, one: Container, stats: Stats | None) -> ContainerUse:
        group = groups.of_container(self.config, pod, one.id)
        use = consumption.of_group(group) or _from_runtime(stats)
        logs = self.config.logs / f"{pod.metadata.namespace}_{pod.metadata.name}_{pod.metadata.uid}" / one.name
        return ContainerUse(
            name=one.name, id=one.id, image=one.image, started=one.started, restarts=one.attempt, use=use,
            rate=self._rate(now, group, use.cpu),
            rootfs=Disk(stats.disk_used, stats.inodes_used) if stats else Disk(0, 0), logs=self._folder(logs),
        )  # fmt: skip

    def _folder(self, path: Path) -> Disk:
        found = self._folders.get(path)
        if found is None:
            found = self._folders[path] = Disk(*consumption.of_folder(path))
        return found

    def _volume(self, pod: Pod, volume: Volume) -> VolumeUse | None:
        own = self.config.pods / pod.metadata.uid / "volumes" / volume.name
        if volume.host_path is not None or not own.exists():
            return None
        claim = ""
        if volume.persistent_volume_claim is not None:
            claim = volume.persistent_volume_claim.claim_name
        elif volume.ephemeral is not None:
            claim = f"{pod.metadata.name}-{volume.name}"
        whole = consumption.of_filesystem(own)
        if whole is None:
            return None
        if claim or mounts.is_mount(own):
            return VolumeUse(volume.name, claim, whole, in_memory=not claim)
        disk = self._folder(own)
        space = Space(whole.capacity, whole.available, disk.used, whole.inodes, whole.inodes_free, disk.inodes)
        return VolumeUse(volume.name, claim, space)


def _sum(parts: tuple[ContainerUse, ...]) -> Use:
    uses = [one.use for one in parts]
    return Use(
        cpu=sum(one.cpu for one in uses), memory=sum(one.memory for one in uses),
        working_set=sum(one.working_set for one in uses), rss=sum(one.rss for one in uses),
        faults=sum(one.faults for one in uses), major_faults=sum(one.major_faults for one in uses),
        swap=sum(one.swap for one in uses), pids=sum(one.pids for one in uses),
    )  # fmt: skip


def _from_runtime(stats: Stats | None) -> Use:
    """For a runtime whose control groups are not ours to read."""
    if stats is None:
        return Use()
    return Use(
        cpu=stats.cpu_total, memory=stats.memory_usage, working_set=stats.memory_working_set, rss=stats.memory_rss,
        faults=stats.page_faults, major_faults=stats.major_page_faults,
    )  # fmt: skip


def _own() -> tuple[int, int]:
    times = os.times()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return int((times.user + times.system) * 1e9), pages * os.sysconf("SC_PAGE_SIZE")
