"""Killing everything in a control group, at once and for certain.

Version 2 has `cgroup.kill`. Version 1: the group is frozen first, so that nothing can fork away from the signals, which
are delivered as it thaws. No asyncio: the watchdog, which must be small, uses it.
https://docs.kernel.org/admin-guide/cgroup-v1/freezer-subsystem.html
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


def kill(group: str, root: Path = ROOT) -> int:
    """SIGKILL every process in `group` (an absolute cgroup path such as /wherry/n1/pod1) and below it; how many there
    were. Returns at once: a process that the kernel cannot end yet, such as one that waits for a disk, is counted again
    next time."""
    name = group.strip("/")
    if not name or ".." in name.split("/"):
        return 0
    if (root / "cgroup.controllers").exists():
        top = root / name
        found = len(_members(top))
        if found:
            with contextlib.suppress(OSError):
                (top / "cgroup.kill").write_text("1")
        return found
    freezer = root / "freezer" / name / "freezer.state"
    with contextlib.suppress(OSError):
        freezer.write_text("FROZEN")
    try:
        return len([pid for pid in _everywhere(root, name) if _signal(pid)])
    finally:
        with contextlib.suppress(OSError):
            freezer.write_text("THAWED")


def _everywhere(root: Path, name: str) -> set[int]:
    tops = [folder / name for folder in root.iterdir() if (folder / name).is_dir()]
    return {pid for top in tops for pid in _members(top)}


def _members(top: Path) -> set[int]:
    found: set[int] = set()
    for folder, _, _ in os.walk(top):
        with contextlib.suppress(OSError):
            found.update(int(word) for word in (Path(folder) / "cgroup.procs").read_text().split())
    return found


def _signal(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        return False
    return True
