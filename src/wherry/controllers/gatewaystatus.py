"""Writing the status of the Gateway API's kinds, and telling users once of what is new in it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from wherry.machinery.codec import to_dict
from wherry.machinery.meta import Condition, Object, key_of
from wherry.machinery.resource import Resource
from wherry.reconcile.actions import Action, Emit, Patch

CONFLICTED = "wherry.dev/Conflicted"
"""Our own condition of a route that does not get all that it asks for: upstream has none for routes that are valid."""
GOOD = {"Conflicted": "False", "PartiallyInvalid": "False", CONFLICTED: "False"}
"""What a condition says when all is well, where that is not True."""


def write(resource: Resource[Any], obj: Object, before: object, after: object) -> Iterator[Action]:
    """The status, where it is another."""
    if before == after:
        return
    wanted, present = to_dict(after), to_dict(before)
    gone = {name: None for name in present if name not in wanted}
    revision = {"resourceVersion": obj.metadata.resource_version}
    yield Patch(resource, key_of(obj), {"metadata": revision, "status": {**gone, **wanted}}, subresource="status")


def tell(obj: Object, before: Iterable[Condition], after: Iterable[Condition], where: str = "") -> Iterator[Action]:
    """A warning for each thing that is wrong now and was not, or not so, before."""
    known = {(one.type, one.status, one.reason, one.message) for one in before}
    for one in after:
        bad = one.status != GOOD.get(one.type, "True")
        if bad and one.type != "Programmed" and (one.type, one.status, one.reason, one.message) not in known:
            yield Emit(obj, "Warning", one.reason, f"{where}{one.message}")
