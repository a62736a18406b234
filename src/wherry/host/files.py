"""Files as wherry keeps them: private to root, and either the old content or the new, never half of it.

Folders are 0700 and files 0600 unless said otherwise. A replaced file is written beside the old one, flushed to disk
and renamed over it, so a crash at any moment leaves one of the two.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path


def private_folder(path: Path) -> Path:
    """Make the folder and its missing parents, mode 0700; an existing folder keeps its mode. Returns it."""
    missing = []
    at = path
    while not at.exists():
        missing.append(at)
        at = at.parent
    for folder in reversed(missing):
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            folder.chmod(0o700)
    return path


def write(path: Path, content: bytes | str, *, mode: int = 0o600, owner: tuple[int, int] | None = None) -> None:
    """Replace the file by one with this content, durably and at once; `owner` is (uid, gid). Raises OSError."""
    data = content.encode() if isinstance(content, str) else content
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            if owner is not None:
                os.fchown(file.fileno(), *owner)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise
    sync_folder(path.parent)


def write_if_changed(path: Path, content: bytes | str, *, mode: int = 0o600) -> bool:
    """Write only when the content differs; returns whether it did."""
    data = content.encode() if isinstance(content, str) else content
    try:
        if path.read_bytes() == data:
            return False
    except FileNotFoundError:
        pass
    write(path, data, mode=mode)
    return True


def sync_folder(path: Path) -> None:
    """Make renames and creations in the folder survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
