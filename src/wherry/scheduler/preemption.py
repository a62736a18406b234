"""Preemption: which pods must go so that a more important one fits (pure).

For every node where it could help: take away all less important pods; if the pod then fits, give back as many as
possible, most important first. Among such nodes: least important victims, then fewest, then the later start.
https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wherry.scheduler.cycle import feasible_nodes
from wherry.scheduler.filters.verdict import Ask
from wherry.scheduler.podinfo import PodInfo
from wherry.scheduler.snapshot import Mask, Snapshot

CANDIDATES = 100
"""Nodes examined at most, so that a large cluster costs no more than a middling one."""


@dataclass(frozen=True, slots=True)
class Victims:
    """These pods must leave this node."""

    node: str
    pods: tuple[PodInfo, ...]


def choose_victims(snapshot: Snapshot, ask: Ask, helpful: Mask) -> Victims | None:
    """The cheapest way to make room, or None. The snapshot is as before when this returns."""
    if ask.info.pod.spec.preemption_policy == "Never":
        return None
    found: list[Victims] = []
    for slot in np.flatnonzero(helpful):
        victims = _on_node(snapshot, ask, int(slot))
        if victims is not None:
            found.append(victims)
        if len(found) >= CANDIDATES:
            break
    return min(found, key=_cost, default=None)


def _cost(victims: Victims) -> tuple[int, int, int, str]:
    priorities = [info.priority for info in victims.pods]
    return (max(priorities, default=0), sum(priorities), len(priorities), victims.node)


def _on_node(snapshot: Snapshot, ask: Ask, slot: int) -> Victims | None:
    name = snapshot.names[slot]
    lesser = sorted(
        (info for info in snapshot.pods[slot].values() if info.priority < ask.info.priority),
        key=lambda info: (-info.priority, info.pod.status.start_time or "", info.uid),
    )
    if not lesser:
        return None
    for info in lesser:
        snapshot.drop_pod(info.uid)
    victims: list[PodInfo] = []
    try:
        if not _fits(snapshot, ask, slot):
            return None
        for info in lesser:
            snapshot.put_pod(info, name)
            if not _fits(snapshot, ask, slot):
                snapshot.drop_pod(info.uid)
                victims.append(info)
    finally:
        for info in lesser:
            snapshot.put_pod(info, name)
    return Victims(name, tuple(victims))


def _fits(snapshot: Snapshot, ask: Ask, slot: int) -> bool:
    feasible, _, _ = feasible_nodes(snapshot, ask)
    return bool(feasible[slot])
