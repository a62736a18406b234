"""Shapes: what fields a type has on the wire, compiled once per type from msgspec's own view of it.

Used where the typed decoder is silent: unknown fields, numbers out of range, and the Go-like wording of type errors
that clients and tests of upstream expect.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import inspect

_INT64 = 1 << 63


class Shape:
    """The wire form of one type. `fields` for objects with known fields, `item` for what lists and maps hold."""

    __slots__ = ("fields", "form", "go", "item", "name")

    def __init__(self, form: str, name: str, go: str) -> None:
        self.form = form  # struct | list | map | int | scalar | any
        self.name = name  # of a struct, as Go calls it
        self.go = go  # the Go type, for messages
        self.fields: dict[str, Shape] = {}
        self.item: Shape | None = None

    def at(self, path: list[str]) -> tuple[Shape, str, list[str]]:
        """Walk a msgspec path: (the shape there, the struct that holds it, the field names on the way)."""
        here, owner = self, self.name
        names: list[str] = []
        for step in path:
            if step.startswith("["):
                here = here.item or _ANY
                continue
            if here.form == "struct":
                owner = here.name
                names.append(step)
                here = here.fields.get(step, _ANY)
        return here, owner, names


_ANY = Shape("any", "", "interface {}")
ANYTHING = _ANY
"""The shape of what nothing is known about."""
_KNOWN: dict[type[Any], Shape] = {}
_SCALARS: dict[type[Any], tuple[str, str]] = {
    inspect.StrType: ("scalar", "string"),
    inspect.BytesType: ("scalar", "[]uint8"),
    inspect.BoolType: ("scalar", "bool"),
    inspect.IntType: ("int", "int32"),
    inspect.FloatType: ("scalar", "float64"),
    inspect.CustomType: ("scalar", "string"),
}


def shape_of(kind: type[Any]) -> Shape:
    """The shape of a struct type."""
    found = _KNOWN.get(kind)
    if found is None:
        found = _KNOWN[kind] = _build(inspect.type_info(kind), {})
    return found


def _build(info: inspect.Type, seen: dict[type[Any], Shape]) -> Shape:
    match info:
        case inspect.UnionType(types=options):
            real = [t for t in options if not isinstance(t, inspect.NoneType)]
            return _build(real[0], seen) if len(real) == 1 else _ANY
        case inspect.StructType(cls=cls):
            return _struct(info, cls, seen)
        case inspect.VarTupleType(item_type=item) | inspect.ListType(item_type=item):
            inner = _build(item, seen)
            shape = Shape("list", "", f"[]{inner.go}")
            shape.item = inner
            return shape
        case inspect.DictType(value_type=value):
            inner = _build(value, seen)
            shape = Shape("map", "", f"map[string]{inner.go}")
            shape.item = inner
            return shape
        case _:
            form, go = _SCALARS.get(type(info), ("any", "interface {}"))
            return _ANY if form == "any" else Shape(form, "", go)


def _struct(info: inspect.StructType, cls: type[Any], seen: dict[type[Any], Shape]) -> Shape:
    found = seen.get(cls)
    if found is not None:
        return found
    shape = seen[cls] = Shape("struct", cls.__name__, f"v1.{cls.__name__}")
    for field in info.fields:
        shape.fields[field.encode_name] = _build(field.type, seen)
    return shape


class Findings:
    """What a walk over decoded JSON found: unknown fields, numbers out of range, how many object keys there are.

    `deep`: also count the keys of what has no known fields.
    """

    __slots__ = ("deep", "keys", "too_big", "unknown")

    def __init__(self, *, deep: bool = True) -> None:
        self.deep = deep
        self.keys = 0
        self.unknown: list[str] = []
        self.too_big: list[tuple[str, int]] = []


def inspect_value(value: object, shape: Shape, path: str, found: Findings) -> None:
    """Compare decoded JSON with a shape; `path` is the field path so far. Depth is bounded by the JSON decoder's."""
    if type(value) is dict:
        found.keys += len(value)
        if shape is _ANY and not found.deep:
            return
        if shape.form == "struct":
            _inspect_struct(value, shape, path, found)
        else:
            item = shape.item or _ANY
            for key, child in value.items():
                if type(child) in _DEEP:
                    inspect_value(child, item, f"{path}.{key}" if path else key, found)
    elif type(value) is list:
        item = shape.item or _ANY
        for index, child in enumerate(value):
            if type(child) in _DEEP:
                inspect_value(child, item, f"{path}[{index}]", found)
    elif type(value) is int and not -_INT64 <= value < _INT64:
        found.too_big.append((path, value))


_DEEP = (dict, list, int)


def _inspect_struct(value: dict[str, Any], shape: Shape, path: str, found: Findings) -> None:
    fields = shape.fields
    for key, child in value.items():
        inner = fields.get(key)
        if inner is None:
            found.unknown.append(f"{path}.{key}" if path else key)
            inner = _ANY
        if type(child) in _DEEP:
            inspect_value(child, inner, f"{path}.{key}" if path else key, found)


def without_nulls(value: Any) -> Any:
    """JSON without null members: Go reads null as "not given" for every field."""
    if type(value) is dict:
        return {key: without_nulls(child) for key, child in value.items() if child is not None}
    if type(value) is list:
        return [without_nulls(child) for child in value if child is not None]
    return value


def go_message(error: msgspec.ValidationError, kind: type[Any]) -> str:
    """A msgspec type error in the words of Go's decoder, which clients know."""
    text = str(error)
    message, _, where = text.partition(" - at `$")
    steps = _steps(where.partition("`")[0])
    shape, owner, names = shape_of(kind).at(steps)
    got = message.rpartition("got `")[2].rstrip("`") if "got `" in message else ""
    if not got:
        if message.startswith("Number out of range"):
            return f"json: cannot unmarshal number into Go struct field {owner}.{'.'.join(names)} of type {shape.go}"
        return message
    word = {"str": "string", "int": "number", "float": "number", "bool": "bool"}.get(got, got)
    if not names:
        return f"json: cannot unmarshal {word} into Go value of type v1.{kind.__name__}"
    return f"json: cannot unmarshal {word} into Go struct field {owner}.{'.'.join(names)} of type {shape.go}"


def _steps(path: str) -> list[str]:
    out = [part for part in path.replace("[", ".[").split(".") if part and part != "...]"]
    return ["[]" if step.startswith("[") else step for step in out]
