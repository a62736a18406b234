"""The expressions of admission: which variables they see, and compiling them with upstream's refusals.

The compiler is loaded when somebody first has an expression.
https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/#validation-expression
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from wherry.api.checks import Errors, named
from wherry.api.types.admissionregistration import MatchCondition, Variable
from wherry.machinery.names import label_key
from wherry.machinery.validation import duplicate, invalid, required, too_many

if TYPE_CHECKING:
    from wherry.machinery.cel.program import Program
    from wherry.machinery.cel.types import Type

MAX_CONDITIONS = 64
_IDENTIFIER = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*", re.ASCII)


class Compiled(NamedTuple):
    """An expression; `error` says why there is no program."""

    text: str
    program: Program | None
    error: str = ""


class Sight(NamedTuple):
    """What an expression may see beyond the request and its objects."""

    params: bool = False
    authorizer: bool = True
    patches: bool = False
    variables: Mapping[str, Type] | None = None
    """Types of the policy's own variables by name; None: there are none."""


@cache
def request_type() -> Type:
    """The type of `request`."""
    from wherry.machinery.cel.types import BOOL, DYN, STRING, ListOf, MapOf, ObjectType

    kind = ObjectType("kubernetes.GroupVersionKind", dict.fromkeys(("group", "version", "kind"), STRING))
    place = ObjectType("kubernetes.GroupVersionResource", dict.fromkeys(("group", "version", "resource"), STRING))
    texts = ListOf(STRING)
    user = ObjectType(
        "kubernetes.UserInfo", {"username": STRING, "uid": STRING, "groups": texts, "extra": MapOf(STRING, texts)}
    )
    return ObjectType(
        "kubernetes.AdmissionRequest",
        {
            "kind": kind,
            "resource": place,
            "subResource": STRING,
            "requestKind": kind,
            "requestResource": place,
            "requestSubResource": STRING,
            "name": STRING,
            "namespace": STRING,
            "operation": STRING,
            "userInfo": user,
            "dryRun": BOOL,
            "options": DYN,
        },
    )


@cache
def namespace_type() -> Type:
    """The type of `namespaceObject`."""
    from wherry.machinery.cel.types import INT, STRING, TIMESTAMP, ListOf, MapOf, ObjectType

    labels = MapOf(STRING, STRING)
    meta = ObjectType(
        "kubernetes.NamespaceMetadata",
        {
            **dict.fromkeys(("name", "generateName", "namespace", "UID", "resourceVersion"), STRING),
            "labels": labels,
            "annotations": labels,
            "creationTimestamp": TIMESTAMP,
            "deletionGracePeriodSeconds": INT,
            "deletionTimestamp": TIMESTAMP,
            "generation": INT,
            "finalizers": ListOf(STRING),
        },
    )
    condition = ObjectType(
        "kubernetes.NamespaceCondition",
        {**dict.fromkeys(("status", "type", "message", "reason"), STRING), "lastTransitionTime": TIMESTAMP},
    )
    status = ObjectType("kubernetes.NamespaceStatus", {"conditions": ListOf(condition), "phase": STRING})
    spec = ObjectType("kubernetes.NamespaceSpec", {"finalizers": ListOf(STRING)})
    return ObjectType("kubernetes.Namespace", {"metadata": meta, "spec": spec, "status": status})


def declared(sight: Sight, objects: Type | None = None, params: Type | None = None) -> dict[str, Type]:
    """Variables with their types. `objects` and `params`: the types of what is checked against a schema, if any."""
    from wherry.machinery.cel.library.authorization import AUTHORIZER, RESOURCE_CHECK
    from wherry.machinery.cel.types import DYN, ObjectType

    found: dict[str, Type] = {
        "object": objects or DYN,
        "oldObject": objects or DYN,
        "namespaceObject": namespace_type(),
        "request": request_type(),
    }
    if sight.params:
        found["params"] = params or DYN
    if sight.authorizer:
        found |= {"authorizer": AUTHORIZER, "authorizer.requestResource": RESOURCE_CHECK}
    if sight.variables is not None:
        found["variables"] = ObjectType("kubernetes.variables", sight.variables)
    return found


def compiled(text: str, sight: Sight, result: Type | tuple[Type, ...] | None) -> Compiled:
    """Compile an expression. What is wrong with it is in upstream's words."""
    from wherry.machinery.cel.errors import CompileError, WrongResult
    from wherry.machinery.cel.program import compile_expression

    try:
        return Compiled(text, compile_expression(text, declared(sight), result=result, patches=sight.patches))
    except WrongResult as error:
        return Compiled(text, None, str(error))
    except CompileError as error:
        instantiation = str(error).startswith("program instantiation")
        return Compiled(text, None, str(error) if instantiation else f"compilation failed: {error}")


def variable_type(own: Compiled) -> Type:
    """How a variable is seen by the expressions after it: objects and optionals as dyn."""
    from wherry.machinery.cel.types import DYN

    if own.program is None:
        return DYN
    kind = own.program.result
    return DYN if kind.kind in ("object", "optional", "opaque", "type") else kind


# --- Validation ---


def check_expression(path: str, text: str, sight: Sight, result: Any, shown: str | None = None) -> Errors:
    """An expression that compiles to one of these types."""
    own = compiled(text, sight, result)
    if own.error:
        yield invalid(path, text if shown is None else shown, own.error)


def check_conditions(path: str, conditions: Sequence[MatchCondition], *, params: bool) -> Errors:
    """Match conditions of a webhook or policy."""
    if len(conditions) > MAX_CONDITIONS:
        yield too_many(path, len(conditions), MAX_CONDITIONS)
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        at = f"{path}[{index}]"
        yield from _condition(at, condition, Sight(params=params))
        if condition.name and condition.name in seen:
            yield duplicate(f"{at}.name", condition.name)
        seen.add(condition.name)


def _condition(path: str, condition: MatchCondition, sight: Sight) -> Errors:
    from wherry.machinery.cel.types import BOOL

    text = condition.expression.strip()
    if text:
        yield from check_expression(f"{path}.expression", text, sight, BOOL)
    else:
        yield required(f"{path}.expression")
    if condition.name:
        yield from named(f"{path}.name", condition.name, label_key)
    else:
        yield required(f"{path}.name")


def check_variables(path: str, variables: Sequence[Variable], sight: Sight) -> tuple[list[Any], Sight]:
    """What is wrong with the variables of a policy, and what the other expressions see."""
    from wherry.machinery.cel.schema import RESERVED

    problems: list[Any] = []
    types: dict[str, Type] = {}
    for index, variable in enumerate(variables):
        at = f"{path}[{index}]"
        if not variable.name.strip():
            problems.append(required(f"{at}.name", "name is not specified"))
        elif not _IDENTIFIER.fullmatch(variable.name) or variable.name in RESERVED:
            problems.append(invalid(f"{at}.name", variable.name, "must be a valid CEL identifier"))
        if not variable.expression.strip():
            problems.append(required(f"{at}.expression", "expression is not specified"))
            continue
        own = compiled(variable.expression, sight._replace(variables=types), None)
        if own.error:
            problems.append(invalid(f"{at}.expression", variable.expression, own.error))
        types = {**types, variable.name: variable_type(own)}
    return problems, sight._replace(variables=types if variables else None)
