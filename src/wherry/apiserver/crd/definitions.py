"""Definitions: which CustomResourceDefinitions are in force; keeps what is served and how objects are read in step.

Owns every custom Resource. `install` and `remove` take effect at once, between two requests. Watches go on through a
change; they end when the definition goes. Wakes nobody: `keeper.py` calls it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wherry.api.types.apiextensions import CustomResourceDefinition, CustomResourceDefinitionSpec
from wherry.apiserver.api import Api
from wherry.apiserver.crd.conversion import converter_of
from wherry.apiserver.crd.resources import resources_of
from wherry.machinery.resource import Resource
from wherry.store.entry import decode_typed


def decode_entry(resource: Resource[Any], data: bytes) -> Any:
    """How the windows' entries become objects."""
    return decode_typed(resource, data) if resource.custom is None else resource.custom.stored(data)


@dataclass(frozen=True, slots=True)
class Definition:
    """One definition in force."""

    spec: CustomResourceDefinitionSpec
    names: Any
    ending: bool
    resources: dict[str, Resource[Any]]
    served: tuple[str, ...]

    @property
    def storage(self) -> Resource[Any]:
        """The Resource of the storage version."""
        return next(iter(self.resources.values()))


class Definitions:
    """All definitions of one server."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[str, Definition] = {}

    def get(self, name: str) -> Definition | None:
        """A definition in force."""
        return self._known.get(name)

    def install(self, crd: CustomResourceDefinition) -> Definition:
        """Serve a definition, or serve it as it is now. Nothing happens when nothing of it has changed."""
        name, ending = crd.metadata.name, crd.metadata.deletion_timestamp is not None
        before = self._known.get(name)
        if before is not None and (before.spec, before.names, before.ending) == (
            crd.spec, crd.status.accepted_names, ending,
        ):  # fmt: skip
            return before
        api = self._api
        converter = converter_of(crd, api.webhooks, api.uid)
        resources = resources_of(crd, converter, api.windows.revision)
        served = tuple(v.name for v in crd.spec.versions if v.served)
        definition = Definition(crd.spec, crd.status.accepted_names, ending, resources, served)
        api.windows.rebind(definition.storage)
        if before is not None:
            for version in before.served:
                if version not in served:
                    self._drop(before.resources[version])
        for version in served:
            self._put(resources[version])
        self._known[name] = definition
        return definition

    def remove(self, name: str) -> None:
        """Serve it no longer."""
        gone = self._known.pop(name, None)
        if gone is not None:
            for version in gone.served:
                self._drop(gone.resources[version])
            self._api.windows.of(gone.storage).close()

    def _put(self, resource: Resource[Any]) -> None:
        """A built-in kind is never replaced."""
        known = self._api.served.find(resource.group, resource.version, resource.plural)
        if known is None or known.custom is not None:
            self._api.served.put(resource)

    def _drop(self, resource: Resource[Any]) -> None:
        if self._api.served.find(resource.group, resource.version, resource.plural) is resource:
            self._api.served.drop(resource.group, resource.version, resource.plural)
