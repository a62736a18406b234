"""Bytes <-> objects: typed msgspec decoding with Kubernetes' scalars (Time, MicroTime, Quantity).

`decode` and `from_dict` raise `msgspec.ValidationError` (wrong type, with a `$.spec.x` path) or `msgspec.DecodeError`
(not JSON at all); unknown fields are ignored unless `strict`. Encoding is compact JSON in declaration order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from wherry.machinery.quantity import Quantity, parse_quantity
from wherry.machinery.time import MicroTime, Time, parse_micro_time, parse_time

M = TypeVar("M")


def _time(value: object) -> Time:
    if not isinstance(value, str):
        raise TypeError(f"Expected `str`, got `{_json_type(value)}`")
    return parse_time(value)


def _micro_time(value: object) -> MicroTime:
    if not isinstance(value, str):
        raise TypeError(f"Expected `str`, got `{_json_type(value)}`")
    return parse_micro_time(value)


def _quantity(value: object) -> Quantity:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise TypeError(f"Expected `str`, got `{_json_type(value)}`")
    return parse_quantity(value)


_SCALARS: dict[Any, Callable[[object], Any]] = {Time: _time, MicroTime: _micro_time, Quantity: _quantity}
_JSON_TYPES = {dict: "object", list: "array", int: "int", float: "float", bool: "bool", str: "str"}


def _json_type(value: object) -> str:
    return _JSON_TYPES.get(type(value), "null")


def _read_scalar(kind: type, value: Any) -> Any:
    try:
        read = _SCALARS[kind]
    except KeyError:
        raise NotImplementedError(f"no scalar {kind!r}") from None
    return read(value)


_DECODERS: dict[Any, msgspec.json.Decoder[Any]] = {}


def decoder(kind: type[M]) -> msgspec.json.Decoder[M]:
    """The JSON decoder of a type; made once."""
    found = _DECODERS.get(kind)
    if found is None:
        found = _DECODERS[kind] = msgspec.json.Decoder(kind, dec_hook=_read_scalar)
    return found


_GO_ESCAPES = tuple((char.encode(), b"\\u%04x" % ord(char)) for char in "<>&\u2028\u2029")
_ENCODER = msgspec.json.Encoder(enc_hook=str)


def decode(kind: type[M], data: bytes) -> M:
    """JSON bytes -> object."""
    return decoder(kind).decode(data)


def encode(obj: object) -> bytes:
    """Object (or builtins) -> compact JSON bytes."""
    return _ENCODER.encode(obj)


def as_go_writes(text: bytes) -> bytes:
    """JSON with the characters escaped that Go escapes, for what is kept as JSON text: its clients compare bytes."""
    for plain, escaped in _GO_ESCAPES:
        if plain in text:
            text = text.replace(plain, escaped)
    return text


def to_dict(obj: object) -> dict[str, Any]:
    """Object -> JSON-ready builtins, a fresh copy that may be changed."""
    built: dict[str, Any] = msgspec.json.decode(_ENCODER.encode(obj))
    return built


def from_dict(kind: type[M], value: object) -> M:
    """JSON-ready builtins -> object."""
    return decoder(kind).decode(_ENCODER.encode(value))


def adopt(kind: type[M], value: object) -> M:
    """The same without a copy: what the type leaves untyped is shared with `value`."""
    return msgspec.convert(value, kind, dec_hook=_read_scalar)
