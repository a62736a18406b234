"""coordination.k8s.io/v1 Lease: what the API adds to its schema (`wherry.api.types.coordination`)."""

from __future__ import annotations

from msgspec.structs import replace

from wherry.api.checks import Errors, nonnegative, unsupported
from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.types.coordination import Lease
from wherry.machinery.resource import Column
from wherry.machinery.validation import forbidden, invalid

COLUMNS: tuple[Column[Lease], ...] = (
    Column("Holder", lambda lease, _: lease.spec.holder_identity or ""),
    AGE,
)


def validate(new: Lease, old: Lease | None) -> Errors:
    """A length above 0; a preferred holder only with a strategy."""
    spec = new.spec
    if spec.lease_duration_seconds is not None and spec.lease_duration_seconds <= 0:
        yield invalid("spec.leaseDurationSeconds", spec.lease_duration_seconds, "must be greater than 0")
    yield from nonnegative("spec.leaseTransitions", spec.lease_transitions)
    if spec.strategy not in (None, "OldestEmulationVersion"):
        yield unsupported("spec.strategy", spec.strategy, ("OldestEmulationVersion",))
    if spec.preferred_holder and not spec.strategy:
        yield forbidden("spec.preferredHolder", "may only be specified if `strategy` is defined")


def prepare(new: Lease, old: Lease | None) -> Lease:
    """Without the fields of coordinated elections, which are alpha."""
    if new.spec.strategy is None and new.spec.preferred_holder is None:
        return new
    return replace(new, spec=replace(new.spec, strategy=None, preferred_holder=None))


LEASE = declare(Lease, columns=COLUMNS, prepare=prepare, validate=validate)
