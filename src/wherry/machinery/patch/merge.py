"""Merging plain JSON: RFC 7386 merge patches, and the typed merge that apply builds on. Nothing passed in is changed.

https://www.rfc-editor.org/rfc/rfc7386
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from wherry.machinery.fields import TypeInfo, shape_of
from wherry.machinery.patch.ownership import item_element


def merge_patch(target: Any, patch: Any) -> Any:
    """The target with an RFC 7386 merge patch applied: null removes, objects merge, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict):
            merged[name] = merge_patch(merged.get(name), value)
        else:
            merged[name] = value
    return merged


def merge_typed(left: Any, right: Any, info: TypeInfo) -> Any:
    """Right over left, as apply merges: items of associative lists by their keys, atomic values as a whole.

    Null for something that holds fields or items changes nothing. Items only in `left` keep their place between those
    in `right`, whose order wins.
    """
    if right is None:
        return left if left and shape_of(info, left) != "leaf" else None
    shape = shape_of(info, right)
    if shape == "leaf" or not left or shape_of(info, left) != shape:
        return right
    if isinstance(right, dict):
        merged = dict(left)
        for name, value in right.items():
            merged[name] = merge_typed(left[name], value, info.child(name)) if name in left else value
        return merged
    return _merge_lists(left, right, info)


def _merge_lists(left: list[Any], right: list[Any], info: TypeInfo) -> list[Any]:
    ours = [item_element(item, info) for item in left]
    theirs = [item_element(item, info) for item in right]
    times = Counter(ours)
    # An item that the live list has twice is replaced, not merged.
    known = {element: item for element, item in zip(ours, left, strict=True) if times[element] == 1}
    wanted = dict(zip(theirs, right, strict=True))
    out: list[Any] = []
    for mine, element in _interleaved(ours, theirs):
        if element is None:
            out.append(left[mine])
        elif element in known:
            out.append(merge_typed(known[element], wanted[element], info.items))
        else:
            out.append(wanted[element])
    return out


def _interleaved(ours: list[str], theirs: list[str]) -> Iterator[tuple[int, str | None]]:
    """The merged order: (index in ours, None) for what only we have, (_, element) for each of theirs.

    Theirs stay in their order; what only we have comes where it stood relative to what both have, as far as that order
    is the same.
    """
    asked = set(theirs)
    present = set(ours)
    shared = [element for element in theirs if element in present]
    merged: set[str] = set()
    li = ri = at = 0
    while li < len(ours) or ri < len(theirs):
        here = ours[li] if li < len(ours) else None
        turn = shared[at] if at < len(shared) else None
        if here is not None and here not in asked:
            yield li, None
            li += 1
        elif ri == len(theirs) or (here is not None and here != theirs[ri] and turn is not None and turn != here):
            li += 1  # merged already, or its turn comes later
        else:
            element = theirs[ri]
            li += here is not None and (here == element or here in merged)
            yield li, element
            merged.add(element)
            ri += 1
            at += element == turn
