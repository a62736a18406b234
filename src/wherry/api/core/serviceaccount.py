"""v1 ServiceAccount: what the API adds to its schema (`wherry.api.types.core`)."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.types.core import ObjectReference, ServiceAccount

ENFORCE = "kubernetes.io/enforce-mountable-secrets"


def prepare(new: ServiceAccount, old: ServiceAccount | None) -> ServiceAccount:
    """Of its secrets the names alone."""
    if all(ref == ObjectReference(name=ref.name) for ref in new.secrets):
        return new
    return replace(new, secrets=tuple(ObjectReference(name=ref.name) for ref in new.secrets))


def warn(new: ServiceAccount, old: ServiceAccount | None) -> Iterator[str]:
    """About an annotation that is no more."""
    if ENFORCE in new.metadata.annotations and (old is None or ENFORCE not in old.metadata.annotations):
        yield (
            f"metadata.annotations[{ENFORCE}]: deprecated in v1.32+; prefer separate namespaces to isolate access to "
            "mounted secrets"
        )


SERVICEACCOUNT = declare(ServiceAccount, columns=(AGE,), prepare=prepare, warn=warn)
