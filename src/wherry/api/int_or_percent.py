"""IntOrString amounts: `3` or `"25%"` of a total, as maxSurge, maxUnavailable and minAvailable are written."""

from __future__ import annotations

import re

_PERCENT = re.compile("[0-9]+%", re.ASCII)


def percentage(value: int | str | None) -> int | None:
    """25 for "25%"; None for anything else."""
    return int(value[:-1]) if isinstance(value, str) and _PERCENT.fullmatch(value) else None


def scaled(value: int | str | None, total: int, *, round_up: bool) -> int:
    """The amount `value` means among `total`; None means 0. Raises ValueError for text that is no percentage."""
    if value is None:
        return 0
    if isinstance(value, int):
        return value
    share = percentage(value)
    if share is None:
        raise ValueError(f"invalid value for IntOrString: invalid type: string is not a percentage: {value!r}")
    return -(-share * total // 100) if round_up else share * total // 100
