"""Keeps the objects of priority and fairness: brings back what is mandatory or suggested, and says what dangles.

At start and after every change: `exempt` and `catch-all` exist and are as they must be; the suggested ones are made at
start, and restored while their annotation `apf.kubernetes.io/autoupdate-spec` is "true"; each FlowSchema has its
condition Dangling. https://kubernetes.io/docs/concepts/cluster-administration/flow-control/#maintenance-of-the-mandatory-and-suggested-configuration-objects
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from msgspec.structs import replace

from wherry.aio.clock import Clock
from wherry.api.flowcontrol.flowschema import FLOWSCHEMA
from wherry.api.flowcontrol.prioritylevelconfiguration import PRIORITYLEVELCONFIGURATION
from wherry.api.types.flowcontrol import FlowSchema, FlowSchemaCondition
from wherry.apiserver.flowcontrol.bootstrap import AUTOUPDATE, LEVELS, MANDATORY, SCHEMAS
from wherry.client.interface import Client, Event
from wherry.machinery.errors import AlreadyExists, Conflict, NotFound
from wherry.machinery.meta import Key
from wherry.machinery.resource import Resource
from wherry.machinery.time import time_at

logger = logging.getLogger(__name__)

_WANTED: tuple[tuple[Resource[Any], tuple[Any, ...]], ...] = (
    (PRIORITYLEVELCONFIGURATION, LEVELS),
    (FLOWSCHEMA, SCHEMAS),
)


async def ensure(client: Client, *, suggested: bool) -> None:
    """Bring about the mandatory objects, and the suggested ones too if so asked."""
    async with asyncio.TaskGroup() as group:  # together, so that they share commits
        for resource, objects in _WANTED:
            for obj in objects:
                if suggested or obj.metadata.name in MANDATORY:
                    group.create_task(_ensure(client, resource, obj))


async def _ensure(client: Client, resource: Resource[Any], wanted: Any) -> None:
    name = wanted.metadata.name
    try:
        present = await client.get(resource, Key("", name))
    except NotFound:
        try:
            await client.create(resource, wanted)
        except AlreadyExists:
            logger.debug("%s was made by somebody else", name)
        return
    repaired = _repaired(present, wanted)
    if repaired is not present:
        try:
            await client.replace(resource, repaired)
        except (Conflict, NotFound):
            logger.debug("%s is changing", name)  # which brings us here again


def _repaired(present: Any, wanted: Any) -> Any:
    name = wanted.metadata.name
    meta = present.metadata
    if name in MANDATORY:
        if present.spec == wanted.spec and meta.annotations.get(AUTOUPDATE) == "true":
            return present
        meta = replace(meta, annotations={**meta.annotations, AUTOUPDATE: "true"})
        return replace(present, metadata=meta, spec=wanted.spec)
    if meta.annotations.get(AUTOUPDATE) != "true" or present.spec == wanted.spec:
        return present
    return replace(present, spec=wanted.spec)


async def keep(client: Client, clock: Clock) -> None:
    """For ever: as the module says."""
    await ensure(client, suggested=True)
    changed = asyncio.Event()
    changed.set()
    async with asyncio.TaskGroup() as group:
        for resource in (FLOWSCHEMA, PRIORITYLEVELCONFIGURATION):
            group.create_task(_follow(client, resource, changed))
        while True:
            await changed.wait()
            changed.clear()
            await ensure(client, suggested=False)
            await _tell(client, clock)


async def _follow(client: Client, resource: Resource[Any], changed: asyncio.Event) -> None:
    event: Event[Any]
    async for event in client.watch(resource):
        if event.type not in ("BOOKMARK", "SYNCED"):
            changed.set()


async def _tell(client: Client, clock: Clock) -> None:
    """Write the conditions that are not as they should be."""
    levels = {level.metadata.name for level in (await client.list(PRIORITYLEVELCONFIGURATION)).items}
    for schema in (await client.list(FLOWSCHEMA)).items:
        told = dangling(schema, levels, clock.now())
        if told is schema:
            continue
        try:
            await client.replace(FLOWSCHEMA, told, "status")
        except (Conflict, NotFound):
            logger.debug("%s is changing", schema.metadata.name)


def dangling(schema: FlowSchema, levels: set[str], now: float) -> FlowSchema:
    """The schema with its condition; itself when that is true already."""
    name = schema.spec.priority_level_configuration.name
    says = f'This FlowSchema references the PriorityLevelConfiguration object named "{name}"'
    if name in levels:
        status, reason, message = "False", "Found", f"{says} and it exists"
    else:
        status, reason, message = "True", "NotFound", f"{says} but there is no such object"
    others = []
    since = time_at(int(now))
    for condition in schema.status.conditions:
        if condition.type != "Dangling":
            others.append(condition)
        elif (condition.status, condition.reason, condition.message) == (status, reason, message):
            return schema
        elif condition.status == status and condition.last_transition_time is not None:
            since = condition.last_transition_time
    own = FlowSchemaCondition(
        type="Dangling", status=status, last_transition_time=since, reason=reason, message=message
    )
    return replace(schema, status=replace(schema.status, conditions=(*others, own)))
