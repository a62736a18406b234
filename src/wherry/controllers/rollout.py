"""Rollout: the arithmetic of a Deployment: which ReplicaSet is the new one, and how large each should be next.

Pure numbers; `deployment.py` turns them into writes and `deployment_status.py` into conditions.
https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#rolling-update-deployment
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from wherry.api.types.apps import Deployment, ReplicaSet
from wherry.api.types.core import PodTemplateSpec
from wherry.controllers.crowd import wanted
from wherry.controllers.portions import surge_and_unavailable

HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
REVISIONS = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"

Sizes = Mapping[str, int]
"""ReplicaSet name -> spec.replicas."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """A Deployment with its ReplicaSets, the old ones oldest first."""

    deployment: Deployment
    new: ReplicaSet | None
    old: tuple[ReplicaSet, ...]

    @property
    def replicas(self) -> int:
        """How many pods are wanted."""
        return wanted(self.deployment.spec.replicas)

    @property
    def all(self) -> tuple[ReplicaSet, ...]:
        """Old ones and the new one."""
        return self.old if self.new is None else (*self.old, self.new)

    @property
    def rolling(self) -> bool:
        """RollingUpdate rather than Recreate."""
        return self.deployment.spec.strategy.type != "Recreate"

    @property
    def surge(self) -> int:
        """How many pods more than wanted may exist."""
        return self._limits()[0] if self.rolling else 0

    @property
    def unavailable(self) -> int:
        """How many of the wanted pods may be missing."""
        if not self.rolling or self.replicas == 0:
            return 0
        return min(self._limits()[1], self.replicas)

    def _limits(self) -> tuple[int, int]:
        rolling = self.deployment.spec.strategy.rolling_update
        if rolling is None:
            return surge_and_unavailable("25%", "25%", self.replicas)
        return surge_and_unavailable(rolling.max_surge, rolling.max_unavailable, self.replicas)


def arrange(deployment: Deployment, sets: Iterable[ReplicaSet]) -> Rollout:
    """Find the new one: the oldest whose template is the Deployment's."""
    by_age = sorted(sets, key=_age)
    template = deployment.spec.template
    new = next((rs for rs in by_age if _plain(rs.spec.template) == _plain(template)), None)
    return Rollout(deployment, new, tuple(rs for rs in by_age if rs is not new))


def _age(rs: ReplicaSet) -> tuple[str, str]:
    return (rs.metadata.creation_timestamp or "", rs.metadata.name)


def _plain(template: PodTemplateSpec) -> PodTemplateSpec:
    """The template without our own label, and without what has no meaning in a template."""
    meta = template.metadata
    labels = {name: value for name, value in meta.labels.items() if name != HASH}
    return replace(template, metadata=replace(meta, labels=labels, creation_timestamp=None))


def size(rs: ReplicaSet) -> int:
    """Its spec.replicas."""
    return wanted(rs.spec.replicas)


def total(sets: Iterable[ReplicaSet]) -> int:
    """Sum of sizes."""
    return sum(map(size, sets))


def noted(rs: ReplicaSet, annotation: str) -> int | None:
    """A number we left on a ReplicaSet."""
    text = rs.metadata.annotations.get(annotation, "")
    return int(text) if text.isascii() and text.removeprefix("-").isdigit() else None


def is_scaling(rollout: Rollout) -> bool:
    """Whether spec.replicas has moved since we last sized the ReplicaSets."""
    notes = (noted(rs, DESIRED) for rs in rollout.all if size(rs) > 0)
    return any(note is not None and note != rollout.replicas for note in notes)


# --- What each should be next ---


def first_size(rollout: Rollout) -> int:
    """Size at which the new ReplicaSet is made."""
    return _room(rollout, 0)


def _room(rollout: Rollout, present: int) -> int:
    """How large the new ReplicaSet, now `present`, may get."""
    if not rollout.rolling:
        return rollout.replicas
    free = rollout.replicas + rollout.surge - total(rollout.all)
    return present + max(0, min(free, rollout.replicas - present))


def roll(rollout: Rollout) -> Sizes:
    """One step of a rolling update: grow the new one; if it cannot, shrink the old ones."""
    new = rollout.new
    if new is None:
        return {}
    now = size(new)
    goal = rollout.replicas if now > rollout.replicas else _room(rollout, now)
    if goal != now:
        return {new.metadata.name: goal}
    return _shrink(rollout, new)


def _shrink(rollout: Rollout, new: ReplicaSet) -> Sizes:
    """Old ReplicaSets after giving up first what does not work anyway, then what is no longer needed."""
    must_stay = rollout.replicas - rollout.unavailable
    coming = size(new) - new.status.available_replicas
    spare = total(rollout.all) - must_stay - coming
    sizes: dict[str, int] = {rs.metadata.name: size(rs) for rs in rollout.old}
    if spare <= 0:
        return sizes
    for rs in rollout.old:
        broken = max(0, size(rs) - rs.status.available_replicas)
        given = min(spare, broken)
        sizes[rs.metadata.name] -= given
        spare -= given
    extra = sum(rs.status.available_replicas for rs in rollout.all) - must_stay
    for rs in rollout.old:
        given = min(max(0, extra), sizes[rs.metadata.name])
        sizes[rs.metadata.name] -= given
        extra -= given
    return sizes


def rescale(rollout: Rollout) -> Sizes:
    """Sizes after spec.replicas has changed, or while paused: in proportion, so that no rollout is hurried."""
    only = _active_or_latest(rollout)
    if only is not None:
        return {only.metadata.name: rollout.replicas}
    if _saturated(rollout):
        return {rs.metadata.name: 0 for rs in rollout.old if size(rs) > 0}
    if not rollout.rolling:
        return {}
    return _proportional(rollout)


def _active_or_latest(rollout: Rollout) -> ReplicaSet | None:
    active = [rs for rs in rollout.all if size(rs) > 0]
    if len(active) > 1 or not rollout.all:
        return None
    if active:
        return active[0]
    return rollout.new or rollout.old[-1]


def _saturated(rollout: Rollout) -> bool:
    new, replicas = rollout.new, rollout.replicas
    return (
        new is not None
        and noted(new, DESIRED) == replicas
        and size(new) == replicas
        and new.status.available_replicas == replicas
    )


def _proportional(rollout: Rollout) -> Sizes:
    active = [rs for rs in rollout.all if size(rs) > 0]
    allowed = rollout.replicas + rollout.surge if rollout.replicas > 0 else 0
    to_add = allowed - total(active)
    # Larger ones first; among equals, growing favours the newer and shrinking takes from the older.
    ordered = sorted(reversed(active) if to_add > 0 else active, key=size, reverse=True)
    sizes: dict[str, int] = {}
    added = 0
    for rs in ordered:
        share = _share(rollout, rs, to_add, to_add - added)
        sizes[rs.metadata.name] = size(rs) + share
        added += share
    if ordered:
        first = ordered[0].metadata.name
        sizes[first] = max(0, sizes[first] + to_add - added)
    return sizes


def _share(rollout: Rollout, rs: ReplicaSet, to_add: int, left: int) -> int:
    if to_add == 0 or left == 0:
        return 0
    if rollout.replicas == 0:
        fraction = -size(rs)
    else:
        base = noted(rs, MAXIMUM) or rs.status.replicas or size(rs)
        fraction = _rounded(size(rs) * (rollout.replicas + rollout.surge), base) - size(rs)
    return min(fraction, left) if to_add > 0 else max(fraction, left)


def _rounded(numerator: int, denominator: int) -> int:
    """Half away from zero, for what is never negative."""
    return (2 * numerator + denominator) // (2 * denominator)


def superfluous(rollout: Rollout) -> Sequence[ReplicaSet]:
    """Old ReplicaSets beyond the revision history limit that nobody uses any more, oldest revision first."""
    limit = rollout.deployment.spec.revision_history_limit
    alive = [rs for rs in rollout.old if rs.metadata.deletion_timestamp is None]
    if limit is None or limit >= 2**31 - 1 or len(alive) <= limit:
        return ()
    alive.sort(key=lambda rs: noted(rs, REVISION) or 0)
    return [rs for rs in alive[: len(alive) - limit] if _empty(rs)]


def _empty(rs: ReplicaSet) -> bool:
    return rs.status.replicas == 0 and size(rs) == 0 and rs.metadata.generation <= rs.status.observed_generation
