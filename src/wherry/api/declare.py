"""declare: make a kind's Resource from the generated catalog and the behaviour its own file adds.

Names, scope, verbs and subresources are facts of the catalog and are never repeated by hand.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from wherry.api.types.catalog import SERVED, Served
from wherry.machinery.meta import T
from wherry.machinery.resource import Resource, Scale


@cache
def _by_type() -> dict[type, Served]:
    return {served.type: served for served in SERVED}


def declare(kind: type[T], **behaviour: Any) -> Resource[T]:
    """The Resource of a served type. `behaviour`: default, prepare, validate, columns, fields, ... of `Resource`."""
    facts = _by_type()[kind]
    if "scale" in facts.subresources:
        behaviour.setdefault("scale", Scale())
    return Resource(
        kind,
        group=facts.group,
        version=facts.version,
        kind=facts.kind,
        plural=facts.plural,
        singular=facts.singular,
        namespaced=facts.namespaced,
        short_names=facts.short_names,
        categories=facts.categories,
        verbs=facts.verbs,
        subresources=tuple(facts.subresources),
        **behaviour,
    )
