"""Verdict: what a filter says about all nodes at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from wherry.scheduler.devices import NO_DEVICES, DeviceNeeds
from wherry.scheduler.podinfo import PodInfo, Shape
from wherry.scheduler.snapshot import Mask, Snapshot
from wherry.scheduler.volumes import NOTHING, VolumeNeeds


class Refusal(NamedTuple):
    """Nodes refused for one reason (upstream's words). `hopeless`: removing pods from them would not help."""

    nodes: Mask
    reason: str
    hopeless: bool


@dataclass(frozen=True, slots=True)
class Ask:
    """What is being placed: the pod, and what its volumes and claims need."""

    info: PodInfo
    volumes: VolumeNeeds = NOTHING
    devices: DeviceNeeds = NO_DEVICES

    @property
    def shape(self) -> Shape:
        """What the pod shares with others of its template."""
        return self.info.shape


Filter = Callable[[Snapshot, Ask], list[Refusal]]
"""Every node named by a refusal is out; several refusals of one filter may name the same node, and all count. No
refusals at all: the filter has nothing to do with this pod."""
NodeFilter = Callable[[Snapshot, Shape], list[Refusal]]
"""A filter whose answer only depends on the nodes and the pod's shape: it is kept until a node changes."""


def first_only(refusals: list[Refusal]) -> list[Refusal]:
    """The same, with every node named once: by its first reason."""
    out: list[Refusal] = []
    for refusal in refusals:
        nodes = refusal.nodes
        for earlier in out:
            nodes = nodes & ~earlier.nodes
        out.append(refusal._replace(nodes=nodes))
    return out
