"""flowcontrol.apiserver.k8s.io/v1 FlowSchema: what the API adds to its schema (`wherry.api.types.flowcontrol`)."""

from __future__ import annotations

from wherry.api.checks import Errors
from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.defaulting import fill_zero, within
from wherry.api.flowcontrol.validation import conditions, flow_schema
from wherry.api.types.flowcontrol import FlowSchema
from wherry.machinery.resource import Column

COLUMNS: tuple[Column[FlowSchema], ...] = (
    Column("PriorityLevel", lambda f, _: f.spec.priority_level_configuration.name),
    Column("MatchingPrecedence", lambda f, _: f.spec.matching_precedence),
    Column(
        "DistinguisherMethod",
        lambda f, _: f.spec.distinguisher_method.type if f.spec.distinguisher_method else "<none>",
    ),
    AGE,
    Column("MissingPL", lambda f, _: next((c.status for c in f.status.conditions if c.type == "Dangling"), "?")),
)


def default(schema: FlowSchema) -> FlowSchema:
    """In the middle."""
    return within(schema, spec=lambda spec: fill_zero(spec, matching_precedence=1000))


def validate_status(new: FlowSchema, old: FlowSchema | None) -> Errors:
    """Conditions with types."""
    yield from conditions(new.status.conditions)


FLOWSCHEMA = declare(
    FlowSchema, columns=COLUMNS, default=default, validate=flow_schema, validate_status=validate_status
)
