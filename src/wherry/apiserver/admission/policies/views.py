"""Objects as expressions see them: of built-in kinds, times are timestamps and bytes are bytes.

Custom resources are seen as their JSON. https://kubernetes.io/docs/reference/using-api/cel/
"""

from __future__ import annotations

from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import msgspec

from wherry.machinery.cel.schema import bind
from wherry.machinery.cel.types import BYTES, DYN, STRING, TIMESTAMP, Field, ListOf, MapOf, ObjectType, Type
from wherry.machinery.time import MicroTime, Time

Json = dict[str, Any]
_SCALARS: dict[Any, Type] = {Time: TIMESTAMP, MicroTime: TIMESTAMP, bytes: BYTES}


def seen(raw: Json | None, obj: Any) -> Any:
    """The JSON of an object, with what its typed form `obj` says is a time or bytes."""
    return raw if raw is None or not isinstance(obj, msgspec.Struct) else bind(raw, struct_type(type(obj)))


@cache
def struct_type(struct: type) -> Type:
    """The fields of a struct. What holds itself is not looked into."""
    return _struct(struct, ())


def _struct(struct: type, above: tuple[type, ...]) -> Type:
    if struct in above:
        return DYN
    fields = {
        own.encode_name: Field(_of(own.type, (*above, struct)), own.encode_name)
        for own in msgspec.structs.fields(struct)
    }
    interesting = {name: own for name, own in fields.items() if not own.type.plain}
    return ObjectType(struct.__name__, interesting) if interesting else DYN


def _of(kind: Any, above: tuple[type, ...]) -> Type:
    scalar = _SCALARS.get(kind)
    if scalar is not None:
        return scalar
    origin, args = get_origin(kind), [arg for arg in get_args(kind) if arg not in (NoneType, ...)]
    if origin in (Union, UnionType):
        return _of(args[0], above) if len(args) == 1 else DYN
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _struct(kind, above)
    if not args or not isinstance(origin, type):
        return DYN
    inner = _of(args[-1], above)
    if inner.plain:
        return DYN
    return ListOf(inner) if issubclass(origin, (tuple, list)) else MapOf(STRING, inner)
