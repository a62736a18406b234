"""What each node of a schema says: words that are supported, list and map types that fit, rules that are written well.

https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from wherry.api.checks import Errors, unsupported
from wherry.machinery.structural.fieldpath import BadPath, resolve
from wherry.machinery.structural.schema import (
    EMBEDDED,
    IDENTITY,
    KEEP,
    LIST_KEYS,
    LIST_TYPE,
    MAP_TYPE,
    RULES,
    Json,
)
from wherry.machinery.validation import forbidden, invalid, required

TYPES = ("array", "boolean", "integer", "number", "object", "string")
LIST_TYPES = ("atomic", "set", "map")
MAP_TYPES = ("atomic", "granular")
REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
_UNKNOWN = ("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the schema we are. `no_defaults`: why there may be no default; None: there may be one."""

    no_defaults: str | None = None
    in_meta: bool = False


def words(path: str, own: Json) -> Errors:
    """Everything wrong with what the nodes of a whole schema say."""
    yield from _node(path, own, _Place(), root=True)


def _node(path: str, own: Json, place: _Place, *, root: bool = False) -> Errors:
    kind = own.get("type", "")
    yield from _supported(path, own, kind, place)
    yield from _types(path, own, kind)
    if own.get(LIST_TYPE) == "map" or own.get(LIST_KEYS):
        yield from _keyed(path, own)
    if own.get(LIST_TYPE) in ("set", "map") and isinstance(own.get("items"), Mapping):
        yield from _never_null(path, own, own["items"])
    for index, rule in enumerate(own.get(RULES, ())):
        yield from _rule(f"{path}.{RULES}[{index}]", rule, own)
    yield from _below(path, own, place, root=root)


def _below(path: str, own: Json, place: _Place, *, root: bool) -> Errors:
    more = own.get("additionalProperties")
    if isinstance(more, Mapping):
        why = "inside additionalProperties applying to object metadata"
        inner = replace(place, no_defaults=why) if place.in_meta else place
        yield from _node(f"{path}.additionalProperties", more, inner)
    for name, part in own.get("properties", {}).items():
        inner = place
        if (root or own.get(EMBEDDED)) and name in IDENTITY:
            inner = replace(place, in_meta=True, no_defaults=f"in top-level {name}" if root else place.no_defaults)
        yield from _node(f"{path}.properties[{name}]", part, inner)
    if isinstance(own.get("not"), Mapping):
        yield from _node(f"{path}.not", own["not"], place)
    for word in ("allOf", "oneOf", "anyOf"):
        for index, part in enumerate(own.get(word, ())):
            yield from _node(f"{path}.{word}[{index}]", part, place)
    if isinstance(own.get("items"), Mapping):
        yield from _node(f"{path}.items", own["items"], place)


def _supported(path: str, own: Json, kind: str, place: _Place) -> Errors:
    if kind and kind not in TYPES:
        yield unsupported(f"{path}.type", kind, TYPES)
    if own.get("default") is not None and place.no_defaults is not None:
        yield forbidden(f"{path}.default", f"must not be set {place.no_defaults}".rstrip())
    for word in _UNKNOWN:
        if own.get(word):
            yield forbidden(f"{path}.{word}", f"{word} is not supported")
    if kind == "null":
        yield forbidden(f"{path}.type", "type cannot be set to null, use nullable as an alternative")
    if place.in_meta and own.get(EMBEDDED):
        yield forbidden(f"{path}.{EMBEDDED}", "must not be used inside of resource meta")
    yield from _shapes(path, own)


def _shapes(path: str, own: Json) -> Errors:
    if isinstance(own.get("items"), list):
        yield forbidden(f"{path}.items", "items must be a schema object and not an array")
    if own.get("uniqueItems"):
        why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield forbidden(f"{path}.uniqueItems", why)
    if own.get("properties") and own.get("additionalProperties") not in (None, True):
        yield forbidden(f"{path}.additionalProperties", "additionalProperties and properties are mutual exclusive")
    if own.get(KEEP) is False:
        yield invalid(f"{path}.{KEEP}", False, "must be true or undefined")  # noqa: FBT003 (the value shown)


def _types(path: str, own: Json, kind: str) -> Errors:
    for word, needed, known in ((MAP_TYPE, "object", MAP_TYPES), (LIST_TYPE, "array", LIST_TYPES)):
        value = own.get(word)
        if value is None:
            continue
        if not kind:
            yield required(f"{path}.type", f"must be {needed} if {word} is specified")
        elif kind != needed:
            yield invalid(f"{path}.type", kind, f"must be {needed} if {word} is specified")
        if value not in known:
            yield unsupported(f"{path}.{word}", value, known)
    items = own.get("items")
    if own.get(LIST_TYPE) == "set" and kind == "array" and isinstance(items, Mapping):
        yield from _set(path, items)


def _set(path: str, items: Json) -> Errors:
    why = f"must be atomic as item of a list with {LIST_TYPE}=set"
    if items.get("type") == "array" and items.get(LIST_TYPE) not in (None, "atomic"):
        yield invalid(f"{path}.items.{LIST_TYPE}", items.get(LIST_TYPE), why)
    if items.get("type") == "object" and items.get(MAP_TYPE) != "atomic":
        yield invalid(f"{path}.items.{MAP_TYPE}", items.get(MAP_TYPE), why)


def _keyed(path: str, own: Json) -> Errors:
    """A list whose items are told apart by some of their fields."""
    keys, items, kind = own.get(LIST_KEYS, []), own.get("items"), own.get(LIST_TYPE)
    if keys and kind != "map":
        why = f"must be map if {LIST_KEYS} is non-empty"
        yield required(f"{path}.{LIST_TYPE}", why) if kind is None else invalid(f"{path}.{LIST_TYPE}", kind, why)
        return
    if not keys:
        yield required(f"{path}.{LIST_KEYS}", f"must not be empty if {LIST_TYPE} is map")
    if items is None:
        yield required(f"{path}.items", f"must have a schema if {LIST_TYPE} is map")
    if not isinstance(items, Mapping):
        return
    if items.get("type", "") != "object":
        why = f"must be object if parent array's {LIST_TYPE} is map"
        yield invalid(f"{path}.items.type", items.get("type", ""), why)
        return
    for index, key in enumerate(keys):
        part = items.get("properties", {}).get(key)
        if part is None:
            yield invalid(f"{path}.{LIST_KEYS}", keys, "entries must all be names of item properties")
        elif part.get("type") in ("array", "object"):
            why = f"must be a scalar type if parent array's {LIST_TYPE} is map"
            yield invalid(f"{path}.items.properties[{key}].type", items.get("type"), why)
        if key in keys[:index]:
            yield invalid(f"{path}.{LIST_KEYS}", keys, "must not contain duplicate entries")


def _never_null(path: str, own: Json, items: Json) -> Errors:
    kind = own[LIST_TYPE]
    if items.get("nullable"):
        yield forbidden(f"{path}.items.nullable", f"cannot be nullable when {LIST_TYPE} is {kind}")
    for key in own.get(LIST_KEYS, ()) if kind == "map" else ():
        part = items.get("properties", {}).get(key)
        if part is None:
            continue
        at = f"{path}.items.properties[{key}]"
        if key not in items.get("required", ()) and part.get("default") is None:
            why = f"this property is in {LIST_KEYS}, so it must have a default or be a required property"
            yield required(f"{at}.default", why)
        if part.get("nullable"):
            yield forbidden(f"{at}.nullable", f"this property is in {LIST_KEYS}, so it cannot be nullable")


# --- rules ------------------------------------------------------------------------------------------------------------


def _rule(path: str, rule: Mapping[str, Any], own: Json) -> Errors:
    text, message = rule.get("rule", ""), rule.get("message", "")
    if not text.strip():
        yield required(f"{path}.rule", "rule is not specified")
    elif message and not message.strip():
        yield invalid(f"{path}.message", message, "must be non-empty if specified")
    elif _broken(message.strip()):
        yield invalid(f"{path}.message", message, "must not contain line breaks")
    elif _broken(text.strip()) and not message.strip():
        yield required(f"{path}.message", "message must be specified if rule contains line breaks")
    expression = rule.get("messageExpression", "")
    if expression and not expression.strip():
        yield required(f"{path}.messageExpression", "messageExpression must be non-empty if specified")
    if rule.get("reason") is not None and rule["reason"] not in REASONS:
        yield unsupported(f"{path}.reason", rule["reason"], REASONS)
    if rule.get("fieldPath"):
        yield from _field_path(f"{path}.fieldPath", rule["fieldPath"], own)


def _field_path(path: str, value: str, own: Json) -> Errors:
    if not value.strip():
        yield invalid(path, value, "must be non-empty if specified")
    if _broken(value):
        yield invalid(path, value, "must not contain line breaks")
    try:
        resolve(value, own)
    except BadPath:
        yield invalid(path, value, "must be a valid path")


def _broken(text: str) -> bool:
    return "\n" in text or "\r" in text
