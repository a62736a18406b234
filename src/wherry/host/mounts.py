"""Mounts, and paths that untrusted hands may have laid out.

`beneath` opens a path inside a folder with openat2(RESOLVE_IN_ROOT), so no symbolic link that a container planted leads
out of it, not even one swapped in meanwhile: what was opened is what gets mounted (through /proc/self/fd).
https://man7.org/linux/man-pages/man2/openat2.2.html
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_OPENAT2 = 437
_RESOLVE_IN_ROOT = 0x10
_RESOLVE_NO_MAGICLINKS = 0x02
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC = 1, 2, 4, 8, 32, 4096, 16384
MS_PRIVATE, MS_SHARED = 1 << 18, 1 << 20
MNT_DETACH = 2


def _mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    if _LIBC.mount(os.fsencode(source), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), data.encode()):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


def tmpfs(target: Path, *, size: int = 0, mode: int = 0o777) -> None:
    """Mount a RAM file system, at most `size` bytes (0: half of memory)."""
    data = f"mode={mode:o}" + (f",size={size}" if size else "")
    _mount("tmpfs", str(target), "tmpfs", MS_NOSUID | MS_NODEV, data)


def huge(target: Path, page: str, size: int) -> None:
    """Mount a file system of huge pages of size `page` (2Mi, 1Gi; "": the kernel's own), at most `size` bytes."""
    options = [f"pagesize={page.removesuffix('i')}"] if page else []
    options += [f"size={size}"] if size else []
    _mount("nodev", str(target), "hugetlbfs", 0, ",".join(options))


def bind(source: str | Path, target: Path, *, readonly: bool = False) -> None:
    """Show `source` (a path, or /proc/self/fd/N) at `target`, with the mounts below it."""
    _mount(str(source), str(target), "", MS_BIND | MS_REC)
    if readonly:
        _mount("", str(target), "", MS_REMOUNT | MS_BIND | MS_RDONLY)


def ensure_shared(path: Path, top: Path) -> None:
    """Let mounts that are made at or below `path` be seen elsewhere. If the mount it lies in is not shared, `top` (a
    parent of it) is bound to itself and shared."""
    holder = ""
    shared = False
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split(" ")
        point = _unescape(fields[4])
        if (str(path) + "/").startswith(point.rstrip("/") + "/") and len(point) >= len(holder):
            holder, shared = point, any(one.startswith("shared:") for one in fields[6 : fields.index("-")])
    if not shared:
        if holder != str(top):
            bind(top, top)
        make_shared(top)


def make_shared(target: Path) -> None:
    """Let mounts made below a mount point be seen elsewhere (for Bidirectional propagation)."""
    _mount("", str(target), "", MS_SHARED | MS_REC)


def unmount(target: Path) -> None:
    """Take a mount away, lazily if it is busy; nothing there is no error."""
    if _LIBC.umount2(os.fsencode(str(target)), MNT_DETACH):
        number = ctypes.get_errno()
        if number not in (errno.EINVAL, errno.ENOENT):
            raise OSError(number, os.strerror(number), str(target))


def mounted_below(folder: Path) -> list[Path]:
    """Mount points at or below a folder, innermost first."""
    prefix = str(folder).rstrip("/")
    found = [path for path in _mount_points() if path == prefix or path.startswith(prefix + "/")]
    return [Path(path) for path in reversed(found)]


def _mount_points() -> Iterator[str]:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        yield _unescape(line.split(" ")[4])


def _unescape(text: str) -> str:
    """A path as mountinfo writes it."""
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), text)


def unmount_below(folder: Path) -> None:
    """Take every mount at or below a folder away."""
    for path in mounted_below(folder):
        unmount(path)


def is_mount(target: Path) -> bool:
    """Whether something is mounted exactly there (bind mounts of one file system included)."""
    return str(target) in _mount_points()


def beneath(root: Path, path: str, flags: int = os.O_PATH) -> int:
    """Open `path` as if `root` were the root directory; answers a descriptor that the caller closes. Raises OSError."""
    base = os.open(root, os.O_PATH | os.O_DIRECTORY)
    try:
        return _openat2(base, path.lstrip("/") or ".", flags)
    finally:
        os.close(base)


def _openat2(base: int, path: str, flags: int) -> int:
    how = struct.pack("QQQ", flags | os.O_CLOEXEC, 0, _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS)
    descriptor = _LIBC.syscall(_OPENAT2, base, os.fsencode(path), how, len(how))
    if descriptor < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return int(descriptor)


def folder_beneath(root: Path, path: str, mode: int = 0o750) -> int:
    """Like `beneath`, but missing folders on the way are made. Answers a descriptor of the last part."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise OSError(errno.EINVAL, "must not contain '..'", path)
    for length in range(1, len(parts) + 1):
        with contextlib.suppress(FileExistsError):
            parent = beneath(root, "/".join(parts[: length - 1]))
            try:
                os.mkdir(parts[length - 1], mode, dir_fd=parent)
            finally:
                os.close(parent)
    return beneath(root, "/".join(parts))


def bind_beneath(root: Path, path: str, target: Path) -> None:
    """Bind what `path` inside `root` is (made as a folder if missing) to `target`, which is made to fit."""
    descriptor = folder_beneath(root, path)
    try:
        is_folder = os.path.isdir(f"/proc/self/fd/{descriptor}")
        if is_folder:
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
        bind(f"/proc/self/fd/{descriptor}", target)
    finally:
        os.close(descriptor)
