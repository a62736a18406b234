"""Structs that a JSON patch may count on: those that are part of every object, written or not.

Go writes a struct field even when all of it is empty (`"status":{}`, a container's `"resources":{}`); here such fields
are left out, so they are put back where the operations of a patch lead to them or through them (RFC 6902 asks that
what is replaced, and the parent of what is added, be there).
"""

from __future__ import annotations

from types import UnionType
from typing import Any, NamedTuple, get_args, get_origin

import msgspec


def with_parents(kind: type[Any], obj: dict[str, Any], operations: object) -> dict[str, Any]:
    """`obj`, changed in place: the JSON of a `kind` with the empty structs on the way of each operation."""
    for operation in operations if isinstance(operations, list) else ():
        if isinstance(operation, dict):
            for path, steps in _ways(operation):
                _fill(kind, obj, path.split("/")[1:][:steps])
    return obj


def _ways(operation: dict[str, Any]) -> list[tuple[str, int | None]]:
    """The pointers of an operation, and where each is cut: what is added need not be there."""
    ends = {"path": -1 if operation.get("op") in ("add", "copy", "move") else None, "from": None}
    return [(way, cut) for name, cut in ends.items() if isinstance(way := operation.get(name), str)]


class _Field(NamedTuple):
    """A field that holds structs: of which type, whether it always holds one, and whether it is a list of them."""

    type: type[Any]
    always: bool = False
    many: bool = False


def _fill(kind: type[Any], here: Any, steps: list[str]) -> None:
    field: _Field | None = None
    for step in steps:
        if field is not None and field.many:
            here, field = _item(here, step), None
        elif isinstance(here, dict):
            field = _known(kind).get(step)
            if field is None:
                return
            kind = field.type
            here = here.setdefault(step, {}) if field.always else here.get(step)
        if here is None:
            return


def _item(items: Any, step: str) -> Any:
    if not isinstance(items, list) or not (step.isascii() and step.isdigit()) or len(step) > 9:
        return None
    return items[int(step)] if int(step) < len(items) else None


_KNOWN: dict[type[Any], dict[str, _Field]] = {}


def _known(kind: type[Any]) -> dict[str, _Field]:
    """Wire names of the fields that hold structs; worked out once."""
    found = _KNOWN.get(kind)
    if found is None:
        found = _KNOWN[kind] = _structs(kind)
    return found


def _structs(kind: type[Any]) -> dict[str, _Field]:
    found: dict[str, _Field] = {}
    for field in msgspec.structs.fields(kind):
        value = field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default
        if isinstance(value, msgspec.Struct):
            found[field.encode_name] = _Field(type(value), always=True)
            continue
        inner = _struct_in(field.type)
        if inner is not None:
            found[field.encode_name] = _Field(inner, many=get_origin(field.type) is tuple)
    return found


def _struct_in(hint: Any) -> type[Any] | None:
    """The struct type in `X`, `X | None` or `tuple[X, ...]`."""
    inside = get_args(hint) if get_origin(hint) in (tuple, UnionType) else (hint,)
    return next((one for one in inside if isinstance(one, type) and issubclass(one, msgspec.Struct)), None)
