"""flowcontrol.apiserver.k8s.io/v1 PriorityLevelConfiguration: what the API adds to its schema."""

from __future__ import annotations

from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.types.flowcontrol import PriorityLevelConfiguration, QueuingConfiguration
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

PRIORITYLEVELCONFIGURATION = declare(PriorityLevelConfiguration, columns=COLUMNS)
