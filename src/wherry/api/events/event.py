"""events.k8s.io/v1 Event: what the API adds to its schema (`wherry.api.types.events`)."""

from __future__ import annotations

from wherry.api.declare import declare
from wherry.api.types.events import Event

EVENT = declare(Event)
