"""Keeps definitions in force: names them, serves them, says so in their status, and empties those that are deleted.

Owns:     status of CustomResourceDefinitions; the finalizer customresourcecleanup.apiextensions.k8s.io.
Wakes on: every change of a CustomResourceDefinition, at once.
Writes:   status.acceptedNames, status.conditions; deletes the instances of a definition that is being deleted.
Upstream: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/

Invariant: what a status calls established is served before anybody can read that status.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl

from msgspec.structs import replace

from wherry.api.apiextensions.customresourcedefinition import CUSTOMRESOURCEDEFINITION as CRD
from wherry.api.apiextensions.customresourcedefinition import FINALIZER
from wherry.api.types.apiextensions import CustomResourceDefinition
from wherry.apiserver.api import Api
from wherry.apiserver.crd.definitions import Definition, Definitions
from wherry.apiserver.crd.status import condition, is_established, status_of
from wherry.client.interface import Client
from wherry.machinery import conditions
from wherry.machinery.errors import APIError, Conflict, NotFound
from wherry.machinery.meta import Key

logger = logging.getLogger(__name__)

_PATIENCE_SECONDS = 300.0
_AGAIN_SECONDS = 0.2
_AT_ONCE = 200


def load(api: Api, definitions: Definitions) -> None:
    """Serve what was established before this server started."""
    for entry in api.window(CRD).list().items:
        if is_established(entry.obj):
            definitions.install(entry.obj)


async def keep_definitions(api: Api, definitions: Definitions, client: Client) -> None:
    """For ever: follow the definitions."""
    async with asyncio.TaskGroup() as group:
        keeper = _Keeper(api, definitions, client, group)
        async for event in client.watch(CRD):
            if event.obj is not None:
                await keeper.take(event.obj, gone=event.type == "DELETED")
            elif event.type == "SYNCED":
                await keeper.synced()


class _Keeper:
    def __init__(self, api: Api, definitions: Definitions, client: Client, group: asyncio.TaskGroup) -> None:
        self._api = api
        self._definitions = definitions
        self._client = client
        self._group = group
        self._known: dict[str, CustomResourceDefinition] = {}
        self._emptying: set[str] = set()
        self._synced = False

    async def synced(self) -> None:
        """The present state is known: settle all of it."""
        self._synced = True
        for crd in sorted(self._known.values(), key=lambda crd: crd.metadata.creation_timestamp or ""):
            await self._settle(crd.metadata.name)

    async def take(self, crd: CustomResourceDefinition, *, gone: bool) -> None:
        """A change."""
        name = crd.metadata.name
        before = self._known.pop(name, None)
        if gone:
            self._definitions.remove(name)
        else:
            self._known[name] = crd
        if not self._synced:
            return
        if not gone:
            await self._settle(name)
        if gone or before is None or before.status.accepted_names != crd.status.accepted_names:
            for other in [c.metadata.name for c in self._known.values() if c.spec.group == crd.spec.group]:
                if other != name:
                    await self._settle(other)

    async def _settle(self, name: str) -> None:
        """Make one definition what its status should say."""
        crd = self._known[name]
        others = [c for c in self._known.values() if c.spec.group == crd.spec.group and c is not crd]
        status = status_of(crd, others, self._api.now(), bad_ca=_bad_ca(crd))
        settled = replace(crd, status=status)
        if is_established(settled):
            self._definitions.install(settled)
        if status != crd.status:
            try:
                self._known[name] = await self._client.replace(CRD, settled, "status")
            except (Conflict, NotFound):
                return  # the watch tells what it is now
        if crd.metadata.deletion_timestamp is not None and FINALIZER in crd.metadata.finalizers:
            self._empty(name)

    def _empty(self, name: str) -> None:
        if name not in self._emptying:
            self._emptying.add(name)
            self._group.create_task(self._end(name), name=f"end of {name}")

    async def _end(self, name: str) -> None:
        """Delete all instances of a definition, then let it go."""
        try:
            definition = self._definitions.get(name)
            if definition is not None and is_established(self._known[name]):
                await self._tell(
                    name, "InstanceDeletionInProgress", "CustomResource deletion is in progress", ending=True
                )
                await self._delete_all(definition)
                await self._tell(name, "InstanceDeletionCompleted", "removed all instances", ending=False)
            else:
                await self._tell(name, "NeverEstablished", "resource was never established", ending=False)
            await self._release(name)
        except NotFound:
            pass
        except (APIError, TimeoutError):
            logger.exception("%s cannot be ended yet", name)
            await asyncio.sleep(_AGAIN_SECONDS)
            self._group.create_task(self._again(name), name=f"end of {name}")
        finally:
            self._emptying.discard(name)

    async def _again(self, name: str) -> None:
        await asyncio.sleep(1.0)
        if name in self._known:
            self._empty(name)

    async def _delete_all(self, definition: Definition) -> None:
        """Raises TimeoutError when instances remain after minutes."""
        resource = definition.storage
        window = self._api.window(resource)
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while entries := window.list().items:
                for start in range(0, len(entries), _AT_ONCE):
                    some = entries[start : start + _AT_ONCE]
                    keys = [Key(entry.namespace, entry.name) for entry in some]
                    await asyncio.gather(*(self._delete(definition, key) for key in keys))
                if len(window):
                    await asyncio.sleep(_AGAIN_SECONDS)

    async def _delete(self, definition: Definition, key: Key) -> None:
        with contextlib.suppress(NotFound, Conflict):
            await self._client.delete(definition.storage, key)

    async def _tell(self, name: str, reason: str, message: str, *, ending: bool) -> None:
        while True:
            crd = await self._client.get(CRD, Key("", name))
            wanted = condition("Terminating", reason, message, true=ending)
            found = conditions.put(crd.status.conditions, wanted, self._api.now())
            if found == crd.status.conditions:
                return
            try:
                await self._client.replace(CRD, replace(crd, status=replace(crd.status, conditions=found)), "status")
            except Conflict:
                continue
            return

    async def _release(self, name: str) -> None:
        while True:
            crd = await self._client.get(CRD, Key("", name))
            kept = tuple(f for f in crd.metadata.finalizers if f != FINALIZER)
            if kept == crd.metadata.finalizers:
                return
            try:
                await self._client.replace(CRD, replace(crd, metadata=replace(crd.metadata, finalizers=kept)))
            except Conflict:
                continue
            return


def _bad_ca(crd: CustomResourceDefinition) -> bool:
    """Whether a conversion webhook is to be trusted by certificates that are none."""
    own = crd.spec.conversion
    config = None if own is None or own.webhook is None else own.webhook.client_config
    if config is None or not config.ca_bundle:
        return False
    try:
        ssl.create_default_context(cadata=config.ca_bundle.decode())
    except (ssl.SSLError, ValueError):
        return True
    return False
