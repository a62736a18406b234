"""TakeOver: what a version does with a store that another has left, before anything is read from it.

The copy, for going back, is made first, then values are amended. Amending is not a change that anybody made: revisions
stay, no watch tells of it, and what a client has read may still be written on. All values are amended or none, and the
store remembers the mark, so that it is done once, and again for a store that comes from elsewhere (an old copy).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

Amend = Callable[[str, bytes], bytes | None]
"""(key, value) -> what the value is to be; None: it stays."""


def _stays(_key: str, _value: bytes) -> None:
    return None


class TakeOver(NamedTuple):
    """`copy`: where the store is copied to; `mark`: of how this version amends, 0 for not at all."""

    copy: Path | None = None
    mark: int = 0
    amend: Amend = _stays


NOTHING = TakeOver()
