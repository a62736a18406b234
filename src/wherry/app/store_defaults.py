"""Defaults of this version in what another version has stored: filled in once, before anything is served.

A field that is new in this version, and has a default, is missing in what is stored. Filled in only when a client
writes an object, it would look as if the client had changed it: a pod's update would be refused, a Deployment's
template would differ from its ReplicaSet's, and its pods would be replaced. So the first server of a version fills in
all of them; equal templates stay equal. What has nothing to be filled in is left as it is, also what this version does
not know.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import msgspec

from wherry.api.registry import RESOURCES
from wherry.apiserver.views import VIEWS
from wherry.machinery import codec
from wherry.machinery.resource import Resource
from wherry.store.log import Log, Record
from wherry.store.windows import ROOT, prefix_of

log = logging.getLogger(__name__)
TOGETHER = 128


async def fill(store: Log) -> int:
    """Fill in what is missing; in how many objects. Raises Unavailable. Killed half-way, it is done again."""
    resources = {prefix_of(resource): resource for resource in RESOURCES if resource not in VIEWS}
    _, records = await store.list(ROOT)
    changed = [(record, value) for record in records if (value := _filled(resources, record)) is not None]
    for at in range(0, len(changed), TOGETHER):
        some = changed[at : at + TOGETHER]
        await asyncio.gather(*(store.append(record.key, value, record.revision) for record, value in some))
    return len(changed)


def _filled(resources: dict[str, Resource[Any]], record: Record) -> bytes | None:
    """The value with its defaults; None when it has them, or is not of a kind of ours, or cannot be read."""
    resource = resources.get("/".join(record.key.split("/", 4)[:4]) + "/")
    if resource is None:
        return None
    try:
        obj = codec.decode(resource.type, record.value)
    except (msgspec.DecodeError, ValueError):
        log.warning("%s cannot be read, and stays as it is", record.key)
        return None
    full = resource.default(obj)
    return None if full is obj or full == obj else codec.encode(full)
