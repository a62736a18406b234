"""An API in memory behind the client interface: enough for node tests. Patches are merged, watches see every write."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping
from typing import Any, Literal

import msgspec

from wherry.api.types.core import Pod
from wherry.client.interface import ALL, Event, Listing, Select
from wherry.machinery.codec import from_dict, to_dict
from wherry.machinery.errors import AlreadyExists, Conflict, NotFound
from wherry.machinery.meta import Key, Object, T, key_of
from wherry.machinery.resource import Resource

JSONPatch = list[Any]


def merged(old: Any, patch: Any) -> Any:
    """A patch applied: mappings merge, conditions merge by type, other lists replace; null removes."""
    if not isinstance(patch, dict):
        return patch
    new = dict(old) if isinstance(old, dict) else {}
    for name, value in patch.items():
        if value is None:
            new.pop(name, None)
        elif name == "conditions":
            kept = {one["type"]: one for one in new.get(name, [])}
            for one in value:
                if one.get("$patch") == "delete":
                    kept.pop(one["type"], None)
                    continue
                kept[one["type"]] = {k: v for k, v in {**kept.get(one["type"], {}), **one}.items() if v is not None}
            new[name] = list(kept.values())
        elif isinstance(value, list):
            new[name] = [one for one in value if not (isinstance(one, dict) and "$patch" in one)]
        else:
            new[name] = merged(new.get(name), value)
    return new


class FakeAPI:
    """A Client. `writes` lists (verb, kind, name); `down` makes every call fail."""

    def __init__(self) -> None:
        self._objects: dict[Resource[Any], dict[Key, Object]] = {}
        self._watchers: list[tuple[Resource[Any], Select, asyncio.Queue[Event[Any]]]] = []
        self._revision = itertools.count(1)
        self.writes: list[tuple[str, str, str]] = []
        self.down = False

    def _of(self, resource: Resource[T]) -> dict[Key, T]:
        if self.down:
            raise OSError("connection refused")
        return self._objects.setdefault(resource, {})  # type: ignore[return-value] # one type per resource

    def _tell(self, resource: Resource[Any], kind: Any, obj: Any) -> None:
        for watched, select, queue in self._watchers:
            if watched is resource and _selected(obj, select):
                queue.put_nowait(Event(kind, resource, obj, int(obj.metadata.resource_version)))

    def _stamp(self, obj: T, **meta: Any) -> T:
        stamped = msgspec.structs.replace(obj.metadata, resource_version=str(next(self._revision)), **meta)
        return msgspec.structs.replace(obj, metadata=stamped)

    async def get(self, resource: Resource[T], key: Key) -> T:
        """One object."""
        try:
            return self._of(resource)[key]
        except KeyError:
            raise NotFound(f'{resource.plural} "{key.name}" not found') from None

    async def list(self, resource: Resource[T], select: Select = ALL) -> Listing[T]:
        """All that match."""
        return Listing(tuple(one for one in self._of(resource).values() if _selected(one, select)), 0)

    async def watch(
        self, resource: Resource[T], select: Select = ALL, since: int | None = None
    ) -> AsyncIterator[Event[T]]:
        """For ever."""
        while self.down:  # noqa: ASYNC110 - a test switches it
            await asyncio.sleep(0.1)
        queue: asyncio.Queue[Event[T]] = asyncio.Queue()
        self._watchers.append((resource, select, queue))
        for one in (await self.list(resource, select)).items:
            yield Event("ADDED", resource, one, 0)
        yield Event("SYNCED", resource, None, 0)
        while True:
            yield await queue.get()

    async def create(self, resource: Resource[T], obj: T) -> T:
        """Create."""
        held = self._of(resource)
        if obj.metadata.generate_name and not obj.metadata.name:
            name = f"{obj.metadata.generate_name}{next(self._revision)}"
            meta = msgspec.structs.replace(obj.metadata, name=name)
            obj = msgspec.structs.replace(obj, metadata=meta)
        if key_of(obj) in held:
            raise AlreadyExists(f'{resource.plural} "{obj.metadata.name}" already exists')
        serial = next(self._revision)
        obj = held[key_of(obj)] = self._stamp(obj, uid=obj.metadata.uid or f"uid-{serial}")
        self.writes.append(("create", resource.kind, obj.metadata.name))
        self._tell(resource, "ADDED", obj)
        return obj

    async def replace(self, resource: Resource[T], obj: T, subresource: str = "") -> T:
        """Replace."""
        await self.get(resource, key_of(obj))
        obj = self._of(resource)[key_of(obj)] = self._stamp(obj)
        self._tell(resource, "MODIFIED", obj)
        return obj

    async def patch(
        self, resource: Resource[T], key: Key, patch: Mapping[str, Any] | JSONPatch, *,
        kind: Literal["merge", "json", "strategic", "apply"] = "merge", subresource: str = "",
    ) -> T:  # fmt: skip
        """Merge."""
        old = await self.get(resource, key)
        assert isinstance(patch, dict)
        uid = patch.get("metadata", {}).get("uid")
        if uid and uid != old.metadata.uid:
            raise Conflict("uid")
        obj = self._stamp(from_dict(resource.type, merged(to_dict(old), patch)))
        self._of(resource)[key] = obj
        self.writes.append(("patch", resource.kind, key.name))
        self._tell(resource, "MODIFIED", obj)
        return obj

    async def delete(
        self, resource: Resource[T], key: Key, *, uid: str = "", revision: str = "", grace: int | None = None,
        propagation: str = "",
    ) -> None:  # fmt: skip
        """Delete at once."""
        old = await self.get(resource, key)
        if (uid or old.metadata.uid, revision or old.metadata.resource_version) != (
            old.metadata.uid, old.metadata.resource_version,
        ):  # fmt: skip
            raise Conflict("precondition failed")
        del self._of(resource)[key]
        self.writes.append(("delete", resource.kind, key.name))
        self._tell(resource, "DELETED", self._stamp(old))

    async def raw(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Nothing is there."""
        raise NotFound(f"{method} {path}: the server could not find the requested resource")

    async def call(
        self, resource: Resource[Any], key: Key, subresource: str, body: Object | Mapping[str, Any]
    ) -> dict[str, Any]:
        """Tokens."""
        self._of(resource)
        return {"status": {"token": f"token-of-{key.name}", "expirationTimestamp": "2999-01-01T00:00:00Z"}}


def _selected(obj: Object, select: Select) -> bool:
    if select.namespace and obj.metadata.namespace != select.namespace:
        return False
    name, _, wanted = select.fields.partition("=")
    if name == "metadata.name":
        return obj.metadata.name == wanted
    return name != "spec.nodeName" or (isinstance(obj, Pod) and obj.spec.node_name == wanted)
