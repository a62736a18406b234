"""From a CustomResourceDefinition to Resources: one for every version. They share a window and a storage version. Pure.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from msgspec import UNSET

from wherry.api.types.apiextensions import (
    CustomResourceColumnDefinition,
    CustomResourceDefinition,
    CustomResourceDefinitionVersion,
    CustomResourceSubresourceScale,
)
from wherry.apiserver.crd.conversion import Converter
from wherry.apiserver.crd.served_version import ServedVersion
from wherry.machinery import codec, names
from wherry.machinery.jsonpath import BadJsonPath, as_text, compile_path
from wherry.machinery.resource import Column, Resource, Scale
from wherry.machinery.table import age
from wherry.machinery.time import parse_time
from wherry.machinery.validation import FieldError, invalid, show

_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
_ENDING = ("delete", "deletecollection", "get", "list", "patch", "update", "watch")
_AGE = CustomResourceColumnDefinition(
    name="Age", type="date", json_path=".metadata.creationTimestamp",
    description="CreationTimestamp is a timestamp representing the server time when this object was created. It is "
    "not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It "
    "is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata",
)  # fmt: skip
_KEEP_ALL = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_MOST = 2**31 - 1
_STANDARD = frozenset({"orphan", "foregroundDeletion", "kubernetes"})


def resources_of(crd: CustomResourceDefinition, converter: Converter, since: int) -> dict[str, Resource[Any]]:
    """Version -> Resource, the storage version first. `since`: the revision at which this definition took effect."""
    ordered = sorted(crd.spec.versions, key=lambda version: not version.storage)
    out: dict[str, Resource[Any]] = {}
    storage: ServedVersion | None = None
    ending = crd.metadata.deletion_timestamp is not None
    for version in ordered:
        place = (crd.spec.group, version.name, crd.spec.names.kind)
        custom = ServedVersion(place, schema_of(version), converter, since, storage)
        custom.deprecation = _deprecation(crd, version)
        custom.terminating = ending
        custom.list_kind = crd.status.accepted_names.list_kind or crd.spec.names.list_kind or custom.list_kind
        resource = out[version.name] = _resource(crd, version, custom)
        custom.bind(resource)
        storage = storage or custom
    return out


def schema_of(version: CustomResourceDefinitionVersion) -> dict[str, Any]:
    """A version's schema as JSON."""
    own = None if version.schema is None else version.schema.open_apiv3_schema
    return dict(_KEEP_ALL) if own is None else codec.to_dict(own)


def _deprecation(crd: CustomResourceDefinition, version: CustomResourceDefinitionVersion) -> str:
    if not version.deprecated:
        return ""
    return version.deprecation_warning or f"{crd.spec.group}/{version.name} {crd.spec.names.kind} is deprecated"


def _resource(
    crd: CustomResourceDefinition, version: CustomResourceDefinitionVersion, custom: ServedVersion
) -> Resource[Any]:
    own = version.subresources
    scale = None if own is None else own.scale
    subresources = () if own is None or own.status is None else ("status",)
    accepted = crd.status.accepted_names
    where = None
    if scale is not None:
        where = Scale(scale.spec_replicas_path, scale.status_replicas_path, scale.label_selector_path or "")
        subresources = (*subresources, "scale")
    checks = _Checks(custom, scale)
    return Resource(
        custom.type,
        group=crd.spec.group,
        version=version.name,
        kind=crd.spec.names.kind,
        plural=crd.spec.names.plural,
        singular=accepted.singular or crd.spec.names.singular,
        namespaced=crd.spec.scope == "Namespaced",
        short_names=accepted.short_names,
        categories=accepted.categories,
        verbs=_ENDING if custom.terminating else _VERBS,
        subresources=subresources,
        scale=where,
        default=custom.default,
        validate=checks.validate,
        validate_status=checks.validate_status,
        warn=_warnings,
        columns=tuple(_columns(version.additional_printer_columns or (_AGE,))),
        fields={path.json_path.lstrip("."): _field(path.json_path) for path in version.selectable_fields},
        custom=custom,
    )


# --- what is checked --------------------------------------------------------------------------------------------------


class _Checks:
    """The schema's checks, and those of the numbers that /scale shows."""

    def __init__(self, custom: ServedVersion, scale: CustomResourceSubresourceScale | None) -> None:
        self._custom = custom
        self._scale = scale

    def validate(self, new: Any, old: Any | None) -> Iterator[FieldError]:
        yield from self._custom.validate(new, old)
        if self._scale is not None:
            content = codec.to_dict(new)
            yield from _count(content, self._scale.spec_replicas_path)
            yield from self._status(content)

    def validate_status(self, new: Any, old: Any | None) -> Iterator[FieldError]:
        yield from self._custom.validate_status(new, old)
        if self._scale is not None:
            yield from self._status(codec.to_dict(new))

    def _status(self, content: dict[str, Any]) -> Iterator[FieldError]:
        assert self._scale is not None
        yield from _count(content, self._scale.status_replicas_path)
        path = self._scale.label_selector_path
        if path:
            value = _at(content, path)
            if value is not None and not isinstance(value, str):
                yield invalid(
                    path, "", f"{path} accessor error: {as_text(value)} is of the type {_go(value)}, expected string"
                )


def _at(content: Any, path: str) -> Any:
    for step in path.lstrip(".").split("."):
        content = content.get(step) if isinstance(content, dict) else None
    return content


def _go(value: Any) -> str:
    return {bool: "bool", int: "int64", float: "float64", str: "string", list: "[]interface {}"}.get(
        type(value), "map[string]interface {}"
    )


def _count(content: dict[str, Any], path: str) -> Iterator[FieldError]:
    value = _at(content, path)
    if value is None:
        return
    if type(value) is not int:
        yield invalid(path, 0, f"{path} accessor error: {as_text(value)} is of the type {_go(value)}, expected int64")
    elif value < 0:
        yield invalid(path, value, "should be a non-negative integer")
    elif value > _MOST:
        yield invalid(path, value, f"should be less than or equal to {_MOST}")


def _warnings(new: Any, old: Any | None) -> Iterable[str]:
    """Finalizers that may clash with those of others."""
    before = set() if old is None else set(old.metadata.finalizers)
    for name in sorted(set(new.metadata.finalizers) - before):
        for problem in names.label_key(name):
            yield f"metadata.finalizers: {show(name)}: {problem}"
        if "/" not in name and name not in _STANDARD:
            path = " including a path (/)" if "." in name else ""
            yield (
                f"metadata.finalizers: {show(name)}: prefer a domain-qualified finalizer name{path} to avoid "
                "accidental conflicts with other finalizer writers"
            )


# --- what is printed and selected -------------------------------------------------------------------------------------


def _columns(declared: Iterable[CustomResourceColumnDefinition]) -> Iterator[Column[Any]]:
    for column in declared:
        said = column.description or f"Custom resource definition column (in JSONPath format): {column.json_path}"
        yield Column(
            column.name, _cell(column), wide=column.priority > 0, type=column.type, format=column.format,
            description=said,
        )  # fmt: skip


def _cell(column: CustomResourceColumnDefinition) -> Callable[[Any, float], object]:
    try:
        find = compile_path(column.json_path)
    except BadJsonPath:
        return lambda _obj, _now: None
    kind = column.type

    def cell(obj: Any, now: float) -> object:
        found = find(content_at(obj, column.json_path))
        return None if not found else shown(kind, found[0], now)

    return cell


def content_at(obj: Any, path: str) -> dict[str, Any]:
    """The JSON of an object, as far as a path looks at it: metadata is built only when asked for."""
    if path.startswith((".metadata", "..", "[", ".*")):
        return codec.to_dict(obj)
    kept = {"kind": obj.kind, "apiVersion": obj.api_version}
    for attribute, wire in zip(obj.__struct_fields__[3:], obj.__struct_encode_fields__[3:], strict=True):
        value = getattr(obj, attribute)
        if value is not UNSET:
            kept[wire] = value
    return kept


def shown(kind: str, value: Any, now: float) -> object:
    """A value as a cell of a column of this type."""
    if kind == "string":
        return as_text(value)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind == "integer":
        return int(value) if number else None
    if kind == "number":
        return float(value) if number else None
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    return _age(value, now) if kind == "date" and isinstance(value, str) else None


def _age(value: str, now: float) -> str:
    try:
        return age(parse_time(value), now)
    except ValueError:
        return "<invalid>"


def _field(path: str) -> Callable[[Any], str]:
    find = compile_path(path)

    def read(obj: Any) -> str:
        found = find(content_at(obj, path))
        return "" if not found or found[0] is None else as_text(found[0])

    return read
