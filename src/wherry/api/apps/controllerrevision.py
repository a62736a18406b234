"""apps/v1 ControllerRevision: what the API adds to its schema (`wherry.api.types.apps`)."""

from __future__ import annotations

from wherry.api.declare import declare
from wherry.api.types.apps import ControllerRevision

CONTROLLERREVISION = declare(ControllerRevision)
