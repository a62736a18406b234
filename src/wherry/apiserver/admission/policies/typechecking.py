"""Type checking: validating policies are compiled against the schemas of what they are about, as a hint to authors.

Owns:     status.typeChecking and status.observedGeneration of ValidatingAdmissionPolicies.
Wakes on: every change of one, and does nothing where its generation has been looked at.
Writes:   those two; a warning for each expression that does not fit. Whether a policy works does not depend on it.
Upstream: https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/#type-checking
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from wherry.api import definitions
from wherry.api.admissionregistration.expressions import Sight, declared, variable_type
from wherry.api.admissionregistration.validatingadmissionpolicy import VALIDATINGADMISSIONPOLICY
from wherry.api.types.admissionregistration import (
    ExpressionWarning,
    NamedRuleWithOperations,
    TypeChecking,
    ValidatingAdmissionPolicy,
)
from wherry.machinery.errors import Conflict, NotFound
from wherry.machinery.resource import Resource

if TYPE_CHECKING:
    from wherry.apiserver.api import Api
    from wherry.apiserver.served import Served
    from wherry.client.interface import Client
    from wherry.machinery.cel.types import Type

logger = logging.getLogger(__name__)

Json = dict[str, Any]
MAX_TYPES: Final = 10
_REF: Final = "#/definitions/"
_INT_OR_STRING: Final = {"x-kubernetes-int-or-string": True}


async def keep_type_checked(api: Api, client: Client) -> None:
    """For ever: follow the policies and check those that are new or have changed."""
    async for event in client.watch(VALIDATINGADMISSIONPOLICY):
        policy = event.obj
        if policy is None or event.type == "DELETED" or policy.metadata.deletion_timestamp is not None:
            continue
        if policy.status.observed_generation != policy.metadata.generation or policy.status.type_checking is None:
            await _update(api, client, policy)


async def _update(api: Api, client: Client, policy: ValidatingAdmissionPolicy) -> None:
    warnings = await asyncio.to_thread(check, policy, api.served)
    status = replace(
        policy.status,
        observed_generation=policy.metadata.generation,
        type_checking=TypeChecking(expression_warnings=tuple(warnings)),
    )
    try:
        await client.replace(VALIDATINGADMISSIONPOLICY, replace(policy, status=status), subresource="status")
    except (Conflict, NotFound):
        logger.debug("%s is changing", policy.metadata.name)  # which brings us here again


def check(policy: ValidatingAdmissionPolicy, served: Served) -> list[ExpressionWarning]:
    """A warning for each expression that does not fit the kinds that the policy names."""
    resources = types_to_check(policy, served)
    if not resources:
        return []
    schemas = Schemas(served)
    kind = policy.spec.param_kind
    params = None
    if kind is not None:
        group, _, version = kind.api_version.rpartition("/")
        params = schemas.type_of(served.of_kind(group, version, kind.kind))
    seen = [(resource, schemas.type_of(resource)) for resource in resources]
    known = [(resource, own) for resource, own in seen if own is not None]
    found: list[ExpressionWarning] = []
    for field, text in _expressions(policy):
        problems = [
            f"{resource.group}/{resource.version}, Kind={resource.kind}: {problem}\n"
            for resource, own in known
            if (problem := _problem(policy, text, own, params))
        ]
        if problems:
            found.append(ExpressionWarning(field_ref=field, warning="\n".join(problems)))
    return found


def _expressions(policy: ValidatingAdmissionPolicy) -> Iterator[tuple[str, str]]:
    for index, own in enumerate(policy.spec.validations):
        yield f"spec.validations[{index}].expression", own.expression
        if own.message_expression:
            yield f"spec.validations[{index}].messageExpression", own.message_expression


def _problem(policy: ValidatingAdmissionPolicy, text: str, objects: Type, params: Type | None) -> str:
    from wherry.machinery.cel.errors import CompileError
    from wherry.machinery.cel.program import compile_expression

    variables: dict[str, Type] = {}
    sight = Sight(params=policy.spec.param_kind is not None, variables=variables)
    for own in policy.spec.variables:
        variables[own.name] = _variable(own.expression, declared(sight, objects, params))
    try:
        compile_expression(text, declared(sight, objects, params))
    except CompileError as error:
        return str(error)
    return ""


def _variable(text: str, types: Mapping[str, Type]) -> Type:
    from wherry.api.admissionregistration.expressions import Compiled
    from wherry.machinery.cel.errors import CompileError
    from wherry.machinery.cel.program import compile_expression

    try:
        program = compile_expression(text, types)
    except CompileError as error:
        return variable_type(Compiled(text, None, str(error)))
    return variable_type(Compiled(text, program))


def types_to_check(policy: ValidatingAdmissionPolicy, served: Served) -> list[Resource[Any]]:
    """The kinds that a policy names outright, sorted; at most ten for each rule. A wildcard names none."""
    constraints = policy.spec.match_constraints
    found: dict[Resource[Any], None] = {}
    for rule in () if constraints is None else constraints.resource_rules:
        for resource in _named(rule, served):
            found[resource] = None
    return sorted(found, key=lambda r: (r.group, r.version, r.kind))


def _named(rule: NamedRuleWithOperations, served: Served) -> Iterable[Resource[Any]]:
    if any("*" in name for name in (*rule.api_groups, *rule.api_versions)):
        return ()
    plurals = [name for name in rule.resources if "*" not in name and "/" not in name]
    found = (
        served.find(group, version, plural)
        for group in sorted(rule.api_groups)
        for version in sorted(rule.api_versions)
        for plural in sorted(plurals)
    )
    return [resource for resource in found if resource is not None][:MAX_TYPES]


class Schemas:
    """Types from the schemas of built-in and custom kinds."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._known: dict[str, Any] = {}
        self._names: dict[tuple[str, str, str], str] = {}

    def type_of(self, resource: Resource[Any] | None) -> Type | None:
        """The type of a kind; None when it has no schema."""
        from wherry.machinery.cel.schema import from_schema

        if resource is None:
            return None
        if resource.custom is not None:
            schema: Json | None = resource.custom.raw
        else:
            schema = self._built_in(resource)
        return None if schema is None else from_schema(schema, root=True, name=resource.kind)

    def _built_in(self, resource: Resource[Any]) -> Json | None:
        if not self._known:
            self._known = definitions.load()
            for name, schema in self._known.items():
                for kind in schema.get("x-kubernetes-group-version-kind", ()):
                    self._names[kind["group"], kind["version"], kind["kind"]] = name
        found = self._names.get((resource.group, resource.version, resource.kind))
        return None if found is None else self._resolved({"$ref": _REF + found}, ())

    def _resolved(self, schema: Json, above: tuple[str, ...]) -> Json:
        """The schema with its references written out; what holds itself is cut off."""
        reference = schema.get("$ref")
        if reference is not None:
            name = reference.removeprefix(_REF)
            return {} if name in above else self._resolved(self._known[name], (*above, name))
        if schema.get("format") == "int-or-string":
            return _INT_OR_STRING
        out = dict(schema)
        if isinstance(schema.get("properties"), dict):
            out["properties"] = {key: self._resolved(own, above) for key, own in schema["properties"].items()}
        for key in ("items", "additionalProperties"):
            if isinstance(schema.get(key), dict):
                out[key] = self._resolved(schema[key], above)
        return out
