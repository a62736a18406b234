"""Served: which resources exist, by path, kind and group. Built-in ones from RESOURCES, custom ones at run time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from wherry.machinery.errors import NoSuchPath, nothing_there
from wherry.machinery.resource import Resource


class Served:
    """The lookup tables over every served resource. Changes are rare; `on_change` tells caches (discovery, OpenAPI)."""

    def __init__(self, resources: Iterable[Resource[Any]]) -> None:
        self._by_path: dict[tuple[str, str, str], Resource[Any]] = {}
        self._by_kind: dict[tuple[str, str, str], Resource[Any]] = {}
        self._by_plural: dict[str, list[Resource[Any]]] = {}
        self._listeners: list[Callable[[], None]] = []
        self.generation = 0
        for resource in resources:
            self._put(resource)
        self._built_in = frozenset(group for group, _, _ in self._by_path)

    def __iter__(self) -> Iterator[Resource[Any]]:
        return iter(tuple(self._by_path.values()))

    def find(self, group: str, version: str, plural: str) -> Resource[Any] | None:
        """The resource at a path."""
        return self._by_path.get((group, version, plural))

    def get(self, group: str, version: str, plural: str) -> Resource[Any]:
        """The resource at a path. Raises NotFound."""
        found = self._by_path.get((group, version, plural))
        if found is None:
            # a kind that a definition may add has no API until then; what is built in has one for its whole group
            raise nothing_there() if group in self._built_in else NoSuchPath
        return found

    def of_kind(self, group: str, version: str, kind: str) -> Resource[Any] | None:
        """The resource of a kind."""
        return self._by_kind.get((group, version, kind))

    def named(self, group: str, plural: str) -> Resource[Any] | None:
        """The resource of a group by its plural, in whichever version comes first."""
        return next((r for (g, _, p), r in self._by_path.items() if g == group and p == plural), None)

    def of_plural(self, plural: str) -> Sequence[Resource[Any]]:
        """Every resource with this plural, in all groups and versions."""
        return self._by_plural.get(plural, ())

    def versions(self) -> dict[str, list[str]]:
        """Group -> its versions, best first; the core group is ""."""
        found: dict[str, list[str]] = {}
        for group, version, _ in self._by_path:
            versions = found.setdefault(group, [])
            if version not in versions:
                versions.append(version)
        return {group: sorted(versions, key=rank) for group, versions in found.items()}

    def put(self, resource: Resource[Any]) -> None:
        """Serve one more resource, or the same one differently."""
        self._put(resource)
        self._changed()

    def drop(self, group: str, version: str, plural: str) -> None:
        """Serve it no longer."""
        gone = self._by_path.pop((group, version, plural), None)
        if gone is not None:
            self._by_kind.pop((group, version, gone.kind), None)
            self._by_plural[plural].remove(gone)
            self._changed()

    def on_change(self, call: Callable[[], None]) -> None:
        """Call this after every change."""
        self._listeners.append(call)

    def _put(self, resource: Resource[Any]) -> None:
        before = self._by_path.get((resource.group, resource.version, resource.plural))
        same = self._by_plural.setdefault(resource.plural, [])
        if before is not None:
            same.remove(before)
        same.append(resource)
        self._by_path[resource.group, resource.version, resource.plural] = resource
        self._by_kind[resource.group, resource.version, resource.kind] = resource

    def _changed(self) -> None:
        self.generation += 1
        for call in self._listeners:
            call()


def rank(version: str) -> tuple[int, int, int, str]:
    """Sort key of API versions, best first: v2, v1, v2beta1, v1beta1, v1alpha1, anything else."""

    found = re.fullmatch(r"v(\d+)(?:(alpha|beta)(\d+))?", version)
    if found is None:
        return (3, 0, 0, version)
    stage = {None: 0, "beta": 1, "alpha": 2}[found[2]]
    return (stage, -int(found[1]), -int(found[3] or 0), version)
