"""scheduling.k8s.io/v1 PriorityClass: what the API adds to its schema (`wherry.api.types.scheduling`)."""

from __future__ import annotations

from wherry.api.declare import declare
from wherry.api.types.scheduling import PriorityClass

PRIORITYCLASS = declare(PriorityClass)
