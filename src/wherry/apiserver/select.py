"""Selectors of a request -> one predicate over entries, and the revision rules of lists. Shared by list, watch, delete.

https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from wherry.machinery import selectors
from wherry.machinery.errors import BadRequest
from wherry.machinery.resource import Resource
from wherry.store.entry import Entry

Predicate = Callable[[Entry[Any]], bool]


@dataclass(frozen=True, slots=True)
class Selection:
    """`predicate` None lets everything through; `name` is set when metadata.name is pinned to one value."""

    predicate: Predicate | None = None
    name: str = ""


EVERYTHING = Selection()


def select(resource: Resource[Any], labels: str, fields: str) -> Selection:
    """Read both selectors. Raises BadRequest for what cannot be read or is not selectable."""
    if not labels and not fields:
        return EVERYTHING
    return _select(resource, labels, fields)


@lru_cache(maxsize=2048)
def _select(resource: Resource[Any], labels: str, fields: str) -> Selection:
    try:
        query = selectors.parse_labels(labels)
    except ValueError as error:
        raise BadRequest(f"unable to parse requirement: {error}") from None
    try:
        terms = selectors.parse_fields(fields)
    except ValueError as error:
        raise BadRequest(str(error)) from None
    known = {"metadata.name", "metadata.namespace", *(resource.fields or {})}
    for path, _, _ in terms:
        if path not in known:
            raise BadRequest(
                f'Unable to find "{resource.group}/{resource.version}, Resource={resource.plural}" that match label '
                f'selector "{labels}", field selector "{fields}": field label not supported: {path}'
            )
    name = next((value for path, operator, value in terms if path == "metadata.name" and operator == "="), "")
    by_label = query if query.requirements else None
    if not terms:
        return Selection(None if by_label is None else lambda entry: by_label(entry.labels), name)
    wanted = tuple((path, operator == "=", value) for path, operator, value in terms)
    custom = resource.custom

    def shown(entry: Entry[Any]) -> Mapping[str, str]:
        """Of a custom resource: those of the version that is asked for, where it can be seen without asking anybody."""
        return entry.fields if custom is None else (custom.shown(entry) or entry).fields

    def predicate(entry: Entry[Any]) -> bool:
        found = shown(entry)
        for path, equal, value in wanted:
            if (found.get(path, "") == value) is not equal:
                return False
        return by_label is None or by_label(entry.labels)

    return Selection(predicate, name)
