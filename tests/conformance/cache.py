"""What is slow to make and depends on nothing but its inputs, kept outside the repository and shared by all clones.

`made(name, inputs, make)` answers a folder `<cache>/<name>-<hash of inputs>`; the first to ask makes it while others
wait. A folder is either whole or absent: it is made beside its place and renamed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path

WEEK = 7 * 24 * 3600.0


def root() -> Path:
    """The cache's folder, following XDG."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "wherry" / "conformance"


def made(name: str, inputs: Iterable[bytes], make: Callable[[Path], None]) -> Path:
    """The folder for these inputs; `make` fills an empty one when there is none yet."""
    key = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in inputs)).hexdigest()[:16]
    whole = root() / f"{name}-{key}"
    if whole.exists():
        os.utime(whole)
        return whole
    root().mkdir(parents=True, exist_ok=True)
    with (root() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if whole.exists():
            return whole
        part = root() / f"{name}.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        make(part)
        part.rename(whole)
        _forget_unused(name)
    return whole


def _forget_unused(name: str) -> None:
    """Remove folders of that name that nobody asked for in a week."""
    for folder in root().glob(f"{name}-*"):
        if folder.stat().st_mtime < time.time() - WEEK:
            shutil.rmtree(folder)
