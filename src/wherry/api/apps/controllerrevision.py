"""apps/v1 ControllerRevision: what the API adds to its schema (`wherry.api.types.apps`)."""

from __future__ import annotations

from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.types.apps import ControllerRevision
from wherry.machinery.meta import controller_of
from wherry.machinery.resource import Column


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

CONTROLLERREVISION = declare(ControllerRevision, columns=COLUMNS)
