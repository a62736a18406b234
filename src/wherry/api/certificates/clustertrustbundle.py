"""certificates.k8s.io/v1 ClusterTrustBundle: what the API adds to its schema (`wherry.api.types.certificates`)."""

from __future__ import annotations

from wherry.api.columns import or_none
from wherry.api.declare import declare
from wherry.api.types.certificates import ClusterTrustBundle
from wherry.machinery.resource import Column

COLUMNS: tuple[Column[ClusterTrustBundle], ...] = (Column("SignerName", lambda b, _: or_none(b.spec.signer_name)),)

CLUSTERTRUSTBUNDLE = declare(
    ClusterTrustBundle, columns=COLUMNS, fields={"spec.signerName": lambda b: b.spec.signer_name}
)
