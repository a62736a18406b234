"""Random well-typed objects of every kind, as JSON, and the protobuf message of each kind."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from typing import Any

from msgspec import inspect

from wherry.api.metrics.usage import NODEMETRICS, PODMETRICS
from wherry.api.registry import RESOURCES
from wherry.apiserver.protobuf import message_of
from wherry.machinery import codec
from wherry.machinery.meta import Object, T
from wherry.machinery.resource import Resource
from wherry.machinery.time import MicroTime, Time

_TEXTS = ("a", "é <&> ü", "x" * 200, "\u2028", "0")
_NUMBERS = (1, -1, 127, 128, 2**31 - 1, -(2**31))
_ANYTHING: dict[str, Any] = {"f:a": {"f:b": {}, ".": {}}, "n": [1, 2.5, None, True, "<&>"], "t": "\u2029"}
_SPECIAL: dict[type[inspect.Type], Callable[[random.Random], Any]] = {
    inspect.StrType: lambda source: source.choice(_TEXTS),
    inspect.BoolType: lambda source: source.random() < 0.5,
    inspect.IntType: lambda source: source.choice(_NUMBERS),
    inspect.FloatType: lambda source: source.choice((0.5, -3.0, 1e300)),
    inspect.BytesType: lambda source: base64.b64encode(source.randbytes(source.randrange(300))).decode(),
    inspect.AnyType: lambda source: _ANYTHING,
}
_CUSTOM: dict[type[Any], tuple[str, ...]] = {
    Time: ("1970-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2026-11-26T02:30:00Z"),
    MicroTime: ("1970-01-01T00:00:00.000000Z", "1969-12-31T23:59:59.999999Z", "2026-11-26T02:30:00.000001Z"),
}
_SCHEMAS: dict[str, Any] = {
    "additionalItems": (True, {"type": "a"}),
    "additionalProperties": (True, False, {"type": "a", "items": {"type": "b"}}),
    "dependencies": ({"a": ["b", "c"], "d": {"type": "e"}},),
    "enum": ([1, "a", None, {"b": []}],),
    "items": ({"type": "a"}, [{"type": "a"}, {}]),
}


def _contents(info: inspect.Type, source: random.Random, depth: int) -> Any:
    """Random well-typed JSON, with everything that can be there when near the top."""
    match info:
        case inspect.UnionType(types=options):
            return _contents(source.choice([t for t in options if not isinstance(t, inspect.NoneType)]), source, depth)
        case inspect.StructType(fields=fields):
            skipped = ("kind", "apiVersion") if issubclass(info.cls, Object) else ()
            left_out = 0.2 if depth < 3 else 0.6 + depth / 30
            return {
                f.encode_name: source.choice(_SCHEMAS[f.encode_name])
                if f.encode_name in _SCHEMAS and "JSONSchemaProps" in info.cls.__name__
                else _contents(f.type, source, depth + 1)
                for f in fields
                if f.encode_name not in skipped and source.random() > left_out
            }
        case inspect.VarTupleType(item_type=item):
            return [_contents(item, source, depth + 1) for _ in range(source.randrange(3))]
        case inspect.DictType(value_type=item):
            return {key: _contents(item, source, depth + 1) for key in source.sample(_TEXTS, source.randrange(3))}
        case inspect.CustomType(cls=cls):
            return source.choice(_CUSTOM.get(cls, ("1", "100m", "-5Gi", "0")))
        case _:
            return _SPECIAL[type(info)](source)


def random_object(resource: Resource[T], number: int) -> T:
    """One of them; the same for the same number."""
    raw = _contents(inspect.type_info(resource.type), random.Random(f"{resource}/{number}"), 0)
    if resource in (NODEMETRICS, PODMETRICS):
        raw["window"] = "30.125s"
    return codec.from_dict(resource.type, raw)


def message_for(resource: Resource[Any]) -> str:
    """The protobuf message of a kind."""
    name = message_of(resource.group, resource.version, resource.kind)
    assert name is not None
    return name


KINDS = (*RESOURCES, NODEMETRICS, PODMETRICS)
"""Every built-in kind."""
