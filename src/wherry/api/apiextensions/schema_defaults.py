"""Whether the defaults of a schema are what it asks for: known fields only, and valid, by rules too.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#defaulting
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from wherry.api.checks import Errors
from wherry.machinery.structural.pruning import prune
from wherry.machinery.structural.rules import check_rules, rules_of
from wherry.machinery.structural.schema import EMBEDDED, IDENTITY, Json, structural
from wherry.machinery.structural.values import ABSENT, Check, validate
from wherry.machinery.validation import FieldError, invalid


def defaults(path: str, own: Json) -> Errors:
    """Everything wrong with the defaults of a whole schema."""
    yield from _node(path, own, meta=False, root=True)


def _node(path: str, own: Json, *, meta: bool, root: bool = False) -> Errors:
    if own.get("default") is not None:
        yield from _default(f"{path}.default", own, own["default"], meta=meta)
    whole = root or bool(own.get(EMBEDDED))
    if isinstance(own.get("items"), Mapping):
        yield from _node(f"{path}.items", own["items"], meta=meta)
    for name, part in own.get("properties", {}).items():
        yield from _node(f"{path}.properties[{name}]", part, meta=(whole and name in IDENTITY) or (meta and not whole))


def _default(path: str, own: Json, value: Any, *, meta: bool) -> Errors:
    node = structural(own)
    if not meta:
        pruned = {"value": copy.deepcopy(value)}
        prune(pruned, structural({"type": "object", "properties": {"value": own}}), whole=False)
        if pruned["value"] != value:
            yield invalid(path, value, "must not have unknown fields")
    errors = [_at(path, error) for error in validate(Check(own), value)]
    yield from errors
    if not errors and node.ruled:
        rules = rules_of(own)
        if rules is not None:
            found = check_rules(rules, value, value, path)
            yield from found
            if not found:
                yield from check_rules(rules, value, ABSENT, path)


def _at(path: str, error: FieldError) -> FieldError:
    if error.path in ("", "<nil>"):
        return error._replace(path=path)
    return error._replace(path=f"{path}{error.path}" if error.path.startswith("[") else f"{path}.{error.path}")
