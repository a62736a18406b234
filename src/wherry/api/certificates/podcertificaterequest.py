"""certificates.k8s.io/v1 PodCertificateRequest: what the API adds to its schema (`wherry.api.types.certificates`)."""

from __future__ import annotations

from wherry.api.declare import declare
from wherry.api.types.certificates import PodCertificateRequest

PODCERTIFICATEREQUEST = declare(PodCertificateRequest)
