"""v1 PodTemplate: what the API adds to its schema (`wherry.api.types.core`)."""

from __future__ import annotations

from wherry.api.declare import declare
from wherry.api.types.core import PodTemplate

PODTEMPLATE = declare(PodTemplate)
