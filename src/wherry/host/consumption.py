"""What a control group, a network namespace and a file system have used so far: read from the kernel's own counters.

`parse_*` are pure: text in, numbers out, both hierarchies. CPU is nanoseconds since the group was made, the rest bytes
or counts. Reading never raises for what is gone meanwhile: it answers None, or leaves it out.
https://docs.kernel.org/admin-guide/cgroup-v2.html https://docs.kernel.org/admin-guide/cgroup-v1/memory.html
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wherry.host import cgroups

UNLIMITED = 1 << 62
"""From here on a limit is none: version 1 writes a number near 2**63 for that."""


@dataclass(frozen=True, slots=True)
class Use:
    """One control group, with everything below it."""

    cpu: int = 0
    throttled: int = 0
    """Nanoseconds it had to wait because its quota was used up."""
    periods: int = 0
    throttled_periods: int = 0
    memory: int = 0
    working_set: int = 0
    rss: int = 0
    cache: int = 0
    faults: int = 0
    major_faults: int = 0
    limit: int = 0
    """Of memory; 0: none."""
    swap: int = 0
    pids: int = 0
    pressure: Mapping[str, Mapping[str, Mapping[str, float]]] | None = None
    """cpu, memory, io -> some, full -> avg10, avg60, avg300, total (microseconds); None where the kernel tells none."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What went over one network interface."""

    name: str
    received: int
    received_packets: int
    received_errors: int
    received_dropped: int
    sent: int
    sent_packets: int
    sent_errors: int
    sent_dropped: int


@dataclass(frozen=True, slots=True)
class Space:
    """A file system, or what a folder takes of it (`used`, `inodes_used`)."""

    capacity: int
    available: int
    used: int
    inodes: int
    inodes_free: int
    inodes_used: int


def parse_pairs(text: str) -> dict[str, int]:
    """`name number` lines, as memory.stat and cpu.stat have them; other lines are skipped."""
    found = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if value.strip().isdigit():
            found[name] = int(value)
    return found


def parse_pressure(text: str) -> dict[str, dict[str, float]]:
    """`some avg10=0.00 avg60=0.00 avg300=0.00 total=0` lines."""
    found = {}
    for line in text.splitlines():
        kind, *fields = line.split()
        found[kind] = {name: float(value) for name, _, value in (one.partition("=") for one in fields)}
    return found


def parse_traffic(text: str) -> tuple[Traffic, ...]:
    """/proc/<pid>/net/dev, without the loopback."""
    found = []
    for line in text.splitlines()[2:]:
        name, _, rest = line.partition(":")
        fields = [int(one) for one in rest.split()]
        if len(fields) >= 12 and name.strip() != "lo":
            found.append(Traffic(name.strip(), *fields[0:4], *fields[8:12]))
    return tuple(found)


def parse_v1(files: Mapping[str, str]) -> Use:
    """Of files named as the kernel names them: cpuacct.usage, memory.stat ..."""
    memory = parse_pairs(files.get("memory.stat", ""))
    cpu = parse_pairs(files.get("cpu.stat", ""))
    usage = _number(files.get("memory.usage_in_bytes", ""))
    limit = _number(files.get("memory.limit_in_bytes", ""))
    return Use(
        cpu=_number(files.get("cpuacct.usage", "")), throttled=cpu.get("throttled_time", 0),
        periods=cpu.get("nr_periods", 0), throttled_periods=cpu.get("nr_throttled", 0), memory=usage,
        working_set=max(0, usage - memory.get("total_inactive_file", 0)), rss=memory.get("total_rss", 0),
        cache=memory.get("total_cache", 0), faults=memory.get("total_pgfault", 0),
        major_faults=memory.get("total_pgmajfault", 0), limit=limit if limit < UNLIMITED else 0,
        swap=memory.get("total_swap", 0), pids=_number(files.get("pids.current", "")),
    )  # fmt: skip


def parse_v2(files: Mapping[str, str]) -> Use:
    """Of files named as the kernel names them: cpu.stat, memory.current ..."""
    memory, cpu = parse_pairs(files.get("memory.stat", "")), parse_pairs(files.get("cpu.stat", ""))
    usage = _number(files.get("memory.current", "")) or memory.get("anon", 0) + memory.get("file", 0)
    pressures = {kind: files.get(f"{kind}.pressure", "") for kind in ("cpu", "memory", "io")}
    return Use(
        cpu=cpu.get("usage_usec", 0) * 1000, throttled=cpu.get("throttled_usec", 0) * 1000,
        periods=cpu.get("nr_periods", 0), throttled_periods=cpu.get("nr_throttled", 0), memory=usage,
        working_set=max(0, usage - memory.get("inactive_file", 0)), rss=memory.get("anon", 0),
        cache=memory.get("file", 0), faults=memory.get("pgfault", 0), major_faults=memory.get("pgmajfault", 0),
        limit=_number(files.get("memory.max", "")), swap=_number(files.get("memory.swap.current", "")),
        pids=_number(files.get("pids.current", "")),
        pressure={kind: parse_pressure(text) for kind, text in pressures.items() if text} or None,
    )  # fmt: skip


def _number(text: str) -> int:
    text = text.strip()
    return int(text) if text.isdigit() else 0


_V1 = {
    "cpuacct": ("cpuacct.usage",),
    "cpu": ("cpu.stat",),
    "memory": ("memory.stat", "memory.usage_in_bytes", "memory.limit_in_bytes"),
    "pids": ("pids.current",),
}
_V2 = ("cpu.stat", "memory.stat", "memory.current", "memory.max", "memory.swap.current", "pids.current",
       "cpu.pressure", "memory.pressure", "io.pressure")  # fmt: skip


def of_group(group: str, root: Path = cgroups.ROOT) -> Use | None:
    """Use of a control group (`/` for the whole machine), or None when there is no such group."""
    part = group.strip("/")
    if cgroups.version(root) == 2:
        files = _texts(root / part, _V2)
        return parse_v2(files) if files else None
    files = {}
    for controller, names in _V1.items():
        files |= _texts(root / controller / part, names)
    return parse_v1(files) if files else None


def _texts(folder: Path, names: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = (folder / name).read_text()
        except OSError:
            continue
    return found


def processes(group: str, root: Path = cgroups.ROOT) -> tuple[int, ...]:
    """Pids in a group itself, not below it."""
    hierarchy = root if cgroups.version(root) == 2 else root / "memory"
    try:
        text = (hierarchy / group.strip("/") / "cgroup.procs").read_text()
    except OSError:
        return ()
    return tuple(int(one) for one in text.split())


def of_network(pid: int | str = "thread-self") -> tuple[Traffic, ...]:
    """Traffic of the network namespace that a process lives in; our own by default."""
    try:
        return parse_traffic(Path(f"/proc/{pid}/net/dev").read_text())
    except OSError:
        return ()


def of_filesystem(path: Path) -> Space | None:
    """The whole file system a path lies in."""
    try:
        found = os.statvfs(path)
    except OSError:
        return None
    return Space(
        capacity=found.f_blocks * found.f_frsize, available=found.f_bavail * found.f_frsize,
        used=(found.f_blocks - found.f_bfree) * found.f_frsize, inodes=found.f_files, inodes_free=found.f_ffree,
        inodes_used=found.f_files - found.f_ffree,
    )  # fmt: skip


def of_folder(path: Path) -> tuple[int, int]:
    """(bytes on disk, inodes) of what lies in a folder, on its own file system only, each file once. May take long."""
    seen: set[int] = set()
    total = 0
    try:
        device = os.lstat(path).st_dev
    except OSError:
        return 0, 0
    left = [str(path)]
    while left:
        one = left.pop()
        try:
            found = os.lstat(one)
            if found.st_dev != device or found.st_ino in seen:
                continue
            seen.add(found.st_ino)
            total += found.st_blocks * 512
            if os.path.isdir(one) and not os.path.islink(one):
                with os.scandir(one) as entries:
                    left += [entry.path for entry in entries]
        except OSError:
            continue
    return total, len(seen)
