"""FILTERS: every filter, in upstream's order; the first that refuses a node names the reason."""

from __future__ import annotations

from wherry.scheduler.filters.interpod import interpod
from wherry.scheduler.filters.node import node_affinity, node_name, taints, unschedulable
from wherry.scheduler.filters.resources import ports, resources
from wherry.scheduler.filters.spread import spread
from wherry.scheduler.filters.verdict import Filter
from wherry.scheduler.filters.volumes import volumes

FILTERS: tuple[Filter, ...] = (
    unschedulable,
    node_name,
    taints,
    node_affinity,
    ports,
    resources,
    volumes,
    spread,
    interpod,
)
