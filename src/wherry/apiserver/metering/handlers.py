"""GET of metrics.k8s.io: PodMetrics and NodeMetrics as if they were stored objects, with selectors and tables.

Labels are those of the pod or node. https://github.com/kubernetes/metrics
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from wherry.api.core.node import NODE
from wherry.api.core.pod import POD
from wherry.api.metrics.usage import NODEMETRICS, ContainerMetrics, NodeMetrics, PodMetrics
from wherry.apiserver.api import Api
from wherry.apiserver.context import not_found
from wherry.apiserver.metering.scrape import Used
from wherry.machinery import codec
from wherry.machinery.meta import Object, ObjectMeta
from wherry.machinery.quantity import Quantity, parse_quantity
from wherry.machinery.resource import Resource
from wherry.machinery.time import time_at
from wherry.store.entry import Entry, Kind, with_revision
from wherry.store.windows import key_of


async def measured(api: Api, resource: Resource[Any], namespace: str) -> list[Entry[Any]]:
    """Everything that is known of a resource, in a namespace or in all."""
    objects = await (_nodes(api) if resource is NODEMETRICS else _pods(api, namespace))
    kind: Kind[Any] = Kind()
    kind.resource = resource
    return [_entry(kind, resource, obj) for obj in objects]


async def measured_one(api: Api, resource: Resource[Any], namespace: str, name: str) -> Entry[Any]:
    """One of them. Raises NotFound."""
    for entry in await measured(api, resource, namespace):
        if entry.name == name:
            return entry
    raise not_found(resource, name)


def _entry(kind: Kind[Any], resource: Resource[Any], obj: Object) -> Entry[Any]:
    key = key_of(resource, obj.metadata.namespace, obj.metadata.name)
    return Entry(kind, key, with_revision(codec.encode(obj), 0), 0, 0)


async def _nodes(api: Api) -> list[Object]:
    used = await api.metering.nodes()
    found: list[Object] = []
    for entry in api.window(NODE).list("").items:
        one = used.get(entry.name)
        if one is not None:
            meta = ObjectMeta(name=entry.name, creation_timestamp=time_at(one.at), labels=dict(entry.labels))
            found.append(NodeMetrics(metadata=meta, timestamp=time_at(one.at), window=_window(one), usage=_usage(one)))
    return found


async def _pods(api: Api, namespace: str) -> list[Object]:
    used = await api.metering.containers()
    by_pod: dict[tuple[str, str], dict[str, Used]] = defaultdict(dict)
    for (space, pod, container), one in used.items():
        by_pod[space, pod][container] = one
    found: list[Object] = []
    for entry in api.window(POD).list(namespace).items:
        parts = by_pod.get((entry.namespace, entry.name))
        # a pod of which a part is not known yet is left out, so that nobody takes the rest for the whole
        if parts and all(c.name in parts for c in entry.obj.spec.containers):
            found.append(_pod_metrics(entry, parts))
    return found


def _pod_metrics(entry: Entry[Any], parts: dict[str, Used]) -> PodMetrics:
    first: Used = min(parts.values(), key=lambda one: one.at)
    meta = ObjectMeta(
        name=entry.name, namespace=entry.namespace, creation_timestamp=time_at(first.at), labels=dict(entry.labels)
    )
    containers = tuple(ContainerMetrics(name=name, usage=_usage(one)) for name, one in _sorted(parts.items()))
    return PodMetrics(metadata=meta, timestamp=time_at(first.at), window=_window(first), containers=containers)


def _sorted(parts: Iterable[tuple[str, Used]]) -> list[tuple[str, Used]]:
    return sorted(parts, key=lambda part: part[0])


def _usage(one: Used) -> dict[str, Quantity]:
    return {
        "cpu": parse_quantity(f"{math.ceil(one.cores * 1e9)}n"),
        "memory": parse_quantity(f"{math.ceil(one.memory / 1024)}Ki"),
    }


def _window(one: Used) -> str:
    return f"{one.window:.3f}s"
