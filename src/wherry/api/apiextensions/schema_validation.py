"""Validation of the schemas of custom resources: structural, with good defaults, and nothing that is not supported.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
A schema is looked at as JSON, since its parts may be schemas, flags or lists. What it is judged by: `schema_structure`
(whether it is structural), `schema_words` (what each node says), `schema_defaults`, `schema_rules` (CEL).
"""

from __future__ import annotations

from typing import Any

from wherry.api.apiextensions.schema_defaults import defaults
from wherry.api.apiextensions.schema_rules import rules
from wherry.api.apiextensions.schema_structure import structure
from wherry.api.apiextensions.schema_words import words
from wherry.api.checks import Errors
from wherry.machinery.validation import forbidden, invalid

_AT_ROOT = {
    "description", "type", "format", "title", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum",
    "maxLength", "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "multipleOf", "required", "items",
    "properties", "externalDocs", "example", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-validations",
}  # fmt: skip
_GO = (
    "[Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern "
    "MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields "
    "XValidations]"
)


def schema(path: str, own: dict[str, Any], *, status: bool = False) -> Errors:
    """A whole schema; `status`: of a version with a status subresource."""
    if status:
        yield from _with_status(path, own)
    if own.get("nullable"):
        yield forbidden(f"{path}.nullable", "nullable cannot be true at the root")
    shape = sorted(structure(path, own), key=lambda error: f"{error.path}: {error.message}")
    found = shape or list(defaults(path, own))
    yield from found
    said = list(words(path, own))
    yield from said
    if not found and not said:
        yield from rules(path, own)


def _with_status(path: str, own: dict[str, Any]) -> Errors:
    if own.get("type", "") not in ("", "object"):
        why = 'only "object" is allowed as the type at the root of the schema if the status subresource is enabled'
        yield invalid(f"{path}.type", own["type"], why)
        return
    if any(value not in (None, False, "", [], {}) and word not in _AT_ROOT for word, value in own.items()):
        why = f"only {_GO} fields are allowed at the root of the schema if the status subresource is enabled"
        yield invalid(path, own, why)
