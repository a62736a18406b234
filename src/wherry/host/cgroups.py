"""Control groups, version 1, hybrid and 2: which driver fits, and folders per pod with their limits.

The agent makes one group per pod (`<parent>/pod<uid>`) and sets the pod's sums there; runc makes the containers' groups
below it. https://docs.kernel.org/admin-guide/cgroup-v2.html
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ROOT = Path("/sys/fs/cgroup")
_V1 = ("cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "systemd", "hugetlb", "net_cls",
       "net_prio", "perf_event", "rdma", "misc")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Limits:
    """Sums over a pod. Zero leaves a limit unset."""

    cpu_shares: int = 0
    cpu_quota: int = 0
    """Microseconds per period of 100 ms."""
    memory: int = 0
    pids: int = 0


def version(root: Path = ROOT) -> Literal[1, 2]:
    """2 when the unified hierarchy is mounted alone, else 1 (hybrid machines count as 1: controllers live there)."""
    return 2 if (root / "cgroup.controllers").exists() else 1


def driver() -> Literal["cgroupfs", "systemd"]:
    """systemd owns the tree where it is pid 1 on the unified hierarchy; otherwise the file system is ours."""
    return "systemd" if version() == 2 and Path("/run/systemd/system").is_dir() else "cgroupfs"


def _hierarchies(root: Path) -> list[Path]:
    if version(root) == 2:
        return [root]
    return [root / name for name in _V1 if (root / name).is_dir()]


def create(group: str, limits: Limits, root: Path = ROOT) -> None:
    """Make `group` (an absolute cgroup path such as /kubepods/pod1) in every hierarchy and set its limits."""
    for hierarchy in _hierarchies(root):
        if hierarchy.name == "cpuset":
            continue  # a new cpuset has no cpus on version 1; runc initialises the ones it makes
        folder = hierarchy / group.lstrip("/")
        folder.mkdir(parents=True, exist_ok=True)
        if version(root) == 2:
            _delegate(root, folder)
        for name, value in _files(hierarchy, limits):
            with contextlib.suppress(FileNotFoundError):
                (folder / name).write_text(value)


def change(group: str, limits: Limits, root: Path = ROOT) -> None:
    """Set the limits of a group that is there; zero takes a limit of CPU or memory away. Raises OSError when the kernel
    refuses, as it does for less memory than is in use."""
    for hierarchy in _hierarchies(root):
        folder = hierarchy / group.lstrip("/")
        wanted = dict(_unlimited(hierarchy)) | dict(_files(hierarchy, limits))
        for name, value in wanted.items():
            if (folder / name).exists():
                (folder / name).write_text(value)


def _unlimited(hierarchy: Path) -> list[tuple[str, str]]:
    if version(hierarchy) == 2:
        return [("cpu.max", "max 100000"), ("memory.max", "max")]
    return {"cpu": [("cpu.cfs_quota_us", "-1")], "memory": [("memory.limit_in_bytes", "-1")]}.get(hierarchy.name, [])


def _delegate(root: Path, folder: Path) -> None:
    """Version 2: let the groups below each parent have the controllers."""
    for parent in reversed([one for one in folder.parents if one == root or root in one.parents]):
        for controller in ("cpu", "cpuset", "io", "memory", "pids"):
            with contextlib.suppress(OSError):
                (parent / "cgroup.subtree_control").write_text(f"+{controller}")


def _files(hierarchy: Path, limits: Limits) -> list[tuple[str, str]]:
    if version(hierarchy) == 2:
        weight = 1 + ((limits.cpu_shares - 2) * 9999) // 262142 if limits.cpu_shares else 0
        wanted = [
            ("cpu.weight", str(weight) if weight else ""),
            ("cpu.max", f"{limits.cpu_quota} 100000" if limits.cpu_quota else ""),
            ("memory.max", str(limits.memory) if limits.memory else ""),
            ("pids.max", str(limits.pids) if limits.pids else ""),
        ]
    else:
        wanted = {
            "cpu": [
                ("cpu.shares", str(limits.cpu_shares or "")),
                ("cpu.cfs_quota_us", str(limits.cpu_quota or "")),
            ],
            "memory": [("memory.limit_in_bytes", str(limits.memory or ""))],
            "pids": [("pids.max", str(limits.pids or ""))],
        }.get(hierarchy.name, [])
    return [(name, value) for name, value in wanted if value]


def remove(group: str, root: Path = ROOT) -> None:
    """Remove a group and everything below it, in every hierarchy. Groups with live processes stay."""
    for hierarchy in (*_hierarchies(root), root / "unified"):
        top = hierarchy / group.lstrip("/")
        if not top.is_dir():
            continue
        folders = sorted((path for path in top.rglob("*") if path.is_dir()), key=lambda path: -len(path.parts))
        for folder in (*folders, top):
            with contextlib.suppress(OSError):
                folder.rmdir()
