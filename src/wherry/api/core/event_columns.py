"""What `kubectl get events` prints, for both event APIs."""

from __future__ import annotations

from wherry.api.columns import name_column
from wherry.api.types.core import Event, ObjectReference
from wherry.machinery.resource import Column
from wherry.machinery.table import age


def target(to: ObjectReference) -> str:
    """`pod/web`: the object an event is about."""
    kind = to.kind.lower()
    return f"{kind}/{to.name}" if to.name else kind


def _first(event: Event, now: float) -> str:
    return age(event.first_timestamp or event.event_time, now)


def _last(event: Event, now: float) -> str:
    if event.series is not None:
        return age(event.series.last_observed_time, now)
    return age(event.last_timestamp, now) if event.last_timestamp else _first(event, now)


def _count(event: Event, _: float) -> int:
    return event.series.count if event.series is not None else event.count or 1


def _source(event: Event, _: float) -> str:
    component = event.source.component or event.reporting_component
    instance = event.source.host or event.reporting_instance
    return f"{component}, {instance}" if instance else component


COLUMNS: tuple[Column[Event], ...] = (
    Column("Last Seen", _last),
    Column("Type", lambda e, _: e.type),
    Column("Reason", lambda e, _: e.reason),
    Column("Object", lambda e, _: target(e.involved_object)),
    Column("Subobject", lambda e, _: e.involved_object.field_path, wide=True),
    Column("Source", _source, wide=True),
    Column("Message", lambda e, _: e.message.strip()),
    Column("First Seen", _first, wide=True),
    Column("Count", _count, wide=True),
    name_column(wide=True),
)
