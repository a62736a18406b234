"""Validation of the schemas of custom resources: they are structural, and say nothing that is not supported.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
A schema is looked at as JSON, since its parts may be schemas, flags or lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from wherry.api.checks import Errors, unsupported
from wherry.machinery.validation import forbidden, invalid, required

Schema = Mapping[str, Any]

TYPES = ("array", "boolean", "integer", "number", "object", "string")
LIST_TYPES = ("atomic", "set", "map")
MAP_TYPES = ("atomic", "granular")
KEEP: Final = "x-kubernetes-preserve-unknown-fields"
EITHER: Final = "x-kubernetes-int-or-string"
EMBEDDED: Final = "x-kubernetes-embedded-resource"
LIST_TYPE: Final = "x-kubernetes-list-type"
LIST_KEYS: Final = "x-kubernetes-list-map-keys"
MAP_TYPE: Final = "x-kubernetes-map-type"
_UNKNOWN = ("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref")
_UNTYPED = {
    "root": "must not be empty at the root",
    "item": "must not be empty for specified array items",
    "field": "must not be empty for specified object fields",
}


def schema(path: str, own: Schema) -> Errors:
    """A whole schema."""
    yield from _supported(path, own)
    yield from _structural(path, own, "root")


def _parts(path: str, own: Schema) -> list[tuple[str, Schema, str]]:
    """The schemas of fields and items: where they are, what they are, whose they are."""
    found = [(f"{path}.properties[{name}]", part, "field") for name, part in own.get("properties", {}).items()]
    found += [(f"{path}.items", own.get("items"), "item")]
    found += [(f"{path}.additionalProperties", own.get("additionalProperties"), "field")]
    return [(at, part, level) for at, part, level in found if isinstance(part, Mapping)]


def _logic(path: str, own: Schema) -> list[tuple[str, Schema]]:
    found = [
        (f"{path}.{word}[{index}]", part)
        for word in ("allOf", "oneOf", "anyOf")
        for index, part in enumerate(own.get(word, ()))
    ]
    return [*found, (f"{path}.not", own["not"])] if isinstance(own.get("not"), Mapping) else found


# --- What is supported ---


def _supported(path: str, own: Schema) -> Errors:
    yield from _words(path, own, own.get("type", ""))
    yield from _collections(path, own, own.get("type", ""))
    for at, part, _ in _parts(path, own):
        yield from _supported(at, part)
    for at, part in _logic(path, own):
        yield from _supported(at, part)


def _words(path: str, own: Schema, kind: str) -> Errors:
    if kind and kind not in TYPES:
        yield unsupported(f"{path}.type", kind, TYPES)
    for word in _UNKNOWN:
        if own.get(word):
            yield forbidden(f"{path}.{word}", f"{word} is not supported")
    if kind == "null":
        yield forbidden(f"{path}.type", "type cannot be set to null, use nullable as an alternative")
    if isinstance(own.get("items"), list):
        yield forbidden(f"{path}.items", "items must be a schema object and not an array")
    if own.get("uniqueItems"):
        why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield forbidden(f"{path}.uniqueItems", why)
    if own.get("properties") and own.get("additionalProperties") not in (None, True):
        yield forbidden(f"{path}.additionalProperties", "additionalProperties and properties are mutual exclusive")
    if own.get(KEEP) is False:
        yield invalid(f"{path}.{KEEP}", False, "must be true or undefined")  # noqa: FBT003 (the value shown)


def _collections(path: str, own: Schema, kind: str) -> Errors:
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
    keys = own.get(LIST_KEYS, [])
    if keys and own.get(LIST_TYPE) is None:
        yield required(f"{path}.{LIST_TYPE}", f"must be map if {LIST_KEYS} is non-empty")
    elif keys and own.get(LIST_TYPE) != "map":
        yield invalid(f"{path}.{LIST_TYPE}", own[LIST_TYPE], f"must be map if {LIST_KEYS} is non-empty")
    if own.get(LIST_TYPE) == "map":
        yield from _keyed(path, keys, own.get("items"))


def _keyed(path: str, keys: list[str], items: Any) -> Errors:
    """A list whose items are told apart by some of their fields."""
    if not keys:
        yield required(f"{path}.{LIST_KEYS}", f"must not be empty if {LIST_TYPE} is map")
    if items is None:
        yield required(f"{path}.items", f"must have a schema if {LIST_TYPE} is map")
    if not isinstance(items, Mapping):
        return
    if items.get("type", "") != "object":
        yield invalid(
            f"{path}.items.type", items.get("type", ""), f"must be object if parent array's {LIST_TYPE} is map"
        )
        return
    for index, key in enumerate(keys):
        if key not in items.get("properties", {}):
            yield invalid(f"{path}.{LIST_KEYS}", keys, "entries must all be names of item properties")
        if key in keys[:index]:
            yield invalid(f"{path}.{LIST_KEYS}", keys, "must not contain duplicate entries")


# --- What is structural ---


def _structural(path: str, own: Schema, level: str) -> Errors:
    if own.get("type", "") == "array" and own.get("items") is None:
        yield required(f"{path}.items", "must be specified")
    yield from _type(path, own, level)
    yield from _whole(path, own, level)
    for at, part, below in _parts(path, own):
        yield from _structural(at, part, below)


def _whole(path: str, own: Schema, level: str) -> Errors:
    """What is asked of whole objects: the root, and those within that have a kind of their own."""
    embedded = own.get(EMBEDDED)
    if level == "root" and own.get("additionalProperties") is not None:
        yield forbidden(f"{path}.additionalProperties", "must not be used at the root")
    if embedded and own.get("additionalProperties") is not None:
        yield forbidden(f"{path}.additionalProperties", f"must not be used if {EMBEDDED} is set")
    if embedded and not own.get(KEEP) and not own.get("properties"):
        yield required(f"{path}.properties", f"must not be empty if {EMBEDDED} is true without {KEEP}")
    if level == "root" or embedded:
        for name, needed in (("kind", "string"), ("apiVersion", "string"), ("metadata", "object")):
            part = own.get("properties", {}).get(name)
            if part is not None and part.get("type", "") != needed:
                at = f"{path}.properties[{name}].type"
                yield invalid(at, part.get("type", ""), f"must be {needed}")


def _type(path: str, own: Schema, level: str) -> Errors:
    kind = own.get("type", "")
    for word in (KEEP, EMBEDDED):
        if own.get(EITHER) and own.get(word):
            yield invalid(f"{path}.{word}", own[word], f"must be false if {EITHER} is true")
    if own.get(EMBEDDED) and kind != "object":
        why = f"must be object if {EMBEDDED} is true"
        yield invalid(f"{path}.type", kind, why) if kind else required(f"{path}.type", why)
    elif not kind and not own.get(EITHER) and not own.get(KEEP):
        yield required(f"{path}.type", _UNTYPED[level])
    if level == "root" and kind and kind != "object":
        yield invalid(f"{path}.type", kind, "must be object at the root")
