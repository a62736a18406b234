"""v1 Namespace: what the API adds to its schema (`wherry.api.types.core`)."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from wherry.api.checks import Errors, named
from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.defaulting import fill, within
from wherry.api.types.core import Namespace, NamespaceStatus
from wherry.machinery.names import qualified_name
from wherry.machinery.resource import Column
from wherry.machinery.validation import invalid

COLUMNS: tuple[Column[Namespace], ...] = (
    Column("Status", lambda ns, _: ns.status.phase),
    AGE,
)

NAME_LABEL = "kubernetes.io/metadata.name"


def default(namespace: Namespace) -> Namespace:
    """Active, and labelled with its own name."""
    meta = namespace.metadata
    if meta.name and meta.labels.get(NAME_LABEL) != meta.name:
        namespace = replace(namespace, metadata=replace(meta, labels={**meta.labels, NAME_LABEL: meta.name}))
    return within(namespace, status=lambda status: fill(status, phase="Active"))


def prepare(new: Namespace, old: Namespace | None) -> Namespace:
    """A new one is Active and held by the finalizer `kubernetes`; later only /finalize changes finalizers."""
    if old is not None:
        return replace(new, spec=replace(new.spec, finalizers=old.spec.finalizers))
    finalizers = new.spec.finalizers if "kubernetes" in new.spec.finalizers else (*new.spec.finalizers, "kubernetes")
    return replace(new, spec=replace(new.spec, finalizers=finalizers), status=NamespaceStatus(phase="Active"))


def _finalizers(path: str, finalizers: Sequence[str], *, indexed: bool) -> Errors:
    for index, name in enumerate(finalizers):
        at = f"{path}[{index}]" if indexed else path
        yield from named(at, name, qualified_name)
        if "/" not in name and name not in ("kubernetes", "orphan", "foregroundDeletion"):
            yield invalid(at, name, "name is neither a standard finalizer name nor is it fully qualified")


def validate(new: Namespace, old: Namespace | None) -> Errors:
    """Finalizers with names."""
    if old is None:
        yield from _finalizers("spec.finalizers", new.spec.finalizers, indexed=False)


def check_finalize(new: Namespace, old: Namespace | None) -> Errors:
    """/finalize: finalizers with names."""
    return _finalizers("spec.finalizers", new.spec.finalizers, indexed=True)


def validate_status(new: Namespace, old: Namespace | None) -> Errors:
    """Terminating while it is being deleted, Active before."""
    deleted = new.metadata.deletion_timestamp is not None
    wanted, word = ("Terminating", "not empty") if deleted else ("Active", "empty")
    if new.status.phase != wanted:
        why = f"may only be '{wanted}' if `deletionTimestamp` is {word}"
        yield invalid("status.Phase", new.status.phase, why)


NAMESPACE = declare(
    Namespace,
    columns=COLUMNS,
    fields={"status.phase": lambda ns: ns.status.phase},
    default=default,
    prepare=prepare,
    validate=validate,
    validate_status=validate_status,
    checks={"finalize": check_finalize},
)
