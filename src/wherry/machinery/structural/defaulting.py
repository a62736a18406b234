"""Defaulting: fill in what a schema says; drop nulls where there may be none. In place; defaults are copied.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#defaulting
"""

from __future__ import annotations

import copy
from typing import Any

from wherry.machinery.structural.schema import Structural


def default(obj: Any, schema: Structural) -> bool:
    """Whether anything has changed."""
    changed = drop_nulls(obj, schema)
    return _fill(obj, schema) or changed if schema.defaulted else changed


def drop_nulls(value: Any, schema: Structural | None) -> bool:
    """Drop nulls where the schema knows the field, does not allow null, and has no default to put there."""
    changed = False
    if type(value) is dict:
        gone = []
        for key, child in value.items():
            part = None if schema is None else schema.child(key)
            if child is None:
                if part is not None and not part.nullable and part.default is None:
                    gone.append(key)
            elif type(child) is dict or type(child) is list:
                changed = drop_nulls(child, part) or changed
        for key in gone:
            del value[key]
        return changed or bool(gone)
    if type(value) is list:
        items = None if schema is None else schema.items
        for child in value:
            if type(child) is dict or type(child) is list:
                changed = drop_nulls(child, items) or changed
    return changed


def _fill(value: Any, schema: Structural | None) -> bool:
    if schema is None or not schema.defaulted:
        return False
    if type(value) is dict:
        return _fill_fields(value, schema)
    if type(value) is list:
        return _fill_items(value, schema.items)
    return False


def _fill_fields(value: dict[str, Any], schema: Structural) -> bool:
    changed = False
    for name, part in schema.properties.items():
        if part.default is not None and (name not in value or (value[name] is None and not part.nullable)):
            value[name] = copy.deepcopy(part.default)
            changed = True
        child = value.get(name)
        if part.defaulted and (type(child) is dict or type(child) is list):
            changed = _fill(child, part) or changed
    more = schema.additional
    if more is not None and more.defaulted:
        for name, child in value.items():
            if name in schema.properties:
                continue
            if child is None and not more.nullable and more.default is not None:
                child = value[name] = copy.deepcopy(more.default)
                changed = True
            changed = _fill(child, more) or changed
    return changed


def _fill_items(value: list[Any], items: Structural | None) -> bool:
    changed = False
    for index, child in enumerate(value):
        if child is None and items is not None and not items.nullable and items.default is not None:
            child = value[index] = copy.deepcopy(items.default)
            changed = True
        changed = _fill(child, items) or changed
    return changed
