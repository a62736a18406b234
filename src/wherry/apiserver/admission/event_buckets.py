"""How many Events may still be written: token buckets per server, namespace, user or source and object.

A bucket is forgotten when `cache` others of its kind were used since.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

CACHE = 4096


@dataclass(frozen=True, slots=True)
class Limit:
    """`qps` Events a second, `burst` at once, for each of what `type` says."""

    type: Literal["Server", "Namespace", "User", "SourceAndObject"]
    qps: float
    burst: int
    cache: int = CACHE


DEFAULT = (Limit("User", 50, 1000),)


class Buckets:
    """The state of some limits."""

    def __init__(self, limits: tuple[Limit, ...] = DEFAULT) -> None:
        self._limits = limits
        self._filled: list[OrderedDict[str, tuple[float, float]]] = [OrderedDict() for _ in limits]

    def take(self, keys: dict[str, str], now: float) -> tuple[str, str] | None:
        """One Event at `now` (monotonic seconds); (type, key) of the limit that is reached, None: it may pass."""
        refused = None
        for limit, filled in zip(self._limits, self._filled, strict=True):
            key = keys[limit.type]
            tokens, at = filled.pop(key, (float(limit.burst), now))
            tokens = min(float(limit.burst), tokens + (now - at) * limit.qps)
            if tokens >= 1:
                tokens -= 1
            else:
                refused = refused or (limit.type, key)
            filled[key] = (tokens, now)
            if len(filled) > limit.cache:
                filled.popitem(last=False)
        return refused
