"""Server-side apply: merge what a manager wants into the live object, with exact ownership.

https://kubernetes.io/docs/reference/using-api/server-side-apply/
The manager comes to own every field of its configuration. A field of another manager with another value is a conflict,
unless forced; the same value is shared. What the manager applied before and leaves out now is removed, unless somebody
else owns it. Works on JSON builtins; nothing passed in is changed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from wherry.machinery.errors import BadRequest, Cause, Conflict
from wherry.machinery.fields import (
    DOT,
    LEAF,
    FieldSet,
    TypeInfo,
    difference,
    intersection,
    paths,
    shape_of,
    show_path,
    union,
    without,
)
from wherry.machinery.meta import ManagedFieldsEntry
from wherry.machinery.patch.managed import Entries, Writer, after_update, disowned, entry_of, order
from wherry.machinery.patch.merge import merge_typed
from wherry.machinery.patch.ownership import Mistyped, changes, item_element, owned
from wherry.machinery.time import Time

Object = dict[str, Any]


class Applied(NamedTuple):
    """The object (the live one itself where nothing changed), and the entries to store as its managedFields."""

    obj: Object
    entries: Entries


def apply(
    info: TypeInfo, live: Object | None, config: Object, entries: Entries, writer: Writer, *, force: bool = False
) -> Applied:
    """Apply `config` over `live` (None: it does not exist yet), whose managedFields are `entries`.

    Raises Conflict with one FieldManagerConflict cause per field and manager, BadRequest for what does not fit the
    type. managedFields inside `live` are as good as absent.
    The result has no defaults yet and is not validated. `entries` itself comes back when ownership is as before.
    """
    wanted = _wanted(info, config, writer)
    base = live or {}
    if live is not None and not entries:
        first = Writer("before-first-apply", writer.api_version, writer.time)
        entries = after_update(info, None, live, (), first)
    mine = next((e for e in entries if _applied_by(e, writer)), None)
    others = [e for e in entries if e is not mine]
    merged = merge_typed(base, config, info)
    if mine is not None:
        managed = wanted
        for entry in others:
            managed = union(managed, entry.fields_v1 or {})
        merged = _pruned(merged, mine.fields_v1 or {}, managed, info)
    gained, lost = (without(fields, writer.ignored) for fields in changes(base, merged, info))
    if not force:
        _refuse_conflicts(others, gained)
    own = disowned(wanted, writer)
    taken = bool(gained or lost) or _takes(mine, own, writer)
    after = _after(entries, mine, own, (gained, lost), writer) if taken else entries
    return Applied(merged if merged != base else base, after)


def _wanted(info: TypeInfo, config: Object, writer: Writer) -> FieldSet:
    version, meta = config.get("apiVersion"), config.get("metadata")
    if version != writer.api_version:
        raise BadRequest(
            f"Incorrect version specified in apply patch. Specified patch version: {version}, "
            f"expected: {writer.api_version}"
        )
    if not isinstance(meta, dict):
        meta = {}
    if meta.get("managedFields") is not None:
        raise BadRequest("metadata.managedFields must be nil")
    try:
        return owned(config, info, strict=True)
    except Mistyped as error:
        name = f"{meta.get('namespace', '')}/{meta.get('name', '')}; {version}, Kind={config.get('kind', '')}"
        raise BadRequest(f"failed to create typed patch object ({name}): {error}") from None


def _applied_by(entry: ManagedFieldsEntry, writer: Writer) -> bool:
    # the API version is no part of an applier's identity
    return entry.operation == "Apply" and (entry.manager, entry.subresource) == (writer.manager, writer.subresource)


def _takes(mine: ManagedFieldsEntry | None, own: FieldSet, writer: Writer) -> bool:
    """Whether ownership alone changes."""
    if mine is None:
        return bool(own)
    return mine.fields_v1 != own or mine.api_version != writer.api_version


def _after(
    entries: Entries, mine: ManagedFieldsEntry | None, own: FieldSet, diff: tuple[FieldSet, FieldSet], writer: Writer
) -> Entries:
    kept = []
    for entry in entries:
        if entry is mine:
            continue
        fields = entry.fields_v1 or {}
        left = difference(difference(fields, diff[0]), diff[1])
        if left is fields:
            kept.append(entry)
        elif left:
            kept.append(_replaced(entry, left))
    if own:
        kept.append(entry_of(writer, "Apply", own))
    return tuple(sorted(kept, key=order))


def _replaced(entry: ManagedFieldsEntry, fields: FieldSet) -> ManagedFieldsEntry:
    writer = Writer(entry.manager, entry.api_version, entry.time or Time(""), entry.subresource)
    return entry_of(writer, entry.operation, fields)


# --- conflicts --------------------------------------------------------------------------------------------------------


def _refuse_conflicts(others: list[ManagedFieldsEntry], gained: FieldSet) -> None:
    found = [
        (_shown(entry), show_path(path))
        for entry in others
        for path in paths(intersection(entry.fields_v1 or {}, gained))
    ]
    if not found:
        return
    found.sort()
    causes = [Cause("FieldManagerConflict", f"conflict with {manager}", path) for manager, path in found]
    if len(found) == 1:
        manager, path = found[0]
        raise Conflict(f"Apply failed with 1 conflict: conflict with {manager}: {path}", causes=causes)
    lines: list[str] = []
    for manager in dict.fromkeys(manager for manager, _ in found):
        lines.append(f"conflicts with {manager}:")
        lines += [f"- {path}" for owner, path in found if owner == manager]
    text = "\n".join(lines)
    raise Conflict(f"Apply failed with {len(found)} conflicts: {text}", causes=causes)


def _shown(entry: ManagedFieldsEntry) -> str:
    text = f'"{entry.manager}"'
    if entry.subresource:
        text += f' with subresource "{entry.subresource}"'
    return f"{text} using {entry.api_version}" if entry.operation == "Update" else text


# --- pruning ----------------------------------------------------------------------------------------------------------


def _pruned(merged: Object, last: FieldSet, managed: FieldSet, info: TypeInfo) -> Object:
    """`merged` without what was applied last time and is managed by nobody now."""
    if not difference(last, managed):
        return merged
    last = _with_structs(last, info)
    present = _with_structs(owned(merged, info), info)
    left = without(present, last)
    spared = without(present, difference(present, union(left, _with_structs(managed, info))))
    gone = intersection(difference(present, spared), last)
    return _removed(merged, gone, info) or {}


def _with_structs(tree: FieldSet, info: TypeInfo) -> FieldSet:
    """The set with the structs that hold its members as members."""
    out: FieldSet = {}
    for element, below in tree.items():
        if element == DOT or not below:
            out[element] = LEAF
            continue
        is_field = element.startswith("f:")
        deeper = _with_structs(below, info.child(element[2:]) if is_field else info.items)
        named = is_field and info.kind == "struct" and element[2:] in info.fields
        out[element] = {DOT: LEAF, **deeper} if named else deeper
    return out


def _removed(value: Any, tree: FieldSet, info: TypeInfo) -> Any:
    """The value without what the set names; None where nothing is left of it."""
    shape = shape_of(info, value)
    if shape == "leaf" or not value or not tree:
        return value
    if isinstance(value, dict):
        kept = {}
        for name, below in value.items():
            left = _left(below, tree.get(f"f:{name}"), info.child(name))
            if left is not _GONE:
                kept[name] = left
        return kept or None
    items = []
    for item in value:
        left = _left(item, tree.get(item_element(item, info)), info.items)
        if left is not _GONE:
            items.append(left)
    return items or None


_GONE = object()


def _left(value: Any, tree: FieldSet | None, info: TypeInfo) -> Any:
    if tree is None:
        return value
    if not tree or DOT in tree:
        return _GONE
    left = _removed(value, tree, info)
    return _GONE if left is None and value is not None else left
