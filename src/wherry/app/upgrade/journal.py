"""The journal of an upgrade: what ran before it, for going back. `<root>/upgrade.json`, there while one is under way.

Written before the first change and removed after the last, so that an upgrade that is run again after it was killed
still knows what to go back to, and `wherry status` can tell of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from wherry.app import version
from wherry.app.config import Config
from wherry.app.supervise import Unit
from wherry.host import files


class Journal(msgspec.Struct, frozen=True):
    """Where an upgrade comes from. `to`: version; `program`: the supervisor's command line before, () for systemd."""

    to: str
    units: dict[str, Unit]
    program: tuple[str, ...] = ()


def read(config: Config) -> Journal | None:
    """The journal of the upgrade that is under way, or was when it was killed; None when there is none."""
    try:
        return msgspec.json.decode(_path(config).read_bytes(), type=Journal)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def begin(config: Config, kept: Mapping[str, Unit], program: tuple[str, ...]) -> Journal:
    """The journal of an upgrade to this version, as it was begun, or begun now."""
    known = read(config)
    if known is not None and known.to == version.wherry():
        return known
    journal = Journal(version.wherry(), dict(kept), program)
    files.write(_path(config), msgspec.json.format(msgspec.json.encode(journal)) + b"\n")
    return journal


def end(config: Config) -> None:
    """The upgrade is over."""
    _path(config).unlink(missing_ok=True)


def _path(config: Config) -> Path:
    return config.state / "upgrade.json"
