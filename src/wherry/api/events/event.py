"""events.k8s.io/v1 Event: what the API adds to its schema (`wherry.api.types.events`)."""

from __future__ import annotations

from wherry.api.columns import name_column
from wherry.api.core.event_columns import target
from wherry.api.declare import declare
from wherry.api.types.events import Event
from wherry.machinery.resource import Column
from wherry.machinery.table import age

FIELDS = {
    "regarding.kind": lambda e: e.regarding.kind,
    "regarding.namespace": lambda e: e.regarding.namespace,
    "regarding.name": lambda e: e.regarding.name,
    "regarding.uid": lambda e: e.regarding.uid,
    "regarding.apiVersion": lambda e: e.regarding.api_version,
    "regarding.resourceVersion": lambda e: e.regarding.resource_version,
    "regarding.fieldPath": lambda e: e.regarding.field_path,
    "reason": lambda e: e.reason,
    "reportingController": lambda e: e.reporting_controller,
    "type": lambda e: e.type,
}


def _first(event: Event, now: float) -> str:
    return age(event.deprecated_first_timestamp or event.event_time, now)


def _last(event: Event, now: float) -> str:
    if event.series is not None:
        return age(event.series.last_observed_time, now)
    return age(event.deprecated_last_timestamp, now) if event.deprecated_last_timestamp else _first(event, now)


def _count(event: Event, _: float) -> int:
    return event.series.count if event.series is not None else event.deprecated_count or 1


def _source(event: Event, _: float) -> str:
    component = event.deprecated_source.component or event.reporting_controller
    instance = event.deprecated_source.host or event.reporting_instance
    return f"{component}, {instance}" if instance else component


COLUMNS: tuple[Column[Event], ...] = (
    Column("Last Seen", _last),
    Column("Type", lambda e, _: e.type),
    Column("Reason", lambda e, _: e.reason),
    Column("Object", lambda e, _: target(e.regarding)),
    Column("Subobject", lambda e, _: e.regarding.field_path, wide=True),
    Column("Source", _source, wide=True),
    Column("Message", lambda e, _: e.note.strip()),
    Column("First Seen", _first, wide=True),
    Column("Count", _count, wide=True),
    name_column(wide=True),
)

EVENT = declare(Event, columns=COLUMNS, fields=FIELDS)
