"""v1 Event: what the API adds to its schema (`wherry.api.types.core`)."""

from __future__ import annotations

from wherry.api.checks import Errors
from wherry.api.core.event_columns import COLUMNS
from wherry.api.core.event_validation import Said, said
from wherry.api.declare import declare
from wherry.api.types.core import Event

FIELDS = {
    "involvedObject.kind": lambda e: e.involved_object.kind,
    "involvedObject.namespace": lambda e: e.involved_object.namespace,
    "involvedObject.name": lambda e: e.involved_object.name,
    "involvedObject.uid": lambda e: e.involved_object.uid,
    "involvedObject.apiVersion": lambda e: e.involved_object.api_version,
    "involvedObject.resourceVersion": lambda e: e.involved_object.resource_version,
    "involvedObject.fieldPath": lambda e: e.involved_object.field_path,
    "reason": lambda e: e.reason,
    "reportingComponent": lambda e: e.reporting_component,
    "source": lambda e: e.source.component or e.reporting_component,
    "type": lambda e: e.type,
}


def validate(new: Event, old: Event | None) -> Errors:
    """About something in its own namespace."""
    own = Said(
        new.involved_object,
        new.metadata.namespace,
        new.event_time is not None,
        new.reporting_component,
        new.reporting_instance,
        new.action,
        new.reason,
        new.message,
    )
    return said(own, "reportingComponent")


EVENT = declare(Event, columns=COLUMNS, fields=FIELDS, validate=validate)
