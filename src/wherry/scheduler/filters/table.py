"""NODE_FILTERS and POD_FILTERS: every filter, in upstream's order; the first that refuses a node names the reason."""

from __future__ import annotations

from wherry.scheduler.filters.devices import devices
from wherry.scheduler.filters.interpod import interpod
from wherry.scheduler.filters.node import node_affinity, taints, unschedulable
from wherry.scheduler.filters.resources import ports, resources
from wherry.scheduler.filters.spread import spread
from wherry.scheduler.filters.verdict import Filter, NodeFilter
from wherry.scheduler.filters.volumes import volume_binding, volume_restrictions

NODE_FILTERS: tuple[NodeFilter, ...] = (unschedulable, taints, node_affinity)
"""Kept per shape until a node changes."""

RESOURCE_FILTER: Filter = resources
"""Kept per shape, node by node."""

BEFORE_RESOURCES: tuple[Filter, ...] = (ports,)
AFTER_RESOURCES: tuple[Filter, ...] = (volume_restrictions, volume_binding, spread, interpod, devices)
