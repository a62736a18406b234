"""events.k8s.io/v1 Event: what the API adds to its schema (`wherry.api.types.events`)."""

from __future__ import annotations

from wherry.api.checks import Errors, immutable
from wherry.api.columns import name_column
from wherry.api.core.event_columns import target
from wherry.api.core.event_validation import Said, said
from wherry.api.declare import declare
from wherry.api.types.events import Event
from wherry.machinery.resource import Column
from wherry.machinery.table import age
from wherry.machinery.validation import invalid, required

_KEPT = (
    ("regarding", "involvedObject"),
    ("reason", "reason"),
    ("note", "message"),
    ("type", "type"),
    ("event_time", "eventTime"),
    ("action", "action"),
    ("related", "related"),
    ("reporting_controller", "reportingController"),
    ("reporting_instance", "reportingInstance"),
)

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


def validate(new: Event, old: Event | None) -> Errors:
    """About something in its own namespace, said by somebody, once; later only the series changes."""
    own = Said(
        new.regarding,
        new.metadata.namespace,
        new.event_time is not None,
        new.reporting_controller,
        new.reporting_instance,
        new.action,
        new.reason,
        new.note,
    )
    yield from said(own, "reportingController")
    if new.series is not None and (old is None or old.series != new.series):
        if new.series.count < 2:
            yield invalid("series.count", "", "should be at least 2")
        if new.series.last_observed_time is None:
            yield required("series.lastObservedTime")
    if old is None:
        yield from _new(new)
        return
    yield from _unchanged(new, old)
    for field, wire in _KEPT:
        yield from immutable(wire, getattr(new, field), getattr(old, field))


def _unchanged(new: Event, old: Event) -> Errors:
    """What the older API calls by other names."""
    for wire, mine, theirs in (
        ("source", new.deprecated_source, old.deprecated_source),
        ("firstTimestamp", new.deprecated_first_timestamp, old.deprecated_first_timestamp),
        ("lastTimestamp", new.deprecated_last_timestamp, old.deprecated_last_timestamp),
        ("count", new.deprecated_count, old.deprecated_count),
    ):
        yield from immutable(wire, mine, theirs)


def _new(new: Event) -> Errors:
    if new.event_time is None:
        yield required("eventTime")
    if new.type not in ("Normal", "Warning"):
        yield invalid("type", "", f"has invalid value: {new.type}")
    for field, value in (
        ("firstTimestamp", new.deprecated_first_timestamp),
        ("lastTimestamp", new.deprecated_last_timestamp),
        ("count", new.deprecated_count),
        ("source", new.deprecated_source.component or new.deprecated_source.host),
    ):
        if value:
            yield invalid(field, "", "needs to be unset")


EVENT = declare(Event, columns=COLUMNS, fields=FIELDS, validate=validate)
