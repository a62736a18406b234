"""What this machine is and has: read from /proc, /sys and /etc, once or now and then. Writes nothing."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

from wherry.api.types.core import NodeSystemInfo
from wherry.host import cgroups
from wherry.machinery.quantity import Quantity, from_bytes, from_milli
from wherry.node.config import AgentConfig
from wherry.node.hooks.hook import Machine
from wherry.node.runtime.interface import Version

MEMORY_RESERVE = 100 << 20
"""Bytes of memory that pods are not promised (upstream's hard eviction threshold)."""
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def memory_bytes() -> int:
    """Installed memory."""
    return _meminfo("MemTotal")


def memory_available() -> int:
    """Memory that could be had without swapping."""
    return _meminfo("MemAvailable")


def _meminfo(name: str) -> int:
    for line in _read("/proc/meminfo").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


def has_apparmor() -> bool:
    """Whether the kernel enforces AppArmor profiles."""
    return _read("/sys/module/apparmor/parameters/enabled").startswith("Y")


def cpu_nanoseconds() -> int:
    """What all processors have worked since boot."""
    fields = _read("/proc/stat").splitlines()[0].split()[1:9]
    user, nice, system, _, _, irq, soft, steal = (int(one) for one in fields)
    return (user + nice + system + irq + soft + steal) * (1_000_000_000 // os.sysconf("SC_CLK_TCK"))


def pids() -> tuple[int, int]:
    """(processes and threads there are, the most there may be)"""
    running = _read("/proc/loadavg").split()
    count = int(running[3].partition("/")[2]) if len(running) > 3 else 0
    most = min(int(_read(f"/proc/sys/kernel/{name}") or 4194304) for name in ("pid_max", "threads-max"))
    return count, most


def booted() -> float:
    """When the machine was started, epoch seconds."""
    lines = _read("/proc/stat").splitlines()
    return next((float(line.split()[1]) for line in lines if line.startswith("btime ")), 0.0)


def cpus() -> int:
    """Processors this process may run on."""
    return len(os.sched_getaffinity(0))


def architecture() -> str:
    """As Go names it: amd64, arm64."""
    return ARCHITECTURES.get(platform.machine(), platform.machine())


def look(config: AgentConfig) -> Machine:
    """What hooks need to know."""
    memory = memory_bytes()
    huge = huge_pages()
    left = memory - MEMORY_RESERVE - sum(size * count for size, count in huge.items())
    promised = {"cpu": cpus() * 1000, "memory": left, "ephemeral-storage": _disk(config) * 9 // 10}
    promised |= {f"hugepages-{from_bytes(size)}": size * count for size, count in huge.items()}
    return Machine(cpus() * 1000, memory, promised, cgroups.version())


def _disk(config: AgentConfig) -> int:
    return shutil.disk_usage(config.root).total


def capacity(config: AgentConfig) -> dict[str, Quantity]:
    """status.capacity"""
    return {
        "cpu": from_milli(cpus() * 1000),
        "ephemeral-storage": _kib(_disk(config)),
        **{f"hugepages-{from_bytes(size)}": from_bytes(size * count) for size, count in huge_pages().items()},
        "memory": _kib(memory_bytes()),
        "pods": Quantity(config.max_pods),
    }


def huge_pages() -> dict[int, int]:
    """Page size in bytes -> how many pages are set aside."""
    found = {1 << 30: 0, 2 << 20: 0}
    for folder in Path("/sys/kernel/mm/hugepages").glob("hugepages-*kB"):
        size = int(folder.name.removeprefix("hugepages-").removesuffix("kB")) * 1024
        found[size] = int(_read(str(folder / "nr_hugepages")) or 0)
    return found


def allocatable(config: AgentConfig) -> dict[str, Quantity]:
    """status.allocatable"""
    huge = sum(size * count for size, count in huge_pages().items())
    return capacity(config) | {
        "ephemeral-storage": Quantity(_disk(config) * 9 // 10),
        "memory": _kib(memory_bytes() - MEMORY_RESERVE - huge),
    }


def _kib(count: int) -> Quantity:
    return from_bytes(count // 1024 * 1024)


def info(config: AgentConfig, runtime: Version) -> NodeSystemInfo:
    """status.nodeInfo. Several nodes on one machine differ in their system UUID by name only."""
    return NodeSystemInfo(
        machine_id=_read("/etc/machine-id"),
        system_uuid=_read("/sys/class/dmi/id/product_uuid") or _read("/etc/machine-id"),
        boot_id=_read("/proc/sys/kernel/random/boot_id"),
        kernel_version=platform.release(),
        os_image=_os_name(),
        container_runtime_version=f"{runtime.name}://{runtime.version}",
        kubelet_version=config.version,
        kube_proxy_version="",
        operating_system="linux",
        architecture=architecture(),
    )


def _os_name() -> str:
    for line in _read("/etc/os-release").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return "Linux"
