"""Renewals: since when each node has been renewing its Lease without a gap, and whose stateful pods are surely dead.

The server's half of `api.core.fencing`. Only what this process has itself seen counts, by its own clock: after a
restart every node begins anew, and so does every wait.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from wherry.api.core import fencing
from wherry.api.types.coordination import Lease


@dataclass(slots=True)
class _Seen:
    sign: str
    last: float
    since: float
    """The beginning of the run of renewals of which none came more than FRESH after the one before."""


@dataclass(slots=True)
class Renewals:
    """Times are seconds of one clock that never goes back."""

    _nodes: dict[str, _Seen] = field(default_factory=dict)

    def saw(self, name: str, lease: Lease | None, now: float) -> None:
        """Look at a node's Lease. Call it whenever one changes."""
        sign = f"{lease.metadata.uid} {lease.spec.renew_time}" if lease is not None else ""
        before = self._nodes.get(name)
        if before is None:
            self._nodes[name] = _Seen(sign, now, now)
        elif before.sign != sign:
            since = before.since if now - before.last <= fencing.FRESH else now
            self._nodes[name] = _Seen(sign, now, since)

    def forget(self, name: str) -> None:
        """The node is gone."""
        self._nodes.pop(name, None)

    def fenced(self, name: str, lease: Lease | None, now: float) -> bool:
        """Whether the node's stateful pods are dead, by its promise."""
        seen = self._nodes.get(name)
        promise = fencing.promise(lease) if lease is not None else None
        if seen is None or promise is None:
            return False
        wait = promise.seconds + fencing.MARGIN
        if now - seen.last < wait:
            return False
        fresh = sum(self._steady(one, now, wait) for one in promise.witnesses)
        return fencing.server_may_replace(fresh, len(promise.witnesses))

    def _steady(self, name: str, now: float, wait: float) -> bool:
        seen = self._nodes.get(name)
        return seen is not None and now - seen.last <= fencing.FRESH and now - seen.since >= wait
