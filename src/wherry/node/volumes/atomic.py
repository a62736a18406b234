"""Files that change all at once: a container sees the old set or the new, never a mixture.

Layout, as clients of upstream know it: `..<time>/<files>`, `..data` -> that folder, and for each top-level name a link
`<name>` -> `..data/<name>`. An update writes a new folder and renames a new `..data` over the old one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class File:
    """One file: content, mode, and the user it belongs to (None: root)."""

    content: bytes
    mode: int
    user: int | None = None


def check_path(path: str) -> None:
    """Refuse paths that would lead out of the volume. Raises ValueError."""
    parts = path.split("/")
    if not path or path.startswith("/") or ".." in parts or parts[0].startswith(".."):
        raise ValueError(f"invalid path: {path!r}")


def same(folder: Path, files: Mapping[str, File]) -> bool:
    """Whether the volume already holds exactly these files."""
    data = folder / "..data"
    try:
        held = {
            str(path.relative_to(data)): path for path in data.rglob("*") if path.is_file() and not path.is_symlink()
        }
        return held.keys() == files.keys() and all(
            held[name].read_bytes() == file.content and held[name].stat().st_mode & file.mode == file.mode
            for name, file in files.items()
        )
    except OSError:
        return False


def write(folder: Path, files: Mapping[str, File], group: int | None) -> bool:
    """Bring a volume up to date; answers whether anything changed. `group` owns the files if given, and may read them.

    Raises ValueError for a path that leads out, OSError for a full disk.
    """
    for name in files:
        check_path(name)
    if same(folder, files):
        return False
    fresh = Path(tempfile.mkdtemp(prefix="..", dir=folder))
    fresh.chmod(0o755)
    for name, file in files.items():
        _put(fresh, name, file, group)
    if group is not None:
        os.chown(fresh, -1, group)
    before = _swap(folder, fresh)
    _links(folder, files)
    if before is not None:
        shutil.rmtree(before, ignore_errors=True)
    return True


def _put(fresh: Path, name: str, file: File, group: int | None) -> None:
    path = fresh / name
    for parent in reversed([one for one in path.parents if fresh in one.parents] if "/" in name else ()):
        if not parent.exists():
            parent.mkdir()
            parent.chmod(0o755)
            if group is not None:
                os.chown(parent, -1, group)
    path.write_bytes(file.content)
    os.chown(path, -1 if file.user is None else file.user, -1 if group is None else group)
    path.chmod(file.mode | (0o440 if group is not None else 0))


def _swap(folder: Path, fresh: Path) -> Path | None:
    data, temporary = folder / "..data", folder / "..data_tmp"
    before = folder / data.readlink() if data.is_symlink() else None
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    temporary.symlink_to(fresh.name)
    temporary.rename(data)
    return before


def _links(folder: Path, files: Mapping[str, File]) -> None:
    wanted = {name.split("/")[0] for name in files}
    for name in wanted:
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(f"..data/{name}")
    for path in folder.iterdir():
        if path.is_symlink() and not path.name.startswith("..") and path.name not in wanted:
            path.unlink()
