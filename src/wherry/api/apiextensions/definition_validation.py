"""Validation of CustomResourceDefinitions: names, versions, conversion, what is stored, approval.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
What all versions have in common is named as upstream named it when there was only one version: `spec.validation`,
`spec.subresources`, `spec.additionalPrinterColumns`, `spec.selectableFields`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from wherry.api.admissionregistration.webhooks import check_client
from wherry.api.apiextensions.approval import ANNOTATION, approval_state
from wherry.api.apiextensions.schema_validation import schema
from wherry.api.apiextensions.version_validation import columns, deprecation, selectable, subresources
from wherry.api.checks import Errors, immutable, one_of
from wherry.api.review_versions import REVIEW_VERSIONS, check_review_versions
from wherry.api.types.apiextensions import (
    CustomResourceConversion,
    CustomResourceDefinition,
    CustomResourceDefinitionNames,
    CustomResourceDefinitionSpec,
    CustomResourceDefinitionVersion,
    JSONSchemaProps,
)
from wherry.machinery import conditions
from wherry.machinery.codec import to_dict
from wherry.machinery.names import dns_1035_label, dns_subdomain
from wherry.machinery.validation import forbidden, invalid, required

_STAYS = (
    "missing from spec.versions; {0} was previously a storage version, and must remain in spec.versions until a "
    "storage migration ensures no data remains persisted in {0} and removes {0} from status.storedVersions"
)
_NO_KEEPING = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"


def validate(new: CustomResourceDefinition, old: CustomResourceDefinition | None) -> Errors:
    """Everything wrong with a definition; schemas are not judged again when they stay as they are."""
    spec = new.spec
    if old is None and new.metadata.name != f"{spec.names.plural}.{spec.group}":
        yield invalid("metadata.name", new.metadata.name, 'must be spec.names.plural+"."+spec.group')
    yield from _group(spec)
    yield from one_of("spec.scope", spec.scope, ("Cluster", "Namespaced"))
    yield from _versions(spec, None if old is None else old.spec)
    for field in ("plural", "singular", "kind", "list_kind"):
        if not getattr(spec.names, field):
            yield required(f"spec.names.{'listKind' if field == 'list_kind' else field}")
    yield from _names("spec.names", spec.names)
    yield from _conversion(spec.conversion, None if old is None else old.spec.conversion)
    if old is not None:
        yield from _unchanged(new, old)
    yield from validate_status(new, old)
    yield from _stored(new)
    yield from _approved(new, old)
    if spec.preserve_unknown_fields and not (old is not None and old.spec.preserve_unknown_fields):
        yield invalid("spec.preserveUnknownFields", spec.preserve_unknown_fields, _NO_KEEPING)


def validate_status(new: CustomResourceDefinition, old: CustomResourceDefinition | None) -> Errors:
    """Everything wrong with its status."""
    yield from _names("status.acceptedNames", new.status.accepted_names)


def _unchanged(new: CustomResourceDefinition, old: CustomResourceDefinition) -> Errors:
    spec, before = new.spec, old.spec
    if conditions.is_true(old.status.conditions, "Established"):
        yield from immutable("spec.scope", spec.scope, before.scope)
        yield from immutable("spec.names.kind", spec.names.kind, before.names.kind)
    yield from immutable("spec.group", spec.group, before.group)
    yield from immutable("spec.names.plural", spec.names.plural, before.names.plural)


def _group(spec: CustomResourceDefinitionSpec) -> Errors:
    if not spec.group:
        yield required("spec.group")
    elif problems := dns_subdomain(spec.group):
        yield invalid("spec.group", spec.group, ",".join(problems))
    elif "." not in spec.group:
        yield invalid("spec.group", spec.group, "should be a domain with at least one dot")


# --- versions ---------------------------------------------------------------------------------------------------------


def _versions(spec: CustomResourceDefinitionSpec, old: CustomResourceDefinitionSpec | None) -> Errors:
    for index, version in enumerate(spec.versions):
        if schema_of(version) is None:
            yield required(f"spec.versions[{index}].schema.openAPIV3Schema")
    for index, version in enumerate(spec.versions):
        at = f"spec.versions[{index}]"
        problems = dns_1035_label(version.name)
        if problems:
            yield invalid(f"{at}.name", version.name, ",".join(problems))
        yield from deprecation(f"{at}.deprecationWarning", version)
    yield from _everywhere(spec, old)
    names = [version.name for version in spec.versions]
    if len(set(names)) != len(names):
        yield invalid("spec.versions", spec.versions, "must contain unique version names")
    if sum(version.storage for version in spec.versions) != 1:
        yield invalid("spec.versions", spec.versions, "must have exactly one version marked as storage version")


def schema_of(version: CustomResourceDefinitionVersion) -> JSONSchemaProps | None:
    """The schema of a version."""
    return None if version.schema is None else version.schema.open_apiv3_schema


Read = Callable[[CustomResourceDefinitionVersion], Any]


def _everywhere(spec: CustomResourceDefinitionSpec, old: CustomResourceDefinitionSpec | None) -> Errors:
    """What each version says, or what all of them say."""
    before = {} if old is None else {version.name: schema_of(version) for version in old.versions}
    status = any(v.subresources is not None and v.subresources.status is not None for v in spec.versions)
    for at, version in _told("validation", "schema", schema_of, spec.versions):
        own = schema_of(version)
        if own is not None and own != before.get(version.name):
            yield from schema(f"{at}.openAPIV3Schema", to_dict(own), status=status)
    for at, version in _told("subresources", "subresources", lambda v: v.subresources, spec.versions):
        yield from subresources(at, version.subresources)
    columned = "additionalPrinterColumns"
    for at, version in _told(columned, columned, lambda v: v.additional_printer_columns, spec.versions):
        yield from columns(at, version.additional_printer_columns)
    for at, version in _told("selectableFields", "selectableFields", lambda v: v.selectable_fields, spec.versions):
        own = schema_of(version)
        yield from selectable(at, version.selectable_fields, {} if own is None else to_dict(own))


def _told(
    shared: str, own: str, read: Read, versions: Sequence[CustomResourceDefinitionVersion]
) -> list[tuple[str, CustomResourceDefinitionVersion]]:
    """(path, version): one when all say the same, else each of them."""
    if versions and read(versions[0]) and all(read(version) == read(versions[0]) for version in versions):
        return [(f"spec.{shared}", versions[0])]
    return [(f"spec.versions[{index}].{own}", version) for index, version in enumerate(versions)]


# --- names, conversion ------------------------------------------------------------------------------------------------


def _joined(path: str, value: str, problems: Sequence[str]) -> Errors:
    if problems:
        yield invalid(path, value, ",".join(problems))


def _names(path: str, names: CustomResourceDefinitionNames) -> Errors:
    for field in ("plural", "singular"):
        value = getattr(names, field)
        if value:
            yield from _joined(f"{path}.{field}", value, dns_1035_label(value))
    for field, value in (("kind", names.kind), ("listKind", names.list_kind)):
        problems = dns_1035_label(value.lower()) if value else ()
        if problems:
            why = "may have mixed case, but should otherwise match: " + ",".join(problems)
            yield invalid(f"{path}.{field}", value, why)
    for index, short in enumerate(names.short_names):
        yield from _joined(f"{path}.shortNames[{index}]", short, dns_1035_label(short))
    if names.kind and names.kind == names.list_kind:
        yield invalid(f"{path}.listKind", names.list_kind, "kind and listKind may not be the same")
    for index, category in enumerate(names.categories):
        yield from _joined(f"{path}.categories[{index}]", category, dns_1035_label(category))


def _conversion(own: CustomResourceConversion | None, old: CustomResourceConversion | None) -> Errors:
    path = "spec.conversion"
    if own is None:
        return
    yield from one_of(f"{path}.strategy", own.strategy, ("None", "Webhook"))
    webhook = own.webhook
    config = None if webhook is None else webhook.client_config
    versions = () if webhook is None else webhook.conversion_review_versions
    if own.strategy != "Webhook":
        if config is not None:
            why = "should not be set when strategy is not set to Webhook"
            yield forbidden(f"{path}.webhookClientConfig", why)
        if versions:
            yield forbidden(f"{path}.conversionReviewVersions", "should not be set when strategy is not set to Webhook")
        return
    if config is None:
        yield required(f"{path}.webhookClientConfig", "required when strategy is set to Webhook")
    else:
        yield from check_client(f"{path}.webhookClientConfig", config)
    yield from check_review_versions(f"{path}.conversionReviewVersions", versions, known=_recognised(old))


def _recognised(old: CustomResourceConversion | None) -> bool:
    """Whether one of the versions must be known to the server."""
    versions = () if old is None or old.webhook is None else old.webhook.conversion_review_versions
    return not versions or bool(set(versions) & set(REVIEW_VERSIONS))


# --- status and approval ----------------------------------------------------------------------------------------------


def _stored(new: CustomResourceDefinition) -> Errors:
    path, stored = "status.storedVersions", new.status.stored_versions
    if not stored:
        yield invalid(path, stored, "must have at least one stored version")
        return
    for version in new.spec.versions:
        if version.storage and version.name not in stored:
            yield invalid(path, stored, f"must have the storage version {version.name}")
    names = {version.name for version in new.spec.versions}
    for index, name in enumerate(stored):
        if name not in names:
            yield invalid(f"{path}[{index}]", name, _STAYS.format(name))


def _approved(new: CustomResourceDefinition, old: CustomResourceDefinition | None) -> Errors:
    found = approval_state(new)
    if found is None:
        return
    before = None if old is None else approval_state(old)
    state, message = found
    if before is not None and before[0] == state:
        return
    path = f"metadata.annotations[{ANNOTATION}]"
    if state == "missing":
        yield required(path, message)
    elif state == "invalid":
        yield invalid(path, new.metadata.annotations.get(ANNOTATION), message)
