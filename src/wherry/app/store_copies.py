"""Copies of the store for going back: made by the server that finds the store as another version left it.

`server/version` says which version opened the store last. A server of another version first makes
`server/copies/state-<version>.db`, with everything that version had acknowledged, and only then opens the store; while
it starts nobody writes, so nothing is missing in the copy. Killed half-way, it makes the copy anew. One copy is kept
per version, and of versions the last KEEP.
"""

from __future__ import annotations

import re
from pathlib import Path

from wherry.app import version
from wherry.app.config import Config
from wherry.host import files

KEEP = 3


def due(config: Config) -> Path | None:
    """Where the store is to be copied before it is opened; None when this version opened it last, or nobody did."""
    before = opened_by(config)
    if before in ("", version.wherry()) or not config.database.exists():
        return None
    return files.private_folder(folder(config)) / _name(before)


def opened(config: Config) -> None:
    """Note that this version has opened the store, and forget copies of long ago."""
    files.write_if_changed(_note(config), version.wherry() + "\n")
    there = sorted(folder(config).glob("state-*.db"), key=lambda path: path.stat().st_mtime)
    for old in there[:-KEEP]:
        old.unlink(missing_ok=True)


def opened_by(config: Config) -> str:
    """The version that opened the store last; "" when that is not known."""
    try:
        return _note(config).read_text().strip()
    except FileNotFoundError:
        return ""


def copy_of(config: Config, release: str) -> Path | None:
    """The copy of the store as a version left it last."""
    path = folder(config) / _name(release)
    return path if path.exists() else None


def folder(config: Config) -> Path:
    """Where copies are."""
    return config.server / "copies"


def _name(release: str) -> str:
    return f"state-{re.sub(r'[^0-9A-Za-z.+-]', '_', release)}.db"


def _note(config: Config) -> Path:
    return config.server / "version"
