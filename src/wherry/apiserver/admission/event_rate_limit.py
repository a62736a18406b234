"""EventRateLimit: nobody fills the store with Events. Token buckets per server, namespace, user or source and object.

On by default for clients over HTTP, each user having a share (upstream's plugin is off until configured); parts of this
process are not limited: their recorders already fold repetitions. https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#eventratelimit
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wherry.apiserver.admission.plugin import Plugin
from wherry.apiserver.context import Context
from wherry.machinery.errors import TooManyRequests

if TYPE_CHECKING:
    from wherry.apiserver.api import Api


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
