"""Values: whether JSON satisfies a schema, in the words that clients of upstream know, with ratcheting.

`validate(check, value)` judges a new value; with `old`, what has not changed is not judged again (KEP-4008).
Paths begin at the value: ".spec" at the root, "spec.x[0]" below. https://github.com/kubernetes/kube-openapi
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from wherry.machinery.structural import words
from wherry.machinery.structural.formats import fits
from wherry.machinery.structural.schema import EITHER, LIST_KEYS, LIST_TYPE
from wherry.machinery.validation import FieldError

ABSENT: Final = object()
"""There is no old value to compare with."""


class Result:
    """What was found wrong, and how many checks were made: of several alternatives, the closest one is told about."""

    __slots__ = ("errors", "made")

    def __init__(self) -> None:
        self.errors: list[FieldError] = []
        self.made = 0


class Check:
    """A schema, read for validation. Parts are made when first needed."""

    __slots__ = ("_additional", "_items", "_logic", "_properties", "closed", "kinds", "raw")

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = raw
        kind = raw.get("type")
        self.kinds: tuple[str, ...] = ("integer", "string") if raw.get(EITHER) else (kind,) if kind else ()
        self.closed = raw.get("additionalProperties") is False
        self._properties: dict[str, Check] | None = None
        self._additional: Check | None = None
        self._items: Check | None = None
        self._logic: dict[str, tuple[Check, ...]] | None = None

    @property
    def properties(self) -> dict[str, Check]:
        """Checks of the fields."""
        if self._properties is None:
            self._properties = {name: Check(part) for name, part in self.raw.get("properties", {}).items()}
        return self._properties

    @property
    def additional(self) -> Check | None:
        """Check of the other entries."""
        part = self.raw.get("additionalProperties")
        if self._additional is None and isinstance(part, Mapping):
            self._additional = Check(part)
        return self._additional

    @property
    def items(self) -> Check | None:
        """Check of the items."""
        part = self.raw.get("items")
        if self._items is None and isinstance(part, Mapping):
            self._items = Check(part)
        return self._items

    @property
    def logic(self) -> dict[str, tuple[Check, ...]]:
        """anyOf, oneOf, allOf, not."""
        if self._logic is None:
            found = {
                word: tuple(Check(part) for part in self.raw.get(word, ())) for word in ("anyOf", "oneOf", "allOf")
            }
            found["not"] = (Check(self.raw["not"]),) if isinstance(self.raw.get("not"), Mapping) else ()
            self._logic = {word: checks for word, checks in found.items() if checks}
        return self._logic


def validate(check: Check, value: Any, old: Any = ABSENT, path: str = "") -> list[FieldError]:
    """Everything wrong with a value."""
    return _judge(check, value, old, path).errors


def _judge(check: Check, value: Any, old: Any, path: str) -> Result:
    result = Result()
    _type(check, value, path, result)
    if value is not None:
        if check.logic:
            _logic(check, value, old, path, result)
        kind = type(value)
        if kind is str:
            _text(check, value, path, result)
        elif kind is int or kind is float:
            _number(check, value, path, result)
        elif kind is list:
            _list(check, value, old, path, result)
        elif kind is dict:
            _object(check, value, old, path, result)
    if "enum" in check.raw:
        _enum(check, value, path, result)
    result.made += 1
    if result.errors and old is not ABSENT and value == old:
        result.errors = []
    return result


# --- types ------------------------------------------------------------------------------------------------------------

_KINDS: Final = {bool: "boolean", str: "string", int: "integer", float: "number", list: "array", dict: "object"}
_OWN_FORMATS: Final = {int: "int64", float: "double"}


def _type(check: Check, value: Any, path: str, result: Result) -> None:
    wanted, raw = check.kinds, check.raw
    form = raw.get("format", "")
    form = form if form and words.known_format(wanted, form) else ""
    result.made += 1
    if value is None:
        if wanted and not raw.get("nullable"):
            result.errors.append(words.wrong_type(path, ",".join(wanted), "null"))
        return
    if not wanted and not form:
        return
    kind = _KINDS[type(value)]
    whole = kind == "number" and value.is_integer() and "integer" in wanted
    fine = kind in wanted or whole or (kind == "integer" and "number" in wanted)
    if form and kind not in ("string", "array"):
        own = _OWN_FORMATS.get(type(value), "")
        if not fine and own != form:
            result.errors.append(words.wrong_type(path, form, own))
        return
    if form and not ("number" in wanted or "integer" in wanted):
        return
    if not fine:
        result.errors.append(words.wrong_type(path, ",".join(wanted), kind))
        return
    result.made += 1


# --- logic ------------------------------------------------------------------------------------------------------------


def _logic(check: Check, value: Any, old: Any, path: str, result: Result) -> None:
    logic = check.logic
    if "anyOf" in logic:
        _any_of(logic["anyOf"], value, old, path, result)
    if "oneOf" in logic:
        _one_of(logic["oneOf"], value, old, path, result)
    if "allOf" in logic:
        valid = 0
        for part in logic["allOf"]:
            found = _inner(part, value, old, path)
            valid += not found.errors
            _merge(result, found)
        if valid != len(logic["allOf"]):
            result.errors.append(words.not_all(path, none=valid == 0))
    if "not" in logic and not _inner(logic["not"][0], value, old, path).errors:
        result.errors.append(words.forbidden_alternative(path))
    result.made += 1


def _inner(check: Check, value: Any, old: Any, path: str) -> Result:
    """A schema within logic: what is below may be ratcheted, the value itself is not."""
    if old is ABSENT or not isinstance(value, (dict, list)):
        return _judge(check, value, ABSENT, path)
    result = Result()
    _type(check, value, path, result)
    if check.logic:
        _logic(check, value, old, path, result)
    if isinstance(value, list):
        _list(check, value, old, path, result)
    else:
        _object(check, value, old, path, result)
    if "enum" in check.raw:
        _enum(check, value, path, result)
    result.made += 1
    return result


def _merge(result: Result, found: Result) -> None:
    result.errors += found.errors
    result.made += found.made


def _any_of(parts: Iterable[Check], value: Any, old: Any, path: str, result: Result) -> None:
    best: Result | None = None
    for part in parts:
        found = _inner(part, value, old, path)
        if not found.errors:
            result.made += found.made
            return
        if best is None or found.made > best.made:
            best = found
    result.errors.append(words.none_of(path))
    if best is not None:
        _merge(result, best)


def _one_of(parts: Iterable[Check], value: Any, old: Any, path: str, result: Result) -> None:
    best: Result | None = None
    first: Result | None = None
    valid = 0
    for part in parts:
        found = _inner(part, value, old, path)
        if not found.errors:
            valid += 1
            best, first = None, first or found
        elif not valid and (best is None or found.made > best.made):
            best = found
    if valid == 1 and first is not None:
        result.made += first.made
        return
    result.errors.append(words.not_one(path, valid))
    if best is not None:
        _merge(result, best)


# --- scalars ----------------------------------------------------------------------------------------------------------


def _enum(check: Check, value: Any, path: str, result: Result) -> None:
    allowed = check.raw["enum"]
    if not any(_same(value, one) for one in allowed):
        result.errors.append(words.not_in(path, value, allowed))
    result.made += 1


def _same(value: Any, other: Any) -> bool:
    """Equal as Go sees it: numbers by value, true is not 1."""
    return value is other or (value == other and isinstance(value, bool) is isinstance(other, bool))


def _text(check: Check, value: str, path: str, result: Result) -> None:
    raw = check.raw
    result.made += 1
    if (most := raw.get("maxLength")) is not None and len(value) > most:
        result.errors.append(words.too_long(path, most))
    elif (least := raw.get("minLength")) is not None and len(value) < least:
        result.errors.append(words.too_short(path, least, value))
    elif (wanted := raw.get("pattern")) and not _matches(wanted, value):
        result.errors.append(words.no_match(path, wanted, value))
    if (form := raw.get("format")) and words.known_format(check.kinds, form) and not fits(form, value):
        result.errors.append(words.wrong_format(path, form, value))


def _matches(wanted: str, value: str) -> bool:
    from wherry.machinery.patterns import BadPattern, pattern  # RE2 only where there is a pattern

    try:
        return pattern(wanted).search(value) is not None
    except BadPattern:
        return False


def _number(check: Check, value: int | float, path: str, result: Result) -> None:
    raw = check.raw
    result.made += 1
    whole = isinstance(value, int)
    if not words.in_range(check.kinds, raw.get("format", ""), value):
        result.errors.append(words.out_of_range(path, check.kinds, raw.get("format", "")))
    if (factor := raw.get("multipleOf")) is not None:
        factor = int(factor) if whole and float(factor).is_integer() else factor
        if not _multiple(value, factor):
            result.errors.append(words.no_multiple(path, factor, value))
    if (most := raw.get("maximum")) is not None:
        most = int(most) if whole else most
        if value > most or (value == most and raw.get("exclusiveMaximum")):
            result.errors.append(words.too_big(path, most, value, exclusive=bool(raw.get("exclusiveMaximum"))))
    if (least := raw.get("minimum")) is not None:
        least = int(least) if whole else least
        if value < least or (value == least and raw.get("exclusiveMinimum")):
            result.errors.append(words.too_small(path, least, value, exclusive=bool(raw.get("exclusiveMinimum"))))


def _multiple(value: int | float, factor: int | float) -> bool:
    if isinstance(value, int) and isinstance(factor, int):
        return factor > 0 and value % factor == 0
    if factor <= 0:
        return False
    many = 1 / factor * value if factor < 1 else value / factor
    return abs(many - round(many)) < 1e-9 * max(1.0, abs(many))


# --- lists and objects ------------------------------------------------------------------------------------------------


def _list(check: Check, value: list[Any], old: Any, path: str, result: Result) -> None:
    raw, items = check.raw, check.items
    if items is not None:
        before = _Items(raw, old)
        for index, item in enumerate(value):
            _merge(result, _judge(items, item, before.of(item), f"{path}[{index}]"))
    if (least := raw.get("minItems")) is not None and len(value) < least:
        result.errors.append(words.too_few_items(path, least, len(value)))
    if (most := raw.get("maxItems")) is not None and len(value) > most:
        result.errors.append(words.too_many(path, most, len(value)))
    if raw.get("uniqueItems") and any(item in value[:index] for index, item in enumerate(value)):
        result.errors.append(words.repeated(path))
    result.made += 2


class _Items:
    """The old items that new ones are compared with: only in lists whose items have keys."""

    __slots__ = ("_found", "_keys")

    def __init__(self, raw: Mapping[str, Any], old: Any) -> None:
        self._keys: tuple[str, ...] = tuple(raw.get(LIST_KEYS, ()))
        self._found: dict[str, Any] | None = None
        if raw.get(LIST_TYPE) == "map" and isinstance(old, list):
            self._found = {key_of(item, self._keys): item for item in old if isinstance(item, dict)}

    def of(self, item: Any) -> Any:
        """The old item with the same keys, or ABSENT."""
        if self._found is None or not isinstance(item, dict):
            return ABSENT
        return self._found.get(key_of(item, self._keys), ABSENT)


def key_of(item: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    """What tells an item apart from the others of its list."""
    return repr([item.get(key) for key in keys])


def _object(check: Check, value: dict[str, Any], old: Any, path: str, result: Result) -> None:
    raw, properties, additional = check.raw, check.properties, check.additional
    before: Any = old if type(old) is dict else None
    if (least := raw.get("minProperties")) is not None and len(value) < least:
        result.errors.append(words.too_few_properties(path, least, len(value)))
    if (most := raw.get("maxProperties")) is not None and len(value) > most:
        result.errors.append(words.too_many(path, most, len(value)))
    for name, child in value.items():
        part = properties.get(name)
        if part is None:
            if check.closed:
                result.errors.append(words.unknown(path, name))
                continue
            part = additional
            if part is None:
                continue
        here = f"{path}.{name}" if path or name not in properties else name
        then = ABSENT if before is None or (not path and name in ("kind", "apiVersion")) else before.get(name, ABSENT)
        _merge(result, _judge(part, child, then, here))
    for name in raw.get("required", ()):
        if name not in value:
            result.errors.append(words.missing(f"{path}.{name}"))
    result.made += 2
