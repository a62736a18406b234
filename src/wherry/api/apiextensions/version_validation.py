"""Validation of what a version says beside its schema: warning, subresources, columns, selectable fields.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#advanced-topics
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from wherry.api.checks import Errors
from wherry.api.types.apiextensions import (
    CustomResourceColumnDefinition,
    CustomResourceDefinitionVersion,
    CustomResourceSubresources,
    CustomResourceSubresourceScale,
    SelectableField,
)
from wherry.machinery.structural.fieldpath import BadPath, resolve
from wherry.machinery.validation import duplicate, invalid, required, too_many

COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
MOST_FIELDS = 8
_SELECTABLE = (
    "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed."
)


def deprecation(path: str, version: CustomResourceDefinitionVersion) -> Errors:
    """The warning of a deprecated version."""
    text = version.deprecation_warning
    if text is None:
        return
    if not version.deprecated:
        yield invalid(path, text, "can only be set for deprecated versions")
        return
    if len(text.encode()) > 256:
        yield invalid(path, text, "must be <= 256 characters long")
    if not text:
        yield invalid(path, text, "must not be an empty string")
    for index, char in enumerate(text):
        if unicodedata.category(char)[0] in "CZ" and char != " ":
            why = f"must only contain printable UTF-8 characters; non-printable character found at index {index}"
            yield invalid(path, text, why)
            break


def subresources(path: str, own: CustomResourceSubresources | None) -> Errors:
    """Where /scale finds its numbers."""
    if own is not None and own.scale is not None:
        yield from _scale(f"{path}.scale", own.scale)


def _scale(path: str, scale: CustomResourceSubresourceScale) -> Errors:
    for field, value, start in (
        ("specReplicasPath", scale.spec_replicas_path, ".spec."),
        ("statusReplicasPath", scale.status_replicas_path, ".status."),
    ):
        if not value:
            yield required(f"{path}.{field}")
        elif not value.startswith("."):
            yield invalid(f"{path}.{field}", value, "must be a simple json path starting with .")
        elif not value.startswith(start):
            yield invalid(f"{path}.{field}", value, f"should be a json path under {start.rstrip('.')}")
    selector = scale.label_selector_path
    if selector:
        at = f"{path}.labelSelectorPath"
        if not selector.startswith("."):
            yield invalid(at, selector, "must be a simple json path starting with .")
        elif not selector.startswith((".spec.", ".status.")):
            yield invalid(at, selector, "should be a json path under either .spec or .status")


def columns(path: str, declared: Sequence[CustomResourceColumnDefinition]) -> Errors:
    """What `kubectl get` prints."""
    for index, column in enumerate(declared):
        at = f"{path}[{index}]"
        if not column.name:
            yield required(f"{at}.name")
        if not column.type:
            yield required(f"{at}.type", f"must be one of {','.join(COLUMN_TYPES)}")
        elif column.type not in COLUMN_TYPES:
            yield invalid(f"{at}.type", column.type, f"must be one of {','.join(COLUMN_TYPES)}")
        if column.format and column.format not in COLUMN_FORMATS:
            yield invalid(f"{at}.format", column.format, f"must be one of {','.join(COLUMN_FORMATS)}")
        if not column.json_path:
            yield required(f"{at}.JSONPath")
        elif not column.json_path.startswith("."):
            yield invalid(f"{at}.JSONPath", column.json_path, "must be a simple json path starting with .")


def selectable(path: str, fields: Sequence[SelectableField], schema: Mapping[str, Any]) -> Errors:
    """What field selectors may name."""
    seen: set[str] = set()
    for index, field in enumerate(fields):
        at = f"{path}[{index}].jsonPath"
        if not field.json_path:
            yield required(at)
            continue
        try:
            shown, part = resolve(field.json_path, schema, arrays=False)
        except BadPath as error:
            yield invalid(at, field.json_path, f"is an invalid path: {error}")
            continue
        if shown.startswith(".metadata"):
            yield invalid(at, field.json_path, "must not point to fields in metadata")
        if part.get("type") not in ("string", "boolean", "integer"):
            yield invalid(at, field.json_path, _SELECTABLE)
        if shown in seen:
            yield duplicate(at, field.json_path)
        seen.add(shown)
    if len(seen) > MOST_FIELDS:
        yield too_many(path, len(seen), MOST_FIELDS)
