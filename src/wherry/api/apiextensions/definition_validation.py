"""Validation of CustomResourceDefinitions: names, versions, scope, schemas.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
"""

from __future__ import annotations

from wherry.api.apiextensions.schema_validation import schema
from wherry.api.checks import Errors, immutable, named, one_of, unsupported
from wherry.api.types.apiextensions import (
    CustomResourceDefinition,
    CustomResourceDefinitionNames,
    CustomResourceDefinitionSpec,
    CustomResourceDefinitionVersion,
    CustomResourceSubresourceScale,
    JSONSchemaProps,
)
from wherry.machinery.codec import to_dict
from wherry.machinery.names import dns_1035_label, dns_subdomain
from wherry.machinery.validation import duplicate, invalid, required

COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")


def validate(new: CustomResourceDefinition, old: CustomResourceDefinition | None) -> Errors:
    """Names that fit together, exactly one version that is stored."""
    spec = new.spec
    name = f"{spec.names.plural}.{spec.group}"
    if new.metadata.name != name:
        yield invalid("metadata.name", new.metadata.name, 'must be spec.names.plural+"."+spec.group')
    yield from _group(spec)
    if spec.preserve_unknown_fields:
        yield invalid("spec.preserveUnknownFields", spec.preserve_unknown_fields, "must be false")
    yield from one_of("spec.scope", spec.scope, ("Cluster", "Namespaced"))
    yield from _versions(spec)
    if old is None or _schemas(spec) != _schemas(old.spec):
        yield from _all_schemas(spec)
    yield from _names("spec.names", spec.names)
    yield from _conversion(spec)
    if old is not None:
        yield from immutable("spec.group", spec.group, old.spec.group)
        yield from immutable("spec.names.plural", spec.names.plural, old.spec.names.plural)
        if any(c.type == "Established" and c.status == "True" for c in old.status.conditions):
            yield from immutable("spec.scope", spec.scope, old.spec.scope)
            yield from immutable("spec.names.kind", spec.names.kind, old.spec.names.kind)


def _group(spec: CustomResourceDefinitionSpec) -> Errors:
    if not spec.group:
        yield required("spec.group")
        return
    yield from named("spec.group", spec.group, dns_subdomain)
    if "." not in spec.group:
        yield invalid("spec.group", spec.group, "should be a domain with at least one dot")


def _versions(spec: CustomResourceDefinitionSpec) -> Errors:
    seen: set[str] = set()
    for index, version in enumerate(spec.versions):
        at = f"spec.versions[{index}]"
        yield from named(f"{at}.name", version.name, dns_1035_label)
        if version.name in seen:
            yield invalid("spec.versions", version.name, "must contain unique version names")
        seen.add(version.name)
        yield from _version(at, version)
    if sum(version.storage for version in spec.versions) != 1:
        why = "must have exactly one version marked as storage version"
        yield invalid("spec.versions", spec.versions, why)


def _schemas(spec: CustomResourceDefinitionSpec) -> list[JSONSchemaProps | None]:
    return [version.schema.open_apiv3_schema if version.schema else None for version in spec.versions]


def _all_schemas(spec: CustomResourceDefinitionSpec) -> Errors:
    """Upstream names the one schema of all versions as it did when there was only one."""
    schemas = _schemas(spec)
    alike = all(one == schemas[0] for one in schemas)
    for index, one in enumerate(schemas[:1] if alike else schemas):
        at = "spec.validation.openAPIV3Schema" if alike else f"spec.versions[{index}].schema.openAPIV3Schema"
        if one is not None:
            yield from schema(at, to_dict(one))


def _version(path: str, version: CustomResourceDefinitionVersion) -> Errors:
    if version.schema is None or version.schema.open_apiv3_schema is None:
        yield required(f"{path}.schema.openAPIV3Schema", "schemas are required")
    for index, column in enumerate(version.additional_printer_columns):
        at = f"{path}.additionalPrinterColumns[{index}]"
        if not column.name:
            yield required(f"{at}.name")
        if not column.type:
            yield required(f"{at}.type", f"must be one of {','.join(COLUMN_TYPES)}")
        elif column.type not in COLUMN_TYPES:
            yield invalid(f"{at}.type", column.type, f"must be one of {','.join(COLUMN_TYPES)}")
        if not column.json_path:
            yield required(f"{at}.jsonPath")
    if version.subresources is not None and version.subresources.scale is not None:
        yield from _scale(f"{path}.subresources.scale", version.subresources.scale)


def _scale(path: str, scale: CustomResourceSubresourceScale) -> Errors:
    for field, value, start in (
        ("specReplicasPath", scale.spec_replicas_path, ".spec."),
        ("statusReplicasPath", scale.status_replicas_path, ".status."),
    ):
        if not value:
            yield required(f"{path}.{field}")
        elif not value.startswith(start):
            yield invalid(f"{path}.{field}", value, f"should be a json path under {start.rstrip('.')}")


def _names(path: str, names: CustomResourceDefinitionNames) -> Errors:
    yield from named(f"{path}.plural", names.plural, dns_1035_label)
    yield from named(f"{path}.singular", names.singular, dns_1035_label)
    for field, kind in (("kind", names.kind), ("listKind", names.list_kind)):
        for problem in dns_1035_label(kind.lower()):
            yield invalid(f"{path}.{field}", kind, f"may have mixed case, but should otherwise match: {problem}")
    for index, short in enumerate(names.short_names):
        yield from named(f"{path}.shortNames[{index}]", short, dns_1035_label)
        if short in names.short_names[:index]:
            yield duplicate(f"{path}.shortNames[{index}]", short)
    if names.kind and names.kind == names.list_kind:
        yield invalid(f"{path}.listKind", names.list_kind, "kind and listKind may not be the same")
    for index, category in enumerate(names.categories):
        yield from named(f"{path}.categories[{index}]", category, dns_1035_label)


def _conversion(spec: CustomResourceDefinitionSpec) -> Errors:
    own = spec.conversion
    if own is None:
        return
    if own.strategy not in ("None", "Webhook"):
        yield unsupported("spec.conversion.strategy", own.strategy, ("None", "Webhook"))
    elif own.strategy == "Webhook" and (own.webhook is None or own.webhook.client_config is None):
        yield required("spec.conversion.webhookClientConfig", "required when strategy is set to Webhook")
