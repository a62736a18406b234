"""Field paths that point into a schema: `.spec.x`, `.labels['a.b']`. Of rules (fieldPath) and selectable fields.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#field-path
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_STEP = re.compile(r"\.(?P<name>[^.\[\]]+)|\[(?P<quoted>'(?:[^'\\]|\\.)*')\]|(?P<other>.)", re.DOTALL)
_ESCAPED = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "'": "'", "\\": "\\"}


class BadPath(ValueError):
    """The path leads nowhere; the message says why."""


def resolve(path: str, schema: Mapping[str, Any], *, arrays: bool = True) -> tuple[str, Mapping[str, Any]]:
    """(the path as errors show it, the schema that it points at). `arrays`: `['x']` is allowed. Raises BadPath."""
    shown = ""
    for step in _STEP.finditer(path):
        if step["other"] is not None:
            raise BadPath(_why(path, step, arrays=arrays))
        if step["quoted"] is not None:
            if not arrays:
                raise BadPath("array notation is not allowed")
            name = re.sub(r"\\(.)", _unescape, step["quoted"][1:-1])
        else:
            name = step["name"]
        part, named = _below(schema, name)
        shown += f".{name}" if named else f"[{name}]"
        schema = part
    return shown, schema


def normal(path: str, schema: Mapping[str, Any]) -> str:
    """The path as errors show it; as it is when it leads nowhere."""
    try:
        return resolve(path, schema)[0]
    except BadPath:
        return path


def _below(schema: Mapping[str, Any], name: str) -> tuple[Mapping[str, Any], bool]:
    properties, more = schema.get("properties"), schema.get("additionalProperties")
    if properties:
        if name not in properties:
            raise BadPath("does not refer to a valid field")
        return properties[name], True
    if isinstance(more, Mapping):
        return more, False
    raise BadPath("does not refer to a valid field")


def _unescape(match: re.Match[str]) -> str:
    found = _ESCAPED.get(match[1])
    if found is None:
        raise BadPath(f"invalid string literal: invalid escape char {match[0]}")
    return found


def _why(path: str, step: re.Match[str], *, arrays: bool) -> str:
    if step["other"] == "[":
        if not arrays:
            return "array notation is not allowed"
        got = re.split(r"[.\[\]]", path[step.end() :])[0]
        return f"expected single quoted string but got {got}" if got else "unexpected end of JSON path"
    if step["other"] == ".":
        return "unexpected end of JSON path"
    got = re.split(r"[.\[\]]", path[step.start() :])[0]
    return f"expected [ or . but got: {got}"
