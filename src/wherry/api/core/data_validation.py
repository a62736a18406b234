"""Validation of keys and sizes of ConfigMaps and Secrets, and of what `immutable` means for both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wherry.api.checks import Errors
from wherry.machinery.names import config_map_key
from wherry.machinery.validation import forbidden, invalid

MAX_BYTES = 1024 * 1024
_FROZEN = "field is immutable when `immutable` is set"


def keys(path: str, data: Mapping[str, Any]) -> Errors:
    """Names that can be names of files."""
    for key in data:
        for problem in config_map_key(key):
            yield invalid(f"{path}[{key}]", key, problem)


def size(*maps: Mapping[str, str | bytes]) -> int:
    """Bytes of all values together."""
    return sum(len(v.encode() if isinstance(v, str) else v) for data in maps for v in data.values())


def frozen(new: Any, old: Any, fields: tuple[tuple[str, str], ...]) -> Errors:
    """Once immutable, for ever. `fields`: (attribute, wire name) of the data."""
    if not old.immutable:
        return
    if not new.immutable:
        yield forbidden("immutable", _FROZEN)
    for attribute, wire in fields:
        if getattr(new, attribute) != getattr(old, attribute):
            yield forbidden(wire, _FROZEN)
