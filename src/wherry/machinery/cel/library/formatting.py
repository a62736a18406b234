"""`'%d of %s'.format([1, 'x'])`: the verbs s, d, f, e, b, o, x and X.

https://pkg.go.dev/github.com/google/cel-go/ext#Strings
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from wherry.machinery.cel.errors import EvaluationError
from wherry.machinery.cel.library.conversions import text_of
from wherry.machinery.cel.operators import type_of
from wherry.machinery.cel.types import Type
from wherry.machinery.cel.values import Duration, Timestamp, TypeValue

_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_ESCAPES = {
    "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\\": "\\\\", '"': '\\"',
}  # fmt: skip
MAX_PRECISION = 1000
DEFAULT_PRECISION = 6
_STRING = (
    "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations,"
    " and timestamps"
)
_DECIMAL = "decimal clause can only be used on integers"
_FIXED = "fixed-point clause can only be used on doubles"
_SCIENTIFIC = "scientific clause can only be used on doubles"
_BINARY = "only integers and bools can be formatted as binary"
_OCTAL = "octal clause can only be used on integers"
_HEX = "only integers, byte buffers, and strings can be formatted as hex"
_INTEGERS = frozenset({"int", "uint"})
_TEXTS = _INTEGERS | {"bool", "bytes", "double", "duration", "list", "map", "null", "string", "timestamp", "type"}
_ALLOWED: dict[str, tuple[frozenset[str], str]] = {
    "s": (_TEXTS, _STRING),
    "d": (_INTEGERS, _DECIMAL),
    "f": (frozenset({"double"}), _FIXED),
    "e": (frozenset({"double"}), _SCIENTIFIC),
    "b": (_INTEGERS | {"bool"}, _BINARY),
    "o": (_INTEGERS, _OCTAL),
    "x": (_INTEGERS | {"string", "bytes"}, _HEX),
    "X": (_INTEGERS | {"string", "bytes"}, _HEX),
}


def quoted(text: str) -> str:
    """The text as a literal in double quotes."""
    return '"' + "".join(_ESCAPES.get(char, char) for char in text) + '"'


def clauses(text: str) -> Iterator[str | tuple[str, int]]:
    """Literal text, and (verb, precision) for each clause. Raises EvaluationError."""
    at = 0
    while at < len(text):
        percent = text.find("%", at)
        if percent < 0:
            yield text[at:]
            return
        if percent > at:
            yield text[at:percent]
        if text[percent + 1 : percent + 2] == "%":
            yield "%"
            at = percent + 2
        else:
            places, at = _precision(text, percent + 1)
            if at >= len(text):
                raise EvaluationError("unexpected end of string")
            if text[at] not in _VERBS:
                raise EvaluationError(f'could not parse formatting clause: unrecognized formatting clause "{text[at]}"')
            yield text[at], places
            at += 1


def _precision(text: str, at: int) -> tuple[int, int]:
    """(places, where the verb is)"""
    if text[at : at + 1] != ".":
        return DEFAULT_PRECISION, at
    end = at + 1
    while text[end : end + 1].isdigit():
        end += 1
    if end == len(text) or end == at + 1:
        why = "could not find end of precision specifier"
        if end != len(text):
            why = 'strconv.Atoi: parsing "": invalid syntax'
        raise EvaluationError(f"could not parse formatting clause: error while parsing precision: {why}")
    places = int(text[at + 1 : end][:9])
    if places > MAX_PRECISION:
        raise EvaluationError(f"precision specifier exceeds max allowed precision: {MAX_PRECISION}")
    return places, end


def format_text(text: str, args: Sequence[Any]) -> str:
    """Raises EvaluationError when the arguments do not fit."""
    used = 0
    out: list[str] = []
    for part in clauses(text):
        if isinstance(part, str):
            out.append(part)
            continue
        if used >= len(args):
            raise EvaluationError(f"index {used} out of range")
        verb, places = part
        out.append(_VERBS[verb](args[used], places))
        used += 1
    return "".join(out)


def check_format(text: str, kinds: Sequence[Type]) -> Iterator[tuple[int, str]]:
    """What is wrong with a format for arguments of these types: (index of the argument or -1, why)."""
    used = 0
    try:
        for part in clauses(text):
            if isinstance(part, str):
                continue
            if used >= len(kinds):
                yield -1, f"index {used} out of range"
                return
            allowed, why = _ALLOWED[part[0]]
            kind = kinds[used]
            if kind.kind not in allowed and kind.kind not in ("dyn", "param"):
                yield used, f"error during formatting: {why}, was given {kind.declared}"
                return
            used += 1
    except EvaluationError as error:
        yield -1, str(error)
        return
    if len(kinds) > used:
        yield -1, f"too many arguments supplied to string.format (expected {used}, got {len(kinds)})"


def _refused(what: str, value: Any) -> EvaluationError:
    return EvaluationError(f"error during formatting: {what}, was given {_kind(value)}")


def _kind(value: Any) -> str:
    return type_of(value).runtime_name


def _string(value: Any, _: int) -> str:
    if value is None:
        return "null"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_nested(one) for one in value) + "]"
    if isinstance(value, Mapping):
        pairs = sorted((_nested_key(key), _nested(one)) for key, one in value.items())
        return "{" + ", ".join(f"{key}:{one}" for key, one in pairs) + "}"
    if isinstance(value, TypeValue):
        return value.type.runtime_name
    if isinstance(value, (bool, int, float, str, bytes, Timestamp, Duration)):
        return text_of(value)
    raise _refused(_STRING, value)


def _nested_key(key: Any) -> str:
    if isinstance(key, (str, bool, int)):
        return _nested(key)
    raise EvaluationError(f"no formatting function for map key of type {_kind(key)}")


def _nested(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bytes):
        return f"b{json.dumps(text_of(value), ensure_ascii=False)}"
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.6f}"
    if isinstance(value, float):
        return f'"{text_of(value)}"'
    if isinstance(value, (Timestamp, Duration)):
        return f'{"timestamp" if isinstance(value, Timestamp) else "duration"}("{text_of(value)}")'
    return _string(value, 0)


def _decimal(value: Any, _: int) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(int(value))
    raise _refused(_DECIMAL, value)


def _double(value: Any, what: str) -> float:
    if isinstance(value, float):
        return value
    if value in ("NaN", "Infinity", "-Infinity"):
        return float(value)
    raise _refused(what, value)


def _special(value: float) -> str:
    return "NaN" if math.isnan(value) else "∞" if value > 0 else "-∞"


def _fixed(value: Any, places: int) -> str:
    number = _double(value, _FIXED)
    return f"{number:,.{places}f}" if math.isfinite(number) else _special(number)


def _scientific(value: Any, places: int) -> str:
    number = _double(value, _SCIENTIFIC)
    if not math.isfinite(number):
        return _special(number)
    mantissa, _, exponent = f"{number:.{places}e}".partition("e")
    return f"{mantissa}×10{exponent.removeprefix('+').translate(_SUPERSCRIPT)}"  # noqa: RUF001


def _binary(value: Any, _: int) -> str:
    if isinstance(value, int):
        return f"{int(value):b}"
    raise _refused(_BINARY, value)


def _octal(value: Any, _: int) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{int(value):o}"
    raise _refused(_OCTAL, value)


def _hex(value: Any, _: int) -> str:
    if isinstance(value, str):
        return value.encode().hex()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{int(value):x}"
    raise _refused(_HEX, value)


_VERBS: dict[str, Callable[[Any, int], str]] = {
    "s": _string,
    "d": _decimal,
    "f": _fixed,
    "e": _scientific,
    "b": _binary,
    "o": _octal,
    "x": _hex,
    "X": lambda value, places: _hex(value, places).upper(),
}
