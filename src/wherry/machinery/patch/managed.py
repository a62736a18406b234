"""managedFields after a plain write (create, update, patches): who took which field from whom.

A write owns what it added or changed, and every other manager loses that and what was removed; writing a value that is
already there changes nothing. Identity, version and type of the object belong to nobody. At most ten managers of plain
writes are kept; the oldest ones are joined as `ancient-changes`.
https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from wherry.machinery import codec
from wherry.machinery.errors import BadRequest
from wherry.machinery.fields import DOT, FieldSet, TypeInfo, difference, union, without
from wherry.machinery.meta import ManagedFieldsEntry
from wherry.machinery.patch.ownership import changes
from wherry.machinery.time import Time

Entries = tuple[ManagedFieldsEntry, ...]
Builtins = dict[str, Any]

_MAX_UPDATERS: Final = 10
_MAX_NAME: Final = 128
_IDENTITY = (
    "name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation", "managedFields",
    "resourceVersion",
)  # fmt: skip
_UNOWNED: Final[FieldSet] = {
    "f:apiVersion": {},
    "f:kind": {},
    "f:metadata": {DOT: {}, **{f"f:{name}": {} for name in _IDENTITY}},
}


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes, in which API version, when, and to which subresource ("" for the object itself)."""

    manager: str
    api_version: str
    time: Time
    subresource: str = ""
    ignored: FieldSet = field(default_factory=dict)
    """Fields that this endpoint resets, hence does not own: {"f:status": {}} for most kinds' main endpoint."""


def manager_name(asked: str, user_agent: str) -> str:
    """The manager of a request: `fieldManager` as asked for, else the program in the user agent."""
    name = asked or "".join(c for c in user_agent.partition("/")[0] if c.isprintable()) or "unknown"
    return name.encode()[:_MAX_NAME].decode(errors="ignore")


def sent_or_live(sent: Entries, live: Entries, subresource: str = "") -> Entries:
    """Where a write starts from: what the client sent back (one empty entry: forget all), or else what is live, also
    where what was sent cannot be read."""
    if subresource or not sent or sent == live:
        return live
    if sent == (ManagedFieldsEntry(),):
        return ()
    return sent if all(map(_readable, sent)) else live


def _readable(entry: ManagedFieldsEntry) -> bool:
    known = entry.operation in ("Apply", "Update") and entry.api_version and entry.fields_type == "FieldsV1"
    return bool(known) and _is_set(entry.fields_v1 or {})


def _is_set(fields: Any) -> bool:
    """Whether this is a tree of path elements, as FieldsV1 writes them."""
    todo = [fields]
    while todo:
        tree = todo.pop()
        if not isinstance(tree, dict) or not all(map(_is_element, tree)):
            return False
        todo += tree.values()
    return True


def _is_element(name: str) -> bool:
    word, colon, rest = name.partition(":")
    if not colon or word == "f":
        return bool(colon) or name == DOT
    try:
        value = msgspec.json.decode(rest)
    except msgspec.DecodeError:
        return False
    return word == "v" or (word == "k" and isinstance(value, dict)) or (word == "i" and isinstance(value, int))


def after_update(info: TypeInfo, old: Any, new: Any, entries: Entries, writer: Writer) -> Entries:
    """The entries after a plain write of `new` over `old` (None on create).

    Objects are structs or JSON builtins. The very same `entries` come back when nothing changed. An object that nobody
    tracks is not tracked from an update on, only from its creation or its first apply. Raises BadRequest for objects
    nested hundreds of levels deep.
    """
    if old is not None and not entries:
        return entries
    try:
        return _after(info, _differing(old, new), entries, writer)
    except RecursionError:
        raise BadRequest("the object is nested too deeply") from None


def _after(info: TypeInfo, objects: tuple[Builtins, Builtins], entries: Entries, writer: Writer) -> Entries:
    before, after = objects
    gained, lost = changes(before, after, info)
    if writer.ignored:  # put back later: nobody wins or loses it here
        gained, lost = without(gained, writer.ignored), without(lost, writer.ignored)
    if not gained and not lost:
        return entries
    own = difference(gained, _UNOWNED)
    kept = [left for entry in entries if (left := _less(entry, gained, lost)) is not None]
    if own:
        kept = _added(kept, own, writer)
    return tuple(sorted(_capped(kept), key=order))


def _added(entries: list[ManagedFieldsEntry], own: FieldSet, writer: Writer) -> list[ManagedFieldsEntry]:
    kept = []
    for entry in entries:
        if entry.operation == "Update" and _same_writer(entry, writer):
            own = union(own, entry.fields_v1 or {})
        else:
            kept.append(entry)
    kept.append(entry_of(writer, "Update", own))
    return kept


def _same_writer(entry: ManagedFieldsEntry, writer: Writer) -> bool:
    return (entry.manager, entry.api_version, entry.subresource) == (
        writer.manager, writer.api_version, writer.subresource,
    )  # fmt: skip


def _less(entry: ManagedFieldsEntry, gained: FieldSet, lost: FieldSet) -> ManagedFieldsEntry | None:
    """The entry without these fields: itself where it has none of them, None where nothing is left."""
    fields = entry.fields_v1 or {}
    left = difference(difference(fields, gained), lost)
    if left is fields:
        return entry
    return msgspec.structs.replace(entry, fields_v1=left) if left else None


def disowned(fields: FieldSet, writer: Writer) -> FieldSet:
    """Without what nobody owns and what the writer's endpoint resets."""
    fields = difference(fields, _UNOWNED)
    return without(fields, writer.ignored) if writer.ignored else fields


def entry_of(writer: Writer, operation: str, fields: FieldSet) -> ManagedFieldsEntry:
    """The entry of a writer."""
    return ManagedFieldsEntry(
        manager=writer.manager,
        operation=operation,
        api_version=writer.api_version,
        time=writer.time,
        fields_type="FieldsV1",
        fields_v1=in_order(fields),
        subresource=writer.subresource,
    )


def in_order(fields: FieldSet) -> FieldSet:
    """The same tree with its keys sorted: clients compare it byte by byte. What is sorted already is handed back."""
    names = sorted(fields)
    same = names == list(fields)
    if not any(fields.values()):  # leaves, as nearly everywhere
        return fields if same else {name: fields[name] for name in names}
    below: FieldSet = {}
    for name in names:
        child = fields[name]
        below[name] = ordered = in_order(child) if child else child
        same = same and ordered is child
    return fields if same else below


def order(entry: ManagedFieldsEntry) -> tuple[str, str, str, str, str]:
    """Entries are sorted: applied ones first, then by time."""
    return (entry.operation, entry.time or "", entry.manager, entry.api_version, entry.subresource)


def _capped(entries: list[ManagedFieldsEntry]) -> list[ManagedFieldsEntry]:
    """At most ten Update entries: the oldest of one API version are joined."""
    updaters = sorted((e for e in entries if e.operation == "Update"), key=order)
    excess = len(updaters) - _MAX_UPDATERS
    if excess <= 0:
        return entries
    groups: dict[str, list[ManagedFieldsEntry]] = {}
    for entry in updaters:
        if excess <= 0:
            break
        group = groups.setdefault(entry.api_version, [])
        excess -= bool(group)
        group.append(entry)
    joined = [group for group in groups.values() if len(group) > 1]
    gone = {id(entry) for group in joined for entry in group}
    return [entry for entry in entries if id(entry) not in gone] + [_joined(group) for group in joined]


def _joined(group: list[ManagedFieldsEntry]) -> ManagedFieldsEntry:
    fields: FieldSet = {}
    for entry in group:
        fields = union(fields, entry.fields_v1 or {})
    return msgspec.structs.replace(group[-1], manager="ancient-changes", subresource="", fields_v1=in_order(fields))


# --- what differs at all ----------------------------------------------------------------------------------------------


_BLANKS: dict[type, Any] = {}


def _blank(struct: type) -> Any:
    """An object of this type with nothing in it, made once."""
    found = _BLANKS.get(struct)
    if found is None:
        found = _BLANKS[struct] = struct()
    return found


def _differing(old: Any, new: Any) -> tuple[Builtins, Builtins]:
    """Both objects as builtins, without identity; of structs, only the top-level fields that differ are converted."""
    if isinstance(new, Mapping):
        return _stripped(old or {}), _stripped(new)
    blank = _blank(type(new))
    if old is None:
        old = blank  # a field that a new object has although nobody gave it a value is nobody's
    old, new = _unversioned(old), _unversioned(new)
    same = {name: getattr(blank, name) for name in new.__struct_fields__ if getattr(old, name) == getattr(new, name)}
    if len(same) == len(new.__struct_fields__):
        return {}, {}
    before, after = msgspec.structs.replace(old, **same), msgspec.structs.replace(new, **same)
    return _stripped(codec.to_dict(before)), _stripped(codec.to_dict(after))


def _unversioned(obj: Any) -> Any:
    """A struct without its bulky and ever-changing metadata."""
    meta = msgspec.structs.replace(obj.metadata, managed_fields=(), resource_version="", generation=0)
    return msgspec.structs.replace(obj, metadata=meta)


def _stripped(obj: Mapping[str, Any]) -> dict[str, Any]:
    out = {name: value for name, value in obj.items() if name not in ("kind", "apiVersion", "metadata")}
    # metadata itself is always there, so that writing into it does not make it
    meta = obj.get("metadata") or {}
    out["metadata"] = {name: value for name, value in meta.items() if name not in _IDENTITY}
    return out
