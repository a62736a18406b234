"""ClusterTrustBundleAttest: who publishes the authorities of a signer must be allowed to attest for that very signer.

https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#cluster-trust-bundles
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from wherry.api.types.certificates import ClusterTrustBundle
from wherry.apiserver.admission.certificates import may
from wherry.apiserver.admission.namespace_lifecycle import forbidden
from wherry.apiserver.admission.plugin import Plugin
from wherry.apiserver.context import Context

if TYPE_CHECKING:
    from wherry.apiserver.api import Api


def _attest(
    api: Api, ctx: Context[ClusterTrustBundle], new: ClusterTrustBundle, old: ClusterTrustBundle | None
) -> None:  # fmt: skip
    signer = new.spec.signer_name
    if not signer or (old is not None and _only_collected(new, old)):
        return
    if not may(api, ctx.user, "attest", signer):
        raise forbidden(ctx, f'user not permitted to attest for signerName "{signer}"')


def _only_collected(new: ClusterTrustBundle, old: ClusterTrustBundle) -> bool:
    """Whether a change is the garbage collector's (owners, finalizers), or none at all."""
    kept = replace(
        new.metadata, owner_references=old.metadata.owner_references, finalizers=old.metadata.finalizers,
        resource_version=old.metadata.resource_version, managed_fields=old.metadata.managed_fields,
    )  # fmt: skip
    return replace(new, metadata=kept) == old


PLUGIN = Plugin(
    "ClusterTrustBundleAttest",
    validate=_attest,
    resources=frozenset({"clustertrustbundles.certificates.k8s.io"}),
)
