"""What OpenAPI says about a custom resource: its schema with identity added, and its list. Pure.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#publish-validation-schema-in-openapi
Version 2 cannot say all: what it has no words for is left out, so that old clients accept more, never less.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from wherry.machinery.resource import Resource
from wherry.machinery.structural.schema import EITHER, EMBEDDED, KEEP

Json = dict[str, Any]

_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1"
_CONVENTIONS: Final = "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md"
_API_VERSION: Final = (
    "APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized "
    "schemas to the latest internal value, and may reject unrecognized values. More info: "
    f"{_CONVENTIONS}#resources"
)
_KIND: Final = (
    "Kind is a string value representing the REST resource this object represents. Servers may infer this from the "
    "endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: "
    f"{_CONVENTIONS}#types-kinds"
)
_ANY_OF: Final = [{"type": "integer"}, {"type": "string"}]
_LOGIC: Final = ("allOf", "anyOf", "oneOf", "not")


def definition_name(resource: Resource[Any], suffix: str = "") -> str:
    """`com.example.v1.Foo`."""
    return ".".join((*reversed(resource.group.split(".")), resource.version, resource.kind + suffix))


def definitions_of(resource: Resource[Any], *, third: bool) -> dict[str, Json]:
    """Definition name -> schema, of a kind and its list. References are those of version 2."""
    name = definition_name(resource)
    listed = definition_name(resource)[: -len(resource.kind)] + resource.custom.list_kind
    out = {name: _own(resource, third=third), listed: _list(resource, name)}
    if third and resource.fields:
        fields = [{"fieldPath": path} for path in resource.fields]
        for schema in out.values():
            schema["x-kubernetes-selectable-fields"] = fields
    return out


def _gvk(resource: Resource[Any], kind: str) -> list[Json]:
    return [{"group": resource.group, "version": resource.version, "kind": kind}]


def _own(resource: Resource[Any], *, third: bool) -> Json:
    raw: Json = resource.custom.raw
    if not third and raw.get(KEEP):
        schema: Json = {"type": "object"}
    else:
        schema = _whole(_schema(raw, third=third), required=False)
    return {**schema, "x-kubernetes-group-version-kind": _gvk(resource, resource.kind)}


def _list(resource: Resource[Any], name: str) -> Json:
    kind = resource.custom.list_kind
    return {
        "description": f"{kind} is a list of {resource.kind}",
        "type": "object",
        "required": ["items"],
        "properties": {
            **_identity(),
            "items": {
                "description": f"List of {resource.plural}. More info: {_CONVENTIONS}",
                "type": "array",
                "items": {"$ref": f"#/definitions/{name}"},
            },
            "metadata": {
                "description": f"Standard list metadata. More info: {_CONVENTIONS}#types-kinds",
                "$ref": f"#/definitions/{_META}.ListMeta",
            },
        },
        "x-kubernetes-group-version-kind": _gvk(resource, kind),
    }


def _identity() -> Json:
    return {
        "apiVersion": {"description": _API_VERSION, "type": "string"},
        "kind": {"description": _KIND, "type": "string"},
    }


def _whole(schema: Json, *, required: bool) -> Json:
    """With what every object has."""
    metadata = {
        "description": f"Standard object's metadata. More info: {_CONVENTIONS}#metadata",
        "$ref": f"#/definitions/{_META}.ObjectMeta",
    }
    own = _identity()
    if required:
        own = {name: {**part, "description": part["description"][0].lower() + part["description"][1:]}
               for name, part in own.items()}  # fmt: skip
    schema = {**schema, "properties": {**schema.get("properties", {}), **own, "metadata": metadata}}
    if required:
        schema["required"] = [
            *schema.get("required", ()),
            *(n for n in ("kind", "apiVersion") if n not in schema.get("required", ())),
        ]
    return schema


def _schema(raw: Mapping[str, Any], *, third: bool) -> Json:
    """A schema as this version of OpenAPI says it, with those below."""
    out = dict(raw) if third else _second(raw)
    if third and raw.get(EITHER) and not _says_either(raw):
        out["anyOf" if "anyOf" not in raw else "allOf"] = (
            list(_ANY_OF) if "anyOf" not in raw else [{"anyOf": list(_ANY_OF)}, *raw.get("allOf", ())]
        )
    if out.get("properties"):
        out["properties"] = {name: _schema(part, third=third) for name, part in out["properties"].items()}
    for word in ("items", "additionalProperties"):
        if isinstance(out.get(word), Mapping):
            out[word] = _schema(out[word], third=third)
    if raw.get(EMBEDDED) and (third or not raw.get(KEEP)):
        out = _whole(out, required=True)
    return out


def _says_either(raw: Mapping[str, Any]) -> bool:
    return raw.get("anyOf") == _ANY_OF or any(part.get("anyOf") == _ANY_OF for part in raw.get("allOf", ()))


def _second(raw: Mapping[str, Any]) -> Json:
    """Without what version 2 has no words for."""
    out = {word: value for word, value in raw.items() if word not in _LOGIC}
    if out.pop("nullable", False):
        for word in ("type", "items", "properties"):
            out.pop(word, None)
    if raw.get(KEEP):
        for word in ("items", "properties"):
            out.pop(word, None)
        if out.get("type") == "object":
            del out["type"]
    if out.get("type") == "array" and "items" not in out:
        del out["type"]
    nullable = {name for name, part in out.get("properties", {}).items() if part.get("nullable")}
    more = out.get("additionalProperties")
    needed = [name for name in out.get("required", ()) if name not in nullable]
    if isinstance(more, Mapping) and more.get("nullable"):
        needed = []
    if "required" in out:
        out["required"] = needed
        if not needed:
            del out["required"]
    return out
