"""Whether a schema is structural: every field has a type, and logic says nothing about structure.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from wherry.api.checks import Errors
from wherry.machinery.patterns import BadPattern, pattern
from wherry.machinery.structural.schema import EITHER, EMBEDDED, KEEP, LIST_KEYS, LIST_TYPE, MAP_TYPE, RULES
from wherry.machinery.validation import forbidden, invalid, required

Schema = Mapping[str, Any]

INT_OR_STRING: Final = [{"type": "integer"}, {"type": "string"}]
_UNTYPED = {
    "root": "must not be empty at the root",
    "item": "must not be empty for specified array items",
    "field": "must not be empty for specified object fields",
}
_NOT_IN_LOGIC: Final = (
    ("type", "must be empty to be structural"),
    ("default", "must be undefined to be structural"),
    ("title", "must be empty to be structural"),
    ("description", "must be empty to be structural"),
    ("nullable", "must be false to be structural"),
    (KEEP, "must be false to be structural"),
    (EMBEDDED, "must be false to be structural"),
    (EITHER, "must be false to be structural"),
    (LIST_KEYS, "must be empty to be structural"),
    (LIST_TYPE, "must be undefined to be structural"),
    (MAP_TYPE, "must be undefined to be structural"),
    (RULES, "must be empty to be structural"),
)


def structure(path: str, own: Schema) -> Errors:
    """Everything that is not structural in a whole schema."""
    yield from _spine(path, own, "root")
    for at, part in _logic(path, own):
        yield from _complete(path, at, part, own)


def parts(path: str, own: Schema) -> list[tuple[str, Schema, str]]:
    """The schemas of fields and items: where they are, what they are, whose they are."""
    found = [(f"{path}.items", own.get("items"), "item")]
    found += [(f"{path}.properties[{name}]", part, "field") for name, part in own.get("properties", {}).items()]
    found += [(f"{path}.additionalProperties", own.get("additionalProperties"), "field")]
    return [(at, part, level) for at, part, level in found if isinstance(part, Mapping)]


def _logic(path: str, own: Schema) -> Iterator[tuple[str, Schema]]:
    for word in ("allOf", "anyOf", "oneOf"):
        for index, part in enumerate(own.get(word, ())):
            yield f"{path}.{word}[{index}]", part
    if isinstance(own.get("not"), Mapping):
        yield f"{path}.not", own["not"]


def _spine(path: str, own: Schema, level: str) -> Errors:
    if own.get("type", "") == "array" and own.get("items") is None:
        yield required(f"{path}.items", "must be specified")
    if level == "root" and own.get("additionalProperties") is not None:
        yield forbidden(f"{path}.additionalProperties", "must not be used at the root")
    yield from _extensions(path, own)
    yield from _values(path, own)
    yield from _type(path, own, level)
    yield from _identity(path, own, level)
    for at, part, below in parts(path, own):
        yield from _spine(at, part, below)


def _extensions(path: str, own: Schema) -> Errors:
    for word in (KEEP, EMBEDDED):
        if own.get(EITHER) and own.get(word):
            yield invalid(f"{path}.{word}", own[word], f"must be false if {EITHER} is true")


def _type(path: str, own: Schema, level: str) -> Errors:
    kind = own.get("type", "")
    if own.get(EMBEDDED) and kind != "object":
        why = f"must be object if {EMBEDDED} is true"
        yield invalid(f"{path}.type", kind, why) if kind else required(f"{path}.type", why)
    elif not kind and not own.get(EITHER) and not own.get(KEEP):
        yield required(f"{path}.type", _UNTYPED[level])
    if own.get(EMBEDDED) and own.get("additionalProperties") is not None:
        yield forbidden(f"{path}.additionalProperties", f"must not be used if {EMBEDDED} is set")
    if level == "root" and kind and kind != "object":
        yield invalid(f"{path}.type", kind, "must be object at the root")


def _identity(path: str, own: Schema, level: str) -> Errors:
    """What is asked of whole objects: the root, and those within that have a kind of their own."""
    whole = level == "root" or bool(own.get(EMBEDDED))
    properties = own.get("properties", {})
    for name in ("kind", "apiVersion"):
        part = properties.get(name)
        if whole and part is not None and part.get("type", "") != "string":
            yield invalid(f"{path}.properties[{name}].type", part.get("type", ""), "must be string")
    meta = properties.get("metadata")
    if meta is not None:
        at = f"{path}.properties[metadata]"
        if whole and meta.get("type", "") != "object":
            yield invalid(f"{at}.type", meta.get("type", ""), "must be object")
        if level == "root" and not _only_names(meta):
            why = "must not specify anything other than name and generateName, but metadata is implicitly specified"
            yield forbidden(at, why)
    if own.get(EMBEDDED) and not own.get(KEEP) and not properties:
        yield required(f"{path}.properties", f"must not be empty if {EMBEDDED} is true without {KEEP}")


def _only_names(meta: Schema) -> bool:
    extra = {word for word, value in meta.items() if value not in (None, False, "", [], {})}
    extra -= {"type", "default", "properties"}
    return not extra and set(meta.get("properties", {})) <= {"name", "generateName"}


# --- logic ------------------------------------------------------------------------------------------------------------


def _values(path: str, own: Schema) -> Errors:
    """Logic and patterns of a node."""
    said = own.get("allOf") or [{}]
    for at, part in _logic(path, own):
        word = at[len(path) + 1 :]
        if word.startswith("anyOf") and own.get("anyOf") == INT_OR_STRING:
            continue
        skip = word == "allOf[0]" and said[0].get("anyOf") == INT_OR_STRING
        yield from _nested(at, part, skip=skip)
    text = own.get("pattern")
    if text:
        try:
            pattern(text)
        except BadPattern as error:
            why = f"must be a valid regular expression, but isn't: error parsing regexp: {error}"
            yield invalid(f"{path}.pattern", text, why)


def _nested(path: str, own: Schema, *, skip: bool = False) -> Errors:
    """A schema within logic. `skip`: its anyOf only says that the value is a number or a text."""
    yield from _values(path, {w: v for w, v in own.items() if w != "anyOf"} if skip else own)
    if isinstance(own.get("items"), Mapping):
        yield from _nested(f"{path}.items", own["items"])
    for name, part in own.get("properties", {}).items():
        yield from _nested(f"{path}.properties[{name}]", part)
    if own.get("additionalProperties") is not None:
        yield forbidden(f"{path}.additionalProperties", "must be undefined to be structural")
    for word, why in _NOT_IN_LOGIC:
        if own.get(word):
            yield forbidden(f"{path}.{word}", why)
    if "metadata" in own.get("properties", {}):
        yield forbidden(f"{path}.properties[metadata]", "must not be specified in a nested context")


def _complete(spine_path: str, path: str, own: Schema, spine: Schema | None) -> Errors:
    """What logic speaks of is on the spine too."""
    if spine is None:
        yield required(spine_path, f"because it is defined in {path}")
        return
    for at, part in _logic(path, own):
        yield from _complete(spine_path, at, part, spine)
    if isinstance(own.get("items"), Mapping):
        items = spine.get("items")
        below = items if isinstance(items, Mapping) else None
        yield from _complete(f"{spine_path}.items", f"{path}.items", own["items"], below)
    known = spine.get("properties", {})
    for name, part in own.get("properties", {}).items():
        step = f".properties[{name}]"
        yield from _complete(spine_path + step, path + step, part, known.get(name))
