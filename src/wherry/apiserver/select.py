"""Selectors of a request -> one predicate over entries, and the revision rules of lists. Shared by list, watch, delete.

https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from wherry.machinery import selectors
from wherry.machinery.errors import BadRequest
from wherry.machinery.resource import Resource
from wherry.machinery.selectors import LabelQuery
from wherry.store.entry import Entry

Predicate = Callable[[Entry[Any]], bool]


@dataclass(frozen=True, slots=True)
class Selection:
    """`predicate` None lets everything through; `name` is set when metadata.name is pinned to one value. `late` is what
    remains to be asked of entries once a webhook has converted them to the version of the request."""

    predicate: Predicate | None = None
    name: str = ""
    late: Predicate | None = None

    async def shown(self, resource: Resource[Any], entries: Sequence[Entry[Any]]) -> list[Entry[Any]]:
        """Chosen entries of a custom resource in its version, without those that do not match there. Raises
        InternalError when they cannot be converted."""
        found: list[Entry[Any]] = await resource.custom.show(entries)
        return found if self.late is None else [entry for entry in found if self.late(entry)]


EVERYTHING = Selection()


def select(resource: Resource[Any], labels: str, fields: str) -> Selection:
    """Read both selectors. Raises BadRequest for what cannot be read or is not selectable."""
    if not labels and not fields:
        return EVERYTHING
    return _select(resource, labels, fields)


def _read(labels: str, fields: str) -> tuple[LabelQuery, list[tuple[str, str, str]]]:
    """Both selectors, understood. Raises BadRequest."""
    try:
        query = selectors.parse_labels(labels)
    except ValueError as error:
        raise BadRequest(str(error)) from None
    try:
        return query, list(selectors.parse_fields(fields))
    except ValueError as error:
        raise BadRequest(str(error)) from None


_SAID = {
    "jobs.batch": 'field label "{}" not supported for Job',
    "resourceslices.resource.k8s.io": "field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: {}",
}
"""Kinds that refuse a field in words of their own."""


def _not_selectable(resource: Resource[Any], path: str) -> str:
    if resource.fields is None and resource.custom is None:
        return f'"{path}" is not a known field selector: only "metadata.name", "metadata.namespace"'
    return _SAID.get(str(resource), "field label not supported: {}").format(path)


@lru_cache(maxsize=2048)
def _select(resource: Resource[Any], labels: str, fields: str) -> Selection:
    query, terms = _read(labels, fields)
    known = {"metadata.name", "metadata.namespace", *(resource.fields or {})}
    for path, _, _ in terms:
        if path not in known:
            raise BadRequest(_not_selectable(resource, path))
    name = next((value for path, operator, value in terms if path == "metadata.name" and operator == "="), "")
    by_label = query if query.requirements else None
    if not terms:
        return Selection(None if by_label is None else lambda entry: by_label(entry.labels), name)
    wanted = tuple((path, operator == "=", value) for path, operator, value in terms)
    custom = resource.custom
    if custom is not None and custom.converter.asks:
        return _converted(by_label, wanted, name)

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


def _converted(by_label: LabelQuery | None, wanted: tuple[tuple[str, bool, str], ...], name: str) -> Selection:
    """Names are the same in every version; other fields are known only once somebody has been asked."""
    early = [term for term in wanted if term[0].startswith("metadata.")]
    rest = [term for term in wanted if not term[0].startswith("metadata.")]

    def predicate(entry: Entry[Any]) -> bool:
        own = {"metadata.name": entry.name, "metadata.namespace": entry.namespace}
        fits = all((own[path] == value) is equal for path, equal, value in early)
        return fits and (by_label is None or by_label(entry.labels))

    def late(entry: Entry[Any]) -> bool:
        return all((entry.fields.get(path, "") == value) is equal for path, equal, value in rest)

    return Selection(predicate, name, late if rest else None)
