"""Words: the errors of schema validation, as kube-openapi and upstream's field errors say them.

https://github.com/kubernetes/kube-openapi/blob/master/pkg/validation/errors/schema.go
"""

from __future__ import annotations

import json
from typing import Any

from wherry.machinery.structural.formats import known
from wherry.machinery.validation import FieldError, invalid, required, show

NOWHERE = "<nil>"
"""What upstream prints for the path of an error that has none."""


def place(path: str) -> str:
    """A path as field errors show it."""
    return path.lstrip(".") or NOWHERE


def _about(path: str, value: Any, text: str) -> FieldError:
    return invalid(place(path), "" if value is None else value, text)


def _shown(value: float) -> str:
    """A number as Go's %v prints it."""
    if isinstance(value, int):
        return str(value)
    return str(int(value)) if value.is_integer() and abs(value) < 1e21 else repr(value)


def wrong_type(path: str, wanted: str, got: str) -> FieldError:
    """Another type than the schema's; `got` is what it is."""
    text = f"Invalid value: {show(got)}: {path} in body must be of type {wanted}: {show(got)}"
    return FieldError(place(path), "FieldValueTypeInvalid", text)


def wrong_format(path: str, form: str, value: str) -> FieldError:
    """A text without the format."""
    text = f"Invalid value: {show(value)}: {path} in body must be of type {form}: {show(value)}"
    return FieldError(place(path), "FieldValueTypeInvalid", text)


def known_format(kinds: tuple[str, ...], form: str) -> bool:
    """Whether a format means anything for a schema of these types."""
    return known(kinds[0] if len(kinds) == 1 else "", form)


def not_all(path: str, *, none: bool) -> FieldError:
    """allOf."""
    more = ". None validated" if none else ""
    return invalid(NOWHERE, "", f"{show(path)} must validate all the schemas (allOf){more}")


def none_of(path: str) -> FieldError:
    """anyOf."""
    return invalid(NOWHERE, "", f"{show(path)} must validate at least one schema (anyOf)")


def not_one(path: str, valid: int) -> FieldError:
    """oneOf."""
    more = f"Found {valid} valid alternatives" if valid else "Found none valid"
    return invalid(NOWHERE, "", f"{show(path)} must validate one and only one schema (oneOf). {more}")


def forbidden_alternative(path: str) -> FieldError:
    """not."""
    return invalid(NOWHERE, "", f"{show(path)} must not validate the schema (not)")


def not_in(path: str, value: Any, allowed: Any) -> FieldError:
    """enum; in the schema's order."""
    texts = ", ".join(show(one if isinstance(one, str) else json.dumps(one)) for one in allowed)
    return FieldError(
        place(path), "FieldValueNotSupported", f"Unsupported value: {show(value)}: supported values: {texts}"
    )


def too_long(path: str, most: int) -> FieldError:
    """maxLength."""
    return FieldError(place(path), "FieldValueTooLong", f"Too long: may not be more than {most} bytes")


def too_short(path: str, least: int, value: str) -> FieldError:
    """minLength."""
    return _about(path, value, f"{path} in body should be at least {least} chars long")


def no_match(path: str, wanted: str, value: str) -> FieldError:
    """pattern."""
    return _about(path, value, f"{path} in body should match '{wanted}'")


def in_range(kinds: tuple[str, ...], form: str, value: float) -> bool:
    """Whether a number fits the type and format of its schema."""
    if kinds == ("integer",):
        bits = 31 if form == "int32" else 63
        return -(1 << bits) <= value < 1 << bits
    return not (kinds == ("number",) and form == "float") or abs(value) <= 3.4028234663852886e38


def out_of_range(path: str, kinds: tuple[str, ...], form: str) -> FieldError:
    """A number that its type cannot hold."""
    kind = kinds[0]
    what = f"{kind} with format {form}" if known(kind, form) else f"{kind} (default format)"
    return invalid(NOWHERE, "", f"Checked value must be of type {what} in {path}")


def no_multiple(path: str, factor: float, value: float) -> FieldError:
    """multipleOf."""
    if factor <= 0:
        return _about(path, factor, f"factor MultipleOf declared for {path} must be positive: {_shown(factor)}")
    return _about(path, value, f"{path} in body should be a multiple of {_shown(factor)}")


def too_big(path: str, most: float, value: float, *, exclusive: bool) -> FieldError:
    """maximum."""
    how = "less than" if exclusive else "less than or equal to"
    return _about(path, value, f"{path} in body should be {how} {_shown(most)}")


def too_small(path: str, least: float, value: float, *, exclusive: bool) -> FieldError:
    """minimum."""
    how = "greater than" if exclusive else "greater than or equal to"
    return _about(path, value, f"{path} in body should be {how} {_shown(least)}")


def too_few_items(path: str, least: int, count: int) -> FieldError:
    """minItems."""
    return _about(path, count, f"{path} in body should have at least {least} items")


def too_few_properties(path: str, least: int, count: int) -> FieldError:
    """minProperties."""
    return _about(path, count, f"{path} in body should have at least {least} properties")


def too_many(path: str, most: int, count: int) -> FieldError:
    """maxItems, maxProperties."""
    what = "item" if most == 1 else "items"
    return FieldError(place(path), "FieldValueTooMany", f"Too many: {count}: must have at most {most} {what}")


def repeated(path: str) -> FieldError:
    """uniqueItems."""
    return _about(path, None, f"{path} in body shouldn't contain duplicates")


def unknown(path: str, name: str) -> FieldError:
    """additionalProperties: false."""
    return _about(path, name, f"{path}.{name} in body is a forbidden property")


def missing(path: str) -> FieldError:
    """required."""
    return required(place(path))
