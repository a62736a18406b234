"""Verdict: what a filter says about all nodes at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from wherry.scheduler.podinfo import PodInfo
from wherry.scheduler.snapshot import Mask, Snapshot
from wherry.scheduler.volumes import VolumeNeeds


class Refusal(NamedTuple):
    """Nodes refused for one reason (upstream's words). `hopeless`: removing pods from them would not help."""

    nodes: Mask
    reason: str
    hopeless: bool


@dataclass(frozen=True, slots=True)
class Ask:
    """What is being placed: the pod, what its volumes need, and the static masks shared with its template."""

    info: PodInfo
    volumes: VolumeNeeds


Filter = Callable[[Snapshot, Ask], list[Refusal]]
"""Every node named by a refusal is out; several refusals may name the same node."""
