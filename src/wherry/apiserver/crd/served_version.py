"""ServedVersion: one version of a definition as requests meet it. It is the `custom` of its Resource.

Objects lie in the log in one version, the storage version of the time they were written. `show` gives them in this one,
pruned and defaulted as its schema says; what was written under the present schemas is shown as it is, without a look.
Forms that had to be made are kept with the entry they were made from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import msgspec

from wherry.apiserver.crd.compiled import Compiled
from wherry.apiserver.crd.conversion import Converter
from wherry.machinery import codec
from wherry.machinery.resource import Resource
from wherry.store.entry import Entry, Kind, with_revision


class ServedVersion(Compiled):
    """`since`: entries of later revisions were written under the present schemas. `storage` None: this is it."""

    def __init__(
        self, place: tuple[str, str, str], raw: Any, converter: Converter, since: int, storage: ServedVersion | None
    ) -> None:
        super().__init__(*place, raw)
        self.converter = converter
        self.storage = storage
        self.since = since
        self.deprecation = ""
        """What clients of this version are warned with."""
        self.list_kind = f"{self.kind}List"
        self.terminating = False
        """The definition is being deleted: nothing new may be created."""
        self._kind: Kind[Any] = Kind(lambda resource, data: resource.custom.typed(msgspec.json.decode(data)))
        self._head = msgspec.json.encode({"kind": self.kind, "apiVersion": self.api_version})[:-1] + b","

    @cached_property
    def digest(self) -> str:
        """What tells this version's published form apart from any other."""
        said = (self.raw, self.list_kind, self._kind.resource and str(self._kind.resource.subresources))
        return hashlib.sha256(msgspec.json.encode(said)).hexdigest()

    def bind(self, resource: Resource[Any]) -> None:
        """Say which Resource this is the `custom` of."""
        self._kind.resource = resource

    # --- reading ---

    def shown(self, entry: Entry[Any]) -> Entry[Any] | None:
        """An entry in this version; None when somebody else has to be asked for it."""
        if entry.kind is self._kind or (self.storage is None and entry.revision > self.since):
            return entry
        found = None if entry.shown is None else entry.shown.get(self)
        if found is not None:
            return found
        same = entry.data.startswith(self._head)
        if self.converter.asks and not same:
            return None
        content: dict[str, Any] = msgspec.json.decode(entry.data)
        content["apiVersion"] = self.api_version
        changed = self.clean(content)
        return self._keep(entry, entry if same and not changed else self._entry(entry, content))

    async def show(self, entries: Sequence[Entry[Any]]) -> list[Entry[Any]]:
        """Entries in this version, whatever it takes. Raises InternalError when they cannot be converted."""
        found = [self.shown(entry) for entry in entries]
        asked = [entry for entry, known in zip(entries, found, strict=True) if known is None]
        if asked:
            made = iter(await self._ask(asked))
            found = [next(made) if known is None else known for known in found]
        return [entry for entry in found if entry is not None]

    async def _ask(self, entries: Sequence[Entry[Any]]) -> list[Entry[Any]]:
        contents = await self.converter.convert(
            [msgspec.json.decode(entry.data) for entry in entries], self.api_version
        )
        out = []
        for entry, content in zip(entries, contents, strict=True):
            self.clean(content)
            out.append(self._keep(entry, self._entry(entry, content)))
        return out

    def _entry(self, entry: Entry[Any], content: dict[str, Any]) -> Entry[Any]:
        meta = content["metadata"]
        ordered = {name: meta[name] for name in ("resourceVersion", *meta)}  # where the log's entries have it
        head = {"kind": content["kind"], "apiVersion": content["apiVersion"], "metadata": ordered}
        data = codec.encode({**head, **{name: value for name, value in content.items() if name not in head}})
        return Entry(self._kind, entry.key, data, entry.revision, entry.created)

    def _keep(self, entry: Entry[Any], shown: Entry[Any]) -> Entry[Any]:
        if entry.shown is None:
            entry.shown = {}
        entry.shown[self] = shown
        return shown

    # --- writing ---

    async def to_store(self, obj: Any) -> bytes:
        """An object of this version (without its revision) as it is stored. Raises InternalError."""
        if self.storage is None:
            return codec.encode(obj)
        (content,) = await self.converter.convert([codec.to_dict(obj)], self.storage.api_version)
        self.storage.clean(content)
        return codec.encode(self.storage.typed(content))

    def written(self, key: str, obj: Any, revision: int, created: int) -> Entry[Any]:
        """The entry that shows an object of this version as it was written."""
        return Entry(self._kind, key, with_revision(codec.encode(obj), revision), revision, created)
