"""certificates.k8s.io/v1 CertificateSigningRequest: what the API adds to its schema."""

from __future__ import annotations

from wherry.api.declare import declare
from wherry.api.types.certificates import CertificateSigningRequest

CERTIFICATESIGNINGREQUEST = declare(CertificateSigningRequest)
