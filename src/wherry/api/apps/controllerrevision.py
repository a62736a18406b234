"""apps/v1 ControllerRevision: what the API adds to its schema (`wherry.api.types.apps`)."""

from __future__ import annotations

from collections.abc import Mapping

from wherry.api.checks import Errors, immutable, nonnegative
from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.types.apps import ControllerRevision
from wherry.machinery.meta import controller_of
from wherry.machinery.resource import Column
from wherry.machinery.validation import required


def _controller(revision: ControllerRevision, _: float) -> str:
    owner = controller_of(revision)
    if owner is None:
        return "<none>"
    group = owner.api_version.rpartition("/")[0]
    return f"{owner.kind}.{group}/{owner.name}".lower() if group else f"{owner.kind}/{owner.name}".lower()


COLUMNS: tuple[Column[ControllerRevision], ...] = (
    Column("Controller", _controller),
    Column("Revision", lambda r, _: r.revision),
    AGE,
)


def validate(new: ControllerRevision, old: ControllerRevision | None) -> Errors:
    """Data that is an object, and never changes."""
    yield from nonnegative("revision", new.revision)
    if old is not None:
        yield from immutable("data", new.data, old.data)
    elif new.data is None:
        yield required("data", "data is mandatory")
    elif not isinstance(new.data, Mapping):
        yield required("data", "data must be a valid JSON object")


CONTROLLERREVISION = declare(ControllerRevision, columns=COLUMNS, validate=validate)
