"""Type: the types of CEL expressions, with the names that upstream prints.

`max_elements` (longest text, most items) and `min_size` (smallest JSON) bound costs; they do not distinguish types.
https://github.com/google/cel-spec/blob/master/doc/langdef.md
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

UNBOUNDED = 0xFFFF_FFFF_FFFF_FFFF


@dataclass(frozen=True, slots=True)
class Type:
    """One type. `kind` is dyn, bool, int, ..., list, map, object, opaque, optional, type, param or error."""

    kind: str
    name: str
    parameters: tuple[Type, ...] = ()
    fields: Mapping[str, Field] | None = field(default=None, compare=False)
    """Of objects: by the name that expressions use (escaped)."""
    max_elements: int | None = field(default=None, compare=False)
    min_size: int = field(default=1, compare=False)
    plain: bool = field(default=True, compare=False)
    """Whether decoded JSON of this type is already what expressions work on."""
    keys: tuple[str, ...] | None = field(default=None, compare=False)
    """Of lists: () for a set, the key fields for a list that is a map: equality and + follow it. None: order counts."""

    def __str__(self) -> str:
        if self.parameters:
            return f"{self.name}({', '.join(map(str, self.parameters))})"
        return self.name

    @property
    def runtime_name(self) -> str:
        """The name that values of the type know: `google.protobuf.Timestamp`, `list`."""
        return _LONG.get(self.name, self.name)

    @property
    def declared(self) -> str:
        """The type as a declaration has it, with those names: `list(google.protobuf.Timestamp)`."""
        inner = f"({', '.join(one.declared for one in self.parameters)})" if self.parameters else ""
        return self.runtime_name + inner


_LONG = {"timestamp": "google.protobuf.Timestamp", "duration": "google.protobuf.Duration", "null": "null_type"}


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an object. `json` is its name in JSON, which need not be an identifier."""

    type: Type
    json: str
    required: bool = False


def ListOf(item: Type, *, max_items: int | None = None, keys: tuple[str, ...] | None = None) -> Type:
    """list(item)"""
    plain = item.plain and keys is None
    return Type("list", "list", (item,), max_elements=max_items, min_size=2, plain=plain, keys=keys)


def MapOf(key: Type, value: Type, *, max_items: int | None = None) -> Type:
    """map(key, value)"""
    return Type("map", "map", (key, value), max_elements=max_items, min_size=2, plain=key.plain and value.plain)


def Optional(value: Type) -> Type:
    """optional_type(value)"""
    return Type("optional", "optional_type", (value,))


def TypeOf(value: Type) -> Type:
    """type(value): what `type(x)` evaluates to."""
    return Type("type", "type", (value,))


def Param(name: str) -> Type:
    """A type parameter of a declaration."""
    return Type("param", name)


def Opaque(name: str) -> Type:
    """A type of a library, known by its name alone."""
    return Type("opaque", name)


def ObjectType(name: str, fields: Mapping[str, Type | Field], *, min_size: int = 2) -> Type:
    """An object with the fields that are declared and no others. Equal to every object of that name."""
    own = {key: value if isinstance(value, Field) else Field(value, key) for key, value in fields.items()}
    plain = all(one.type.plain for one in own.values())
    return Type("object", name, fields=own, min_size=min_size, plain=plain)


def bounded(kind: Type, *, max_elements: int, min_size: int = 1) -> Type:
    """The same type with limits."""
    return replace(kind, max_elements=max_elements, min_size=min_size)


DYN = Type("dyn", "dyn")
BOOL = Type("bool", "bool", min_size=4)
INT = Type("int", "int")
UINT = Type("uint", "uint")
DOUBLE = Type("double", "double", plain=False)
STRING = Type("string", "string", min_size=2)
BYTES = Type("bytes", "bytes", min_size=2, plain=False)
TIMESTAMP = Type("timestamp", "timestamp", plain=False)
DURATION = Type("duration", "duration", plain=False)
NULL = Type("null", "null")
ERROR = Type("error", "!error!")
ANY_TYPE = Type("type", "type")
"""The type of types."""
