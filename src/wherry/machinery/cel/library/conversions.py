"""Conversions between types: int, uint, double, string, bytes, bool, duration, timestamp, dyn, type.

https://github.com/google/cel-spec/blob/master/doc/langdef.md#type-conversion
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from wherry.machinery.cel import costs
from wherry.machinery.cel.errors import EvaluationError
from wherry.machinery.cel.functions import Overload, overload
from wherry.machinery.cel.operators import MAX_INT, MAX_UINT, MIN_INT, type_of
from wherry.machinery.cel.times import duration_text, in_range, parse_duration, parse_timestamp, timestamp_text
from wherry.machinery.cel.values import SECOND, Duration, Timestamp, TypeValue, Uint

_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_NATURAL = re.compile(r"[0-9]+", re.ASCII)
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?(inf|infinity)|nan", re.ASCII | re.I)
_BOOLS = {
    "1": True, "t": True, "T": True, "true": True, "TRUE": True, "True": True,
    "0": False, "f": False, "F": False, "false": False, "FALSE": False, "False": False,
}  # fmt: skip


def _same(value: Any) -> Any:
    return value


def _impossible(source: str, target: str) -> EvaluationError:
    return EvaluationError(f"type conversion error from '{source}' to '{target}'")


def _int(value: int | float) -> int:
    if isinstance(value, float) and (math.isnan(value) or not MIN_INT < value < MAX_INT):
        raise EvaluationError("integer overflow")
    whole = int(value)
    if not MIN_INT <= whole <= MAX_INT:
        raise EvaluationError("integer overflow")
    return whole


def _int_of_text(text: str) -> int:
    if not _INTEGER.fullmatch(text) or not MIN_INT <= int(text[:40]) <= MAX_INT or len(text) > 40:
        raise _impossible("string", "int")
    return int(text)


def _uint(value: int | float) -> Uint:
    if isinstance(value, float) and (math.isnan(value) or not 0 <= value <= MAX_UINT):
        raise EvaluationError("unsigned integer overflow")
    whole = int(value)
    if not 0 <= whole <= MAX_UINT:
        raise EvaluationError("unsigned integer overflow")
    return Uint(whole)


def _uint_of_text(text: str) -> Uint:
    if not _NATURAL.fullmatch(text) or int(text[:40]) > MAX_UINT or len(text) > 40:
        raise _impossible("string", "uint")
    return Uint(int(text))


def _double_of_text(text: str) -> float:
    if not _DECIMAL.fullmatch(text):
        raise _impossible("string", "double")
    value = float(text)
    if math.isinf(value) and "inf" not in text.lower():
        raise _impossible("string", "double")
    return value


def double_text(value: float) -> str:
    """As Go prints the shortest form: `1`, `1.5`, `1e+06`, `+Inf`."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    text = "".join(map(str, digits))
    assert isinstance(exponent, int)
    power = len(text) - 1 + exponent
    minus = "-" if sign else ""
    if power < -4 or (power >= 6 and value):
        fraction = f".{text[1:]}" if len(text) > 1 else ""
        return f"{minus}{text[0]}{fraction}e{'-' if power < 0 else '+'}{abs(power):02}"
    return minus + f"{Decimal(repr(abs(value))):f}".removesuffix(".0")


def _bool_of_text(text: str) -> bool:
    found = _BOOLS.get(text)
    if found is None:
        raise _impossible("string", "bool")
    return found


def _text_of_bytes(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise EvaluationError("invalid UTF-8 in bytes, cannot convert to string") from None


def text_of(value: Any) -> str:
    """string(value) for the types that have one."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    special = _TEXTS.get(type(value))
    return str(value) if special is None else special(value)


_TEXTS: dict[type, Callable[[Any], str]] = {
    float: double_text,
    bytes: _text_of_bytes,
    Timestamp: timestamp_text,
    Duration: duration_text,
}


def _type(value: Any) -> TypeValue:
    return TypeValue(type_of(value))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


CONVERSIONS: tuple[Overload, ...] = (
    overload("type", "type(A) -> type(A)", _type),
    overload("bool_to_bool", "bool(bool) -> bool", _same),
    overload("string_to_bool", "bool(string) -> bool", _bool_of_text),
    overload("bytes_to_bytes", "bytes(bytes) -> bytes", _same),
    overload("string_to_bytes", "bytes(string) -> bytes", _bytes, costs.first),
    overload("double_to_double", "double(double) -> double", _same),
    overload("int64_to_double", "double(int) -> double", float),
    overload("string_to_double", "double(string) -> double", _double_of_text),
    overload("uint64_to_double", "double(uint) -> double", float),
    overload("duration_to_duration", "duration(duration) -> duration", _same),
    overload("string_to_duration", "duration(string) -> duration", parse_duration),
    overload("to_dyn", "dyn(A) -> dyn", _same),
    overload("int64_to_int64", "int(int) -> int", _same),
    overload("double_to_int64", "int(double) -> int", _int),
    overload("duration_to_int64", "int(duration) -> int", lambda value: value.nanos),
    overload("string_to_int64", "int(string) -> int", _int_of_text),
    overload("timestamp_to_int64", "int(timestamp) -> int", lambda value: value.nanos // SECOND),
    overload("uint64_to_int64", "int(uint) -> int", _int),
    overload("string_to_string", "string(string) -> string", _same),
    overload("bool_to_string", "string(bool) -> string", text_of),
    overload("bytes_to_string", "string(bytes) -> string", text_of, costs.first),
    overload("double_to_string", "string(double) -> string", text_of),
    overload("duration_to_string", "string(duration) -> string", text_of),
    overload("int64_to_string", "string(int) -> string", text_of),
    overload("timestamp_to_string", "string(timestamp) -> string", text_of),
    overload("uint64_to_string", "string(uint) -> string", text_of),
    overload("timestamp_to_timestamp", "timestamp(timestamp) -> timestamp", _same),
    overload("string_to_timestamp", "timestamp(string) -> timestamp", parse_timestamp),
    overload("int64_to_timestamp", "timestamp(int) -> timestamp", lambda seconds: in_range(seconds * SECOND)),
    overload("uint64_to_uint64", "uint(uint) -> uint", _same),
    overload("double_to_uint64", "uint(double) -> uint", _uint),
    overload("int64_to_uint64", "uint(int) -> uint", _uint),
    overload("string_to_uint64", "uint(string) -> uint", _uint_of_text),
)
