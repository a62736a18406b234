"""EventRateLimit: nobody fills the store with Events. Token buckets per server, namespace, user or source and object.

On by default for clients over HTTP, each user having DEFAULT's share (upstream's plugin is off until configured); parts
of this process are not limited: their recorders already fold repetitions. A bucket is forgotten when CACHE others of
its kind were used since. https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#eventratelimit
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from wherry.apiserver.admission.plugin import Plugin
from wherry.apiserver.context import Context
from wherry.machinery.errors import TooManyRequests

if TYPE_CHECKING:
    from wherry.apiserver.api import Api

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


def _check(api: Api, ctx: Context[Any], obj: Any, old: Any) -> None:
    if ctx.inside or ctx.dry_run or obj is None:
        return
    involved = getattr(obj, "involved_object", None) or getattr(obj, "regarding", None)
    source = getattr(obj, "source", None) or getattr(obj, "deprecated_source", None)
    of = (source and (source.component, source.host), involved and (involved.kind, involved.namespace, involved.name))
    keys = {"Server": "", "Namespace": ctx.namespace, "User": ctx.user.name, "SourceAndObject": str(of)}
    reached = api.event_buckets.take(keys, api.clock.monotonic())
    if reached is not None:
        kind, key = reached
        raise TooManyRequests(f"limit reached on type {kind} for key {key}", retry_after=1)


PLUGIN = Plugin("EventRateLimit", validate=_check, resources=frozenset({"events", "events.events.k8s.io"}))
