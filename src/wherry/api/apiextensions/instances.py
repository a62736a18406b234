"""Handles on custom kinds: what everybody outside the API server needs to list, watch and delete their objects. Pure.

A handle knows names and metadata, not schemas. Over HTTP its objects are metadata alone.
"""

from __future__ import annotations

from wherry.api.types.apiextensions import CustomResourceDefinition
from wherry.machinery import conditions
from wherry.machinery.meta import Object
from wherry.machinery.resource import Resource

Facts = tuple[str, str, str, str, bool]


def facts_of(crd: CustomResourceDefinition) -> Facts | None:
    """(group, version, kind, plural, namespaced) of a definition that is served: two alike are the same kind."""
    if not conditions.is_true(crd.status.conditions, "Established"):
        return None
    served = [version for version in crd.spec.versions if version.served]
    if not served:
        return None
    version = next((v for v in served if v.storage), served[0])
    names = crd.spec.names
    return (crd.spec.group, version.name, names.kind, names.plural, crd.spec.scope == "Namespaced")


def handle(facts: Facts) -> Resource[Object]:
    """The kind, as something that can be watched."""
    group, version, kind, plural, namespaced = facts
    return Resource(
        Object, group=group, version=version, kind=kind, plural=plural, singular=kind.lower(), namespaced=namespaced
    )
