"""What a cluster leaves in the kernel beside its processes: mounts, shims, control groups. Found, and taken away.

Everything is found by the cluster's own folders (state root, run folder), never by a broad name, so that another
cluster, Docker or a second containerd on the same machine is not touched.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import signal
from collections.abc import Iterable
from pathlib import Path

from wherry.host import daemons

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")
MNT_DETACH = 2


def mounts(folders: Iterable[Path]) -> list[str]:
    """Mount points in or at these folders, innermost first."""
    prefixes = tuple(os.fspath(folder) for folder in folders)
    found = []
    for line in (PROC / "self/mountinfo").read_text().splitlines():
        point = line.split()[4].encode().decode("unicode_escape")
        if any(point == prefix or point.startswith(prefix + "/") for prefix in prefixes):
            found.append(point)
    return found[::-1]


def unmount(folders: Iterable[Path]) -> int:
    """Unmount everything in or at these folders; how many there were."""
    libc = ctypes.CDLL(None, use_errno=True)
    points = mounts(folders)
    for point in points:
        if libc.umount2(os.fsencode(point), MNT_DETACH):
            code = ctypes.get_errno()
            if code not in (2, 22):  # gone, or no longer a mount
                raise OSError(code, os.strerror(code), point)
    return len(points)


def shims(run: Path) -> list[daemons.Process]:
    """containerd shims that serve a containerd whose socket is below this run folder."""
    found = []
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        words = _words(entry)
        if (
            words
            and words[0].rsplit("/", 1)[-1].startswith("containerd-shim")
            and _address(words).startswith(f"{run}/")
        ):
            process = daemons.find(int(entry.name))
            if process is not None:
                found.append(process)
    return found


def _words(entry: Path) -> list[str]:
    try:
        return (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def _address(words: list[str]) -> str:
    for flag, value in itertools.pairwise(words):
        if flag in ("-address", "--address"):
            return value
    return ""


def groups(name: str) -> list[Path]:
    """The control group of this name (such as /wherry/n1) and those below it, in all hierarchies, innermost first."""
    below = name.strip("/")
    tops = [CGROUPS / below, *(folder / below for folder in CGROUPS.iterdir() if folder.is_dir())]
    found = [Path(folder) for top in tops if top.is_dir() for folder, _, _ in os.walk(top)]
    return sorted(set(found), key=lambda path: -len(path.parts))


def kill_groups(folders: Iterable[Path]) -> int:
    """SIGKILL every process in these control groups; how many there were."""
    killed = 0
    for folder in folders:
        for pid in _members(folder):
            process = daemons.find(pid)
            if process is not None and process.signal(signal.SIGKILL):
                process.wait(5)
                killed += 1
    return killed


def remove_groups(folders: Iterable[Path]) -> None:
    """Remove empty control groups; those with live processes stay."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            continue


def _members(folder: Path) -> list[int]:
    try:
        return [int(line) for line in (folder / "cgroup.procs").read_text().split()]
    except OSError:
        return []
