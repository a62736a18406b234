"""Embedded resources within a custom resource: their kind, version and metadata are read as those of any object.

Walks only where a schema says x-kubernetes-embedded-resource. Changes what it walks.
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#rawextension
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from wherry.apiserver import metadata
from wherry.apiserver.shapes import Findings, go_message, inspect_value, shape_of, without_nulls
from wherry.machinery import codec, names
from wherry.machinery.meta import ObjectMeta
from wherry.machinery.structural.schema import Structural
from wherry.machinery.validation import FieldError, invalid, required

_META = shape_of(ObjectMeta)


class Malformed(ValueError):
    """Identity that cannot be read; `error` says where."""

    def __init__(self, error: FieldError) -> None:
        super().__init__(f"{error.path}: {error.message}")
        self.error = error


def read_meta(raw: Any) -> ObjectMeta:
    """Metadata as sent. Raises msgspec.ValidationError."""
    try:
        return codec.adopt(ObjectMeta, raw)
    except msgspec.ValidationError:
        return codec.from_dict(ObjectMeta, without_nulls(raw))


def unknown_meta(raw: Any, path: str) -> list[str]:
    """Fields of metadata that there are not."""
    found = Findings(deep=False)
    if isinstance(raw, dict):
        inspect_value(raw, _META, path, found)
    return found.unknown


def coerce(value: Any, schema: Structural | None, path: str, *, lenient: bool) -> list[str]:
    """Read the identity of every embedded resource anew; the unknown metadata fields that went.

    `lenient`: what cannot be read is dropped. Raises Malformed.
    """
    if schema is None or not schema.special:
        return []
    gone: list[str] = []
    if type(value) is dict:
        if schema.embedded:
            gone += _identity(value, path, lenient=lenient)
        for key, child in value.items():
            part = schema.child(key)
            if part is not None and part.special:
                gone += coerce(child, part, f"{path}.{key}" if path else key, lenient=lenient)
    elif type(value) is list:
        for index, child in enumerate(value):
            gone += coerce(child, schema.items, f"{path}[{index}]", lenient=lenient)
    return gone


def _identity(value: dict[str, Any], path: str, *, lenient: bool) -> list[str]:
    prefix = f"{path}." if path else ""
    for name in ("apiVersion", "kind"):
        if name in value and not isinstance(value[name], str):
            if not lenient:
                raise Malformed(invalid(f"{prefix}{name}", value[name], "must be a string"))
            del value[name]
    if "metadata" not in value:
        return []
    raw = value["metadata"]
    try:
        meta = read_meta(raw)
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        if lenient:
            del value["metadata"]
            return []
        why = go_message(error, ObjectMeta) if isinstance(error, msgspec.ValidationError) else str(error)
        raise Malformed(invalid(f"{prefix}metadata", raw, why)) from None
    value["metadata"] = codec.to_dict(meta)
    return unknown_meta(raw, f"{prefix}metadata")


def check_embedded(value: Any, schema: Structural | None, path: str = "") -> Iterator[FieldError]:
    """Everything wrong with the identity of embedded resources."""
    if schema is None or not schema.special:
        return
    if type(value) is dict:
        if schema.embedded:
            yield from _check(value, path)
        for key, child in value.items():
            part = schema.properties.get(key)
            here = f"{path}.{key}" if part else f"{path}[{key}]"
            yield from check_embedded(child, part or schema.additional, here.lstrip("."))
    elif type(value) is list:
        for index, child in enumerate(value):
            yield from check_embedded(child, schema.items, f"{path}[{index}]")


def _check(value: dict[str, Any], path: str) -> Iterator[FieldError]:
    for name in ("apiVersion", "kind"):
        if name not in value:
            yield required(f"{path}.{name}")
    version, kind = value.get("apiVersion"), value.get("kind")
    if version is not None:
        yield from _version(f"{path}.apiVersion", version)
    if kind is not None:
        yield from _kind(f"{path}.kind", kind)
    raw = value.get("metadata")
    if raw is not None:
        try:
            meta = read_meta(raw)
        except (msgspec.ValidationError, TypeError, ValueError) as error:
            yield invalid(f"{path}.metadata", raw, str(error))
            return
        for found in metadata.validate_embedded(meta):
            yield FieldError(f"{path}.{found.path}", found.reason, found.message)


def _version(path: str, version: Any) -> Iterator[FieldError]:
    if not isinstance(version, str):
        yield invalid(path, version, "must be a string")
    elif not version:
        yield invalid(path, version, "must not be empty")
    elif version.count("/") > 1:
        yield invalid(path, version, f"unexpected GroupVersion string: {version}")


def _kind(path: str, kind: Any) -> Iterator[FieldError]:
    if not isinstance(kind, str):
        yield invalid(path, kind, "must be a string")
    elif not kind:
        yield invalid(path, kind, "must not be empty")
    else:
        problems = names.dns_1035_label(kind.lower())
        if problems:
            why = "may have mixed case, but should otherwise match: " + ",".join(problems)
            yield invalid(path, kind, why)
