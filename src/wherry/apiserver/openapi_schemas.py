"""Schemas of the OpenAPI documents: from the packed definitions to what version 2 and version 3 publish.

The packed definitions are version 2 with two facts more, for version 3 alone: defaults that are the zero values of Go,
and the types of what is a number or a text. Version 3 names a kind that all groups share, as DeleteOptions is, in its
own group only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

REF = "#/definitions/"
REF3 = "#/components/schemas/"
_KINDS = "x-kubernetes-group-version-kind"
_DEFAULT = "x-v3-default"
_ONE_OF = "x-v3-one-of"


def names_of(known: Mapping[str, Any]) -> dict[tuple[str, str, str], str]:
    """(group, version, kind) -> definition, of those that are of one kind."""
    out: dict[tuple[str, str, str], str] = {}
    for name, schema in known.items():
        kinds = schema.get(_KINDS, ())
        if len(kinds) == 1:
            out[kinds[0]["group"], kinds[0]["version"], kinds[0]["kind"]] = name
    return out


def reachable(roots: Iterable[str], known: Mapping[str, Any]) -> set[str]:
    """The roots that are known, and every definition they refer to."""
    found: set[str] = set()
    waiting = [name for name in roots if name in known]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        waiting += [ref for ref in _references(known[name]) if ref in known]
    return found


def _references(schema: Any) -> Iterable[str]:
    if isinstance(schema, dict):
        ref = schema.get("$ref")
        if isinstance(ref, str):
            yield ref.removeprefix(REF)
        for value in schema.values():
            yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)


def second(schema: dict[str, Any]) -> dict[str, Any]:
    """A packed definition as version 2 has it."""
    out = {key: value for key, value in schema.items() if key not in (_DEFAULT, _ONE_OF)}
    if "properties" in out:
        out["properties"] = {name: second(value) for name, value in out["properties"].items()}
    for inner in ("items", "additionalProperties"):
        if isinstance(out.get(inner), dict):
            out[inner] = second(out[inner])
    return out


def third(schema: dict[str, Any], group: str, version: str) -> dict[str, Any]:
    """A packed definition as version 3 has it in the document of a group's version."""
    out: dict[str, Any] = _moved(schema)
    if len(out.get(_KINDS, ())) > 1:
        own = (("", "v1"), (group, version))
        out[_KINDS] = [kind for kind in out[_KINDS] if (kind["group"], kind["version"]) in own]
    return out


def _moved(schema: Any) -> Any:
    """References move, and one with siblings goes into allOf."""
    if isinstance(schema, list):
        return [_moved(value) for value in schema]
    if not isinstance(schema, dict):
        return schema
    out = {key: _moved(value) for key, value in schema.items()}
    if _DEFAULT in out:
        out["default"] = out.pop(_DEFAULT)
    if _ONE_OF in out:
        out["oneOf"] = out.pop(_ONE_OF)
        del out["type"]
    ref = schema.get("$ref")
    if not isinstance(ref, str):
        return out
    del out["$ref"]
    moved = {"$ref": ref.replace(REF, REF3, 1)}
    return {**out, "allOf": [moved]} if out else moved
