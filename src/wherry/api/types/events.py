"""Generated from the Kubernetes API schema by hack/generate_types.py: events. Do not edit."""

from __future__ import annotations

from msgspec import field

from wherry.api.types.core import EventSource, ObjectReference
from wherry.machinery.meta import Model, Object, no_time, shown, zero
from wherry.machinery.time import MicroTime, Time


class Event(Object, frozen=True):
    """io.k8s.api.events.v1.Event"""

    kind: str = field(default_factory=lambda: "Event")
    api_version: str = field(default_factory=lambda: "events.k8s.io/v1")
    action: str = ""
    deprecated_count: int = 0
    deprecated_first_timestamp: Time | None = field(default_factory=no_time)
    deprecated_last_timestamp: Time | None = field(default_factory=no_time)
    deprecated_source: EventSource = field(default_factory=shown(EventSource))
    event_time: MicroTime | None = field(default_factory=no_time)
    note: str = ""
    reason: str = ""
    regarding: ObjectReference = field(default_factory=shown(ObjectReference))
    related: ObjectReference | None = None
    reporting_controller: str = ""
    reporting_instance: str = ""
    series: EventSeries | None = None
    type: str = ""


class EventSeries(Model, frozen=True):
    """io.k8s.api.events.v1.EventSeries"""

    count: int = field(default_factory=zero)
    last_observed_time: MicroTime | None = field(default_factory=no_time)
