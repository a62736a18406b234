"""Who called us: the person behind sudo, for files that belong in their home."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class User:
    """One account of this machine."""

    name: str
    uid: int
    gid: int
    home: Path


def calling_user(environ: Mapping[str, str]) -> User:
    """The account that typed the command: SUDO_UID's if we run as root under sudo, else our own."""
    uid = os.getuid()
    if uid == 0 and environ.get("SUDO_UID", "").isdigit():
        uid = int(environ["SUDO_UID"])
    entry = pwd.getpwuid(uid)
    return User(entry.pw_name, entry.pw_uid, entry.pw_gid, Path(entry.pw_dir))


def first(*names: str) -> str:
    """The first of these accounts that this machine has; "" when it has none."""
    for name in names:
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    return ""
