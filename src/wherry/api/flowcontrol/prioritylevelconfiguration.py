"""flowcontrol.apiserver.k8s.io/v1 PriorityLevelConfiguration: what the API adds to its schema."""

from __future__ import annotations

from wherry.api.checks import Errors
from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.defaulting import fill, fill_zero, within
from wherry.api.flowcontrol.validation import conditions, priority_level
from wherry.api.types.flowcontrol import (
    ExemptPriorityLevelConfiguration,
    LimitedPriorityLevelConfiguration,
    PriorityLevelConfiguration,
    QueuingConfiguration,
)
from wherry.machinery.resource import Column


def _queuing(level: PriorityLevelConfiguration) -> QueuingConfiguration | None:
    return level.spec.limited.limit_response.queuing if level.spec.limited else None


COLUMNS: tuple[Column[PriorityLevelConfiguration], ...] = (
    Column("Type", lambda p, _: p.spec.type),
    Column(
        "NominalConcurrencyShares",
        lambda p, _: p.spec.limited.nominal_concurrency_shares if p.spec.limited else "<none>",
    ),
    Column("Queues", lambda p, _: q.queues if (q := _queuing(p)) else "<none>"),
    Column("HandSize", lambda p, _: q.hand_size if (q := _queuing(p)) else "<none>"),
    Column("QueueLengthLimit", lambda p, _: q.queue_length_limit if (q := _queuing(p)) else "<none>"),
    AGE,
)


def _default_limited(own: LimitedPriorityLevelConfiguration) -> LimitedPriorityLevelConfiguration:
    own = fill(own, nominal_concurrency_shares=30, lendable_percent=0)
    return within(own, limit_response=lambda response: within(response, queuing=_default_queuing))


def _default_queuing(own: QueuingConfiguration) -> QueuingConfiguration:
    return fill_zero(own, hand_size=8, queues=64, queue_length_limit=50)


def _default_exempt(own: ExemptPriorityLevelConfiguration) -> ExemptPriorityLevelConfiguration:
    return fill(own, nominal_concurrency_shares=0, lendable_percent=0)


def default(level: PriorityLevelConfiguration) -> PriorityLevelConfiguration:
    """Thirty shares, 64 queues of 50, dealt by hands of eight."""
    return within(level, spec=lambda spec: within(spec, limited=_default_limited, exempt=_default_exempt))


def validate_status(new: PriorityLevelConfiguration, old: PriorityLevelConfiguration | None) -> Errors:
    """Conditions with types."""
    yield from conditions(new.status.conditions)


PRIORITYLEVELCONFIGURATION = declare(
    PriorityLevelConfiguration,
    columns=COLUMNS,
    default=default,
    validate=priority_level,
    validate_status=validate_status,
)
