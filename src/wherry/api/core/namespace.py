"""v1 Namespace: what the API adds to its schema (`wherry.api.types.core`)."""

from __future__ import annotations

from msgspec.structs import replace

from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.defaulting import fill, within
from wherry.api.types.core import Namespace, NamespaceStatus
from wherry.machinery.resource import Column

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


NAMESPACE = declare(
    Namespace, columns=COLUMNS, fields={"status.phase": lambda ns: ns.status.phase}, default=default, prepare=prepare
)
