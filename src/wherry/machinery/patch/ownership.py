"""From values to field sets: what an object owns, and what changed between two objects.

Works on JSON builtins and a `TypeInfo`; follows structured-merge-diff, which upstream uses
(https://github.com/kubernetes-sigs/structured-merge-diff). Only subtrees that differ are walked, none is changed.
Items of associative lists that occur twice count as one indivisible item, since live objects may hold such lists.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

import msgspec

from wherry.machinery.fields import ANY, DOT, LEAF, FieldSet, TypeInfo, shape_of, show_path

_MISSING: Final = object()
_KEPT: Final = 64
"""Most trees that are kept of one type."""


class Mistyped(ValueError):
    """An applied configuration does not fit its type; the text begins with the path."""


class _Repeated(tuple[Any, ...]):
    """All items of an associative list that share their keys."""

    __slots__ = ()


# --- path elements of list items --------------------------------------------------------------------------------------


@lru_cache(maxsize=16384, typed=True)
def _key_element(names: tuple[str, ...], values: tuple[Any, ...]) -> str:
    return "k:" + msgspec.json.encode(dict(sorted(zip(names, values, strict=True)))).decode()


@lru_cache(maxsize=4096, typed=True)
def _value_element(value: Any) -> str:
    return "v:" + msgspec.json.encode(value).decode()


def item_element(item: Any, info: TypeInfo) -> str:
    """Path element of an item in a list of type `info` (set or map). Raises Mistyped when it has none of the keys."""
    if info.shape == "set" or not isinstance(item, dict):
        return _value_element(item) if isinstance(item, (str, int, float, bool)) else f"v:{_text(item)}"
    names, values = [], []
    for name in info.list_keys:
        value = item.get(name, _MISSING)
        if value is _MISSING:
            value = info.key_defaults.get(name, _MISSING)
        if value is not _MISSING:
            names.append(name)
            values.append(value)
    if not names:
        raise Mistyped(f"associative list with keys has an element that omits key field {_text(info.list_keys[0])}")
    try:
        return _key_element(tuple(names), tuple(values))
    except TypeError:  # a key that is a list or object
        return f"k:{_text(dict(zip(names, values, strict=True)))}"


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def by_element(items: Iterable[Any], info: TypeInfo) -> dict[str, Any]:
    """Path element -> item, or a tuple of items where several share it."""
    found: dict[str, Any] = {}
    for item in items:
        element = item_element(item, info)
        if element in found:
            before = found[element]
            found[element] = _Repeated((*before, item) if isinstance(before, _Repeated) else (before, item))
        else:
            found[element] = item
    return found


# --- what is there ----------------------------------------------------------------------------------------------------


def grown(value: Any, info: TypeInfo) -> FieldSet:
    """The set of everything in a value that came into being (or went): all leaves and all nodes above them."""
    shape = info.shape
    if shape == "leaf" or not value or isinstance(value, _Repeated):
        return LEAF
    tree: FieldSet = {DOT: LEAF}
    if isinstance(value, dict):
        if shape == "struct":
            return info.of_leaves.get(tuple(value)) or _grown_struct(value, info)
        if shape in ("map", "any"):
            child = info.items
            for name, below in value.items():
                tree[f"f:{name}"] = grown(below, child)
            return tree
    elif isinstance(value, list) and shape in ("set", "keyed"):
        child = info.items
        for element, item in by_element(value, info).items():
            tree[element] = grown(item, child)
        return tree
    return LEAF


def _grown_struct(value: dict[str, Any], info: TypeInfo) -> FieldSet:
    """The same of a struct. Where all is leaves, the tree is a matter of names alone, and kept."""
    members = info.members
    leaves = True
    tree: FieldSet = {DOT: LEAF}
    for name, below in value.items():
        element, child = members.get(name) or (f"f:{name}", ANY)
        if child.shape == "leaf":
            tree[element] = LEAF
        else:
            leaves = False
            tree[element] = grown(below, child)
    if leaves and len(info.of_leaves) < _KEPT:
        tree = info.of_leaves[tuple(value)] = dict(sorted(tree.items()))
    return tree


def owned(value: Any, info: TypeInfo, *, strict: bool = False) -> FieldSet:
    """The set that applying a configuration owns: its leaves, items, map entries and empty maps.

    `strict` refuses what is not in the schema and repeated items. Raises Mistyped.
    """
    return _owned(value, info, "", strict=strict) or {}


def _owned(value: Any, info: TypeInfo, path: str, *, strict: bool) -> FieldSet | None:
    """None: nothing, as for an empty list."""
    shape = shape_of(info, value)
    if shape == "leaf" or value == {}:
        if strict and value is not None:
            _check_leaf(value, info, path)
        return LEAF
    tree: FieldSet = {}
    if isinstance(value, dict):
        for name, entry in value.items():
            if (below := _owned_entry(entry, info, f"{path}.{name}", name, strict=strict)) is not None:
                tree[f"f:{name}"] = below
        return tree or None
    try:
        items = by_element(value, info)
    except Mistyped as error:
        raise Mistyped(f"{path}: {error}") from None
    for element, item in items.items():
        if isinstance(item, _Repeated):
            if strict:
                raise Mistyped(f"{path}: duplicate entries for key {show_path((element,))}")
            tree[element] = LEAF
        else:
            tree[element] = _with_itself(_owned(item, info.items, path + show_path((element,)), strict=strict))
    return tree or None


def _owned_entry(value: Any, info: TypeInfo, path: str, name: str, *, strict: bool) -> FieldSet | None:
    declared = info.kind == "struct" and name in info.fields
    if strict and info.kind == "struct" and not declared and not info.open:
        raise Mistyped(f"{path}: field not declared in schema")
    tree = _owned(value, info.child(name), path, strict=strict)
    return tree if declared else _with_itself(tree)


def _with_itself(tree: FieldSet | None) -> FieldSet:
    return {DOT: LEAF, **tree} if tree else LEAF


def _check_leaf(value: Any, info: TypeInfo, path: str) -> None:
    if info.kind in ("struct", "map") and not isinstance(value, dict):
        raise Mistyped(f"{path}: expected map, got {_text(value)}")
    if info.kind == "list" and not isinstance(value, list):
        raise Mistyped(f"{path}: expected list, got {_text(value)}")
    if info.kind == "scalar" and isinstance(value, (dict, list)):
        raise Mistyped(f"{path}: expected scalar, got {_text(value)}")


# --- what changed -----------------------------------------------------------------------------------------------------


def changes(old: dict[str, Any], new: dict[str, Any], info: TypeInfo) -> tuple[FieldSet, FieldSet]:
    """(added or modified, removed) between two objects of one type."""
    gained, lost = _diff_entries(old, new, info)
    return gained or {}, lost or {}


_Diff = tuple[FieldSet | None, FieldSet | None]


def _diff(before: Any, after: Any, info: TypeInfo) -> _Diff:
    """The difference of two values that are both there and not equal; null counts as empty."""
    if info.shape == "leaf" or (not before and not after):  # null and empty are told apart
        return LEAF, None
    if isinstance(before, _Repeated) or isinstance(after, _Repeated):
        return grown(after, info), (None if isinstance(before, _Repeated) else grown(before, info))
    shape = shape_of(info, before if after is None else after)
    if shape != shape_of(info, after if before is None else before):
        return grown(after, info), grown(before, info)
    if shape == "leaf":
        return LEAF, None
    if shape in ("struct", "map"):
        return _diff_entries(before or {}, after or {}, info)
    return _diff_items(by_element(before or (), info), by_element(after or (), info), info.items)


def _diff_entries(before: dict[str, Any], after: dict[str, Any], info: TypeInfo) -> _Diff:
    gained: FieldSet = {}
    lost: FieldSet = {}
    members, item = (info.members, ANY) if info.kind == "struct" else ({}, info.items)
    for name in {**before, **after}:
        old, new = before.get(name, _MISSING), after.get(name, _MISSING)
        if old is new or old == new:
            continue
        element, child = members.get(name) or (f"f:{name}", item)
        if child.always:
            empty: Any = {} if child.kind == "struct" else None
            old, new = (empty if old is _MISSING else old), (empty if new is _MISSING else new)
            if old == new:
                continue
        _note(element, old, new, child, gained, lost)
    return gained or None, lost or None


def _diff_items(before: dict[str, Any], after: dict[str, Any], child: TypeInfo) -> _Diff:
    gained: FieldSet = {}
    lost: FieldSet = {}
    for element in {**before, **after}:
        old, new = before.get(element, _MISSING), after.get(element, _MISSING)
        if old is not new and old != new:
            _note(element, old, new, child, gained, lost)
    return gained or None, lost or None


def _note(element: str, old: Any, new: Any, child: TypeInfo, gained: FieldSet, lost: FieldSet) -> None:
    if old is _MISSING:
        gained[element] = grown(new, child)
    elif new is _MISSING:
        lost[element] = grown(old, child)
    else:
        more, less = _diff(old, new, child)
        if more is not None:
            gained[element] = more
        if less is not None:
            lost[element] = less
