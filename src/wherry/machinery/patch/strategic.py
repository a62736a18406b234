"""Strategic merge patches: JSON merge patches that know which lists merge by which key.

https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md
Directives: `$patch: replace|delete` in a map or list item, `$retainKeys: [names]`, `$setElementOrder/<list>: [...]` and
`$deleteFromPrimitiveList/<list>: [...]`. Nothing passed in is changed; directives never reach the result. A patch that
makes no sense raises BadRequest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from wherry.machinery.errors import BadRequest
from wherry.machinery.fields import TypeInfo
from wherry.machinery.validation import show

Map = dict[str, Any]
List = list[Any]

_PATCH: Final = "$patch"
_RETAIN: Final = "$retainKeys"
_ORDER: Final = "$setElementOrder"
_DELETE: Final = "$deleteFromPrimitiveList"
_DIRECTIVES = (_PATCH, _RETAIN, _ORDER, _DELETE)


def strategic_merge(original: Map, patch: object, info: TypeInfo) -> Map:
    """The original with the patch merged in, by the merge keys and strategies of its type."""
    if not isinstance(patch, dict):
        raise BadRequest("invalid JSON document")
    return _merge_map(original, patch, info)


def _merge_map(original: Map, patch: Map, info: TypeInfo) -> Map:
    if _PATCH in patch:
        return _directed(patch)
    merged = _retained(original, patch)
    ordered = [name for name in patch if name.startswith(_ORDER)]
    done = {_list_name(name, _ORDER) for name in ordered}
    for directive in ordered:
        _merge_ordered(merged, patch, directive, info)
    for name, value in patch.items():
        if name.startswith(_DELETE):
            _delete_values(merged, name, value)
        elif name not in done and not name.startswith((_ORDER, _RETAIN)):
            _merge_entry(merged, name, value, info)
    return merged


def _directed(patch: Map) -> Map:
    """What a `$patch` in a map asks for."""
    directive = patch[_PATCH]
    if directive == "replace":
        return {name: value for name, value in patch.items() if name != _PATCH}
    if directive == "delete":
        return {}
    raise BadRequest(f"unknown patch type: {directive} in map: {show(patch)}")


def _merge_entry(merged: Map, name: str, value: Any, info: TypeInfo) -> None:
    if value is None:
        merged.pop(name, None)
        return
    live = merged.get(name)
    if isinstance(value, dict) and isinstance(live, dict):
        child = info.child(name)
        merged[name] = value if "replace" in child.patch_strategies else _merge_map(live, value, child)
    elif isinstance(value, list) and isinstance(live, list):
        merged[name] = _merge_list(live, value, info.child(name))
    else:
        cleaned = _clean(value)
        if cleaned is _NOTHING:
            merged.pop(name, None)
        else:
            merged[name] = cleaned


_NOTHING: Final = object()


def _clean(value: Any) -> Any:
    """A value that is new, without nulls and directives; `_NOTHING` for a map that is itself a directive."""
    if isinstance(value, dict):
        if _PATCH in value:
            return _NOTHING
        entries = {k: _clean(v) for k, v in value.items() if v is not None and not k.startswith(_DIRECTIVES)}
        return {name: below for name, below in entries.items() if below is not _NOTHING}
    if isinstance(value, list):
        return [item for item in map(_clean, value) if item is not _NOTHING]
    return value


# --- directives beside a list -----------------------------------------------------------------------------------------


def _retained(original: Map, patch: Map) -> Map:
    """A copy of the original with only the keys that `$retainKeys` lists, if it is there."""
    if _RETAIN not in patch:
        return dict(original)
    names = patch[_RETAIN]
    if not isinstance(names, list):
        raise BadRequest("invalid patch format of retainKeys")
    for name, value in patch.items():
        if value is not None and name not in names and not name.startswith((_RETAIN, _DELETE, _ORDER)):
            raise BadRequest("invalid patch format of retainKeys")
    return {name: value for name, value in original.items() if name in names}


def _list_name(directive: str, prefix: str) -> str:
    found, slash, name = directive.partition("/")
    if found != prefix or not slash:
        kind = "primitive list" if prefix == _DELETE else "setElementOrder list"
        raise BadRequest(f"invalid patch format of {kind}")
    return name


def _delete_values(merged: Map, directive: str, values: Any) -> None:
    name = _list_name(directive, _DELETE)
    live = merged.get(name)
    if not isinstance(values, list):
        raise BadRequest("invalid patch format of primitive list")
    if isinstance(live, list):
        merged[name] = [value for value in live if value not in values]


def _merge_ordered(merged: Map, patch: Map, directive: str, info: TypeInfo) -> None:
    """Merge a list and put it in the order that its `$setElementOrder` asks for."""
    name, wanted = _list_name(directive, _ORDER), patch[directive]
    child, live, changes = info.child(name), merged.get(name), patch.get(name)
    if not isinstance(wanted, list):
        raise BadRequest("invalid patch format of setElementOrder list")
    for value in (live, changes):
        if value is not None and not isinstance(value, list):
            raise BadRequest(f"expected a list, but received {show(value)} for {name}")
    if changes is None:
        if name in patch:
            merged.pop(name, None)
            return
        result = live
    else:
        _check_order(changes, wanted, child)
        result = _clean(changes) if live is None else _merge_list(live, changes, child)
    if result is not None:
        merged[name] = _arranged(result, wanted, live or [], _identity(child, result))


def _check_order(changes: List, wanted: List, info: TypeInfo) -> None:
    """Whether the items of a patch list come in the order of its `$setElementOrder`."""
    if not wanted or not changes:
        return
    identify = _identity(info, changes)
    places = iter([identify(item) for item in wanted])
    for item in changes:
        if isinstance(item, dict) and _PATCH in item:
            continue
        if identify(item) not in places:  # consumes up to the item found
            raise BadRequest(
                f"The order in patch list:\n{show(changes)}\n doesn't match {_ORDER} list:\n{show(wanted)}\n"
            )


# --- lists ------------------------------------------------------------------------------------------------------------


def _merge_list(live: List, patch: List, info: TypeInfo) -> List:
    if "merge" not in info.patch_strategies:
        return patch
    items = [*live, *patch]
    if any(isinstance(item, list) for item in items):
        raise BadRequest("lists of lists are not supported")
    maps = sum(isinstance(item, dict) for item in items)
    if maps not in (0, len(items)):
        raise BadRequest("list element types are not identical")
    if not maps:
        return _arranged(list(dict.fromkeys(items)), patch, live, _itself)
    if not info.merge_key:
        raise BadRequest("cannot merge lists without merge key")
    return _merge_items(live, patch, info)


def _merge_items(live: List, patch: List, info: TypeInfo) -> List:
    identify = _identity(info, patch)
    special = [item for item in patch if _PATCH in item]
    plain = [item for item in patch if _PATCH not in item]
    deleted, replaced = set(), False
    for item in special:
        match item[_PATCH]:
            case "delete":
                deleted.add(identify(item))
            case "replace":
                replaced = True
            case "merge":
                raise BadRequest("merging lists cannot yet be specified in the patch")
            case _:
                raise BadRequest(f"unknown patch type: {item[_PATCH]} in map: {show(item)}")
    if replaced:
        return plain
    kept = [item for item in live if identify(item) not in deleted]
    merged = list(kept)
    places = {identify(item): place for place, item in reversed(list(enumerate(merged)))}
    for item in plain:
        place = places.get(identify(item))
        if place is None:
            places[identify(item)] = len(merged)
            merged.append(_clean(item))
        else:
            merged[place] = _merge_map(merged[place], item, info.items)
    return _arranged(merged, plain, kept, identify)


def _itself(item: Any) -> Any:
    return (type(item), item)


def _identity(info: TypeInfo, items: List) -> Callable[[Any], Any]:
    """What tells the items of this list apart: their merge key, or scalars themselves."""
    key = info.merge_key
    if not key or (items and not isinstance(items[0], dict)):
        return _itself

    def identify(item: Any) -> Any:
        if not isinstance(item, Mapping) or key not in item:
            raise BadRequest(f"map: {show(item)} does not contain declared merge key: {key}")
        value = item[key]
        if isinstance(value, (dict, list)):
            raise BadRequest(f"merge key {key} must not be {show(value)}")
        return (type(value), value)

    return identify


def _arranged(items: List, wanted: List, live: List, identify: Callable[[Any], Any]) -> List:
    """The items that `wanted` lists in its order, the others in the live order, in their old place if possible."""
    asked = _places(wanted, identify)
    stood = _places(live, identify)
    ours = sorted((i for i in items if identify(i) in asked), key=lambda i: asked[identify(i)])
    others = sorted((i for i in items if identify(i) not in asked), key=lambda i: stood.get(identify(i), len(live)))
    out: List = []
    for item in ours:
        place = stood.get(identify(item))
        while place is not None and others and stood.get(identify(others[0]), len(live)) < place:
            out.append(others.pop(0))
        out.append(item)
    return out + others


def _places(items: List, identify: Callable[[Any], Any]) -> dict[Any, int]:
    found: dict[Any, int] = {}
    for place, item in enumerate(items):
        found.setdefault(identify(item), place)
    return found
