"""Text: charAt, indexOf, join, replace, split, substring, trim, quote, ...; regular expressions: find, findAll.

https://pkg.go.dev/github.com/google/cel-go/ext#Strings, https://kubernetes.io/docs/reference/using-api/cel/
"""

from __future__ import annotations

from typing import Any

from wherry.machinery.cel import costs, regexes
from wherry.machinery.cel.errors import EvaluationError
from wherry.machinery.cel.functions import Overload, overload
from wherry.machinery.cel.library.formatting import format_text, quoted

_UPPER = {lower: lower - 32 for lower in range(ord("a"), ord("z") + 1)}
_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
# what Go takes for white space
_SPACE = " \t\n\v\f\r\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))


def _in_range(text: str, at: int) -> None:
    if not 0 <= at <= len(text):
        raise EvaluationError(f"index out of range: {at}")


def _char_at(text: str, at: int) -> str:
    _in_range(text, at)
    return text[at : at + 1]


def _index_of(text: str, part: str, start: int = 0) -> int:
    if not part:
        return start
    if start < 0:
        raise EvaluationError(f"index out of range: {start}")
    return text.find(part, start) if start < len(text) else -1


def _last_index_of(text: str, part: str, start: int | None = None) -> int:
    if start is None:
        return text.rfind(part) if part else len(text)
    if not part:
        return start
    if start < 0:
        raise EvaluationError(f"index out of range: {start}")
    return text.rfind(part, 0, start + len(part)) if start < len(text) else -1


def _replace(text: str, old: str, new: str, count: int = -1) -> str:
    return text.replace(old, new, count)


def _split(text: str, separator: str, count: int = -1) -> list[str]:
    if count == 0:
        return []
    if not separator:
        return list(text) if count < 0 else [*text[: count - 1], *([text[count - 1 :]] if text[count - 1 :] else [])]
    return text.split(separator, count - 1 if count > 0 else -1)


def _substring(text: str, start: int, end: int | None = None) -> str:
    if end is None:
        _in_range(text, start)
        return text[start:]
    if start > end:
        raise EvaluationError(f"invalid substring range. start: {start}, end: {end}")
    _in_range(text, start)
    _in_range(text, end)
    return text[start:end]


def _join(parts: list[Any], separator: str = "") -> str:
    if not all(isinstance(part, str) for part in parts):
        raise EvaluationError("no such overload: join(list, string)")
    return separator.join(parts)


def _joined_size(_: Any, result: Any) -> int:
    return costs.traversed(2 * len(result)) if isinstance(result, str) else 1


STRINGS: tuple[Overload, ...] = (
    overload("string_char_at_int", "[string] charAt(int) -> string", _char_at),
    overload("string_index_of_string", "[string] indexOf(string) -> int", _index_of, costs.everything_in_first),
    overload(
        "string_index_of_string_int", "[string] indexOf(string, int) -> int", _index_of, costs.everything_in_first
    ),
    overload(
        "string_last_index_of_string", "[string] lastIndexOf(string) -> int", _last_index_of, costs.everything_in_first
    ),
    overload(
        "string_last_index_of_string_int",
        "[string] lastIndexOf(string, int) -> int",
        _last_index_of,
        costs.everything_in_first,
    ),
    overload("string_lower_ascii", "[string] lowerAscii() -> string", lambda text: text.translate(_LOWER), costs.first),
    overload("string_upper_ascii", "[string] upperAscii() -> string", lambda text: text.translate(_UPPER), costs.first),
    overload("string_replace_string_string", "[string] replace(string, string) -> string", _replace, costs.first_twice),
    overload(
        "string_replace_string_string_int",
        "[string] replace(string, string, int) -> string",
        _replace,
        costs.first_twice,
    ),
    overload("string_split_string", "[string] split(string) -> list(string)", _split, costs.first_twice),
    overload("string_split_string_int", "[string] split(string, int) -> list(string)", _split, costs.first_twice),
    overload("string_substring_int", "[string] substring(int) -> string", _substring, costs.first),
    overload("string_substring_int_int", "[string] substring(int, int) -> string", _substring, costs.first),
    overload("string_trim", "[string] trim() -> string", lambda text: text.strip(_SPACE), costs.first),
    overload("string_format", "[string] format(list(dyn)) -> string", format_text, costs.first),
    overload("strings_quote", "strings.quote(string) -> string", quoted, costs.first),
    overload("list_join", "[list(string)] join() -> string", _join, _joined_size),
    overload("list_join_string", "[list(string)] join(string) -> string", _join, _joined_size),
    overload("string_find_string", "[string] find(string) -> string", regexes.find, costs.pattern),
    overload("string_find_all_string", "[string] findAll(string) -> list(string)", regexes.find_all, costs.pattern),
    overload(
        "string_find_all_string_int", "[string] findAll(string, int) -> list(string)", regexes.find_all, costs.pattern
    ),
)
