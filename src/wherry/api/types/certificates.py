"""Generated from the Kubernetes API schema by hack/generate_types.py: certificates. Do not edit."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import field

from wherry.machinery.meta import Condition, Model, Object, empty_text, no_time, shown
from wherry.machinery.time import Time


class CertificateSigningRequestSpec(Model, frozen=True):
    """io.k8s.api.certificates.v1.CertificateSigningRequestSpec"""

    expiration_seconds: int | None = None
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    request: bytes | None = None
    signer_name: str = field(default_factory=empty_text)
    uid: str = ""
    usages: tuple[str, ...] = ()
    username: str = ""


class CertificateSigningRequestStatus(Model, frozen=True):
    """io.k8s.api.certificates.v1.CertificateSigningRequestStatus"""

    certificate: bytes | None = None
    conditions: tuple[CertificateSigningRequestCondition, ...] = ()


class CertificateSigningRequestCondition(Model, frozen=True):
    """io.k8s.api.certificates.v1.CertificateSigningRequestCondition"""

    last_transition_time: Time | None = field(default_factory=no_time)
    last_update_time: Time | None = field(default_factory=no_time)
    message: str = ""
    reason: str = ""
    status: str = field(default_factory=empty_text)
    type: str = field(default_factory=empty_text)


class ClusterTrustBundleSpec(Model, frozen=True):
    """io.k8s.api.certificates.v1.ClusterTrustBundleSpec"""

    signer_name: str = ""
    trust_bundle: str = field(default_factory=empty_text)


class PodCertificateRequestSpec(Model, frozen=True):
    """io.k8s.api.certificates.v1.PodCertificateRequestSpec"""

    max_expiration_seconds: int | None = None
    node_name: str = field(default_factory=empty_text)
    node_uid: str = field(default_factory=empty_text, name="nodeUID")
    pod_name: str = field(default_factory=empty_text)
    pod_uid: str = field(default_factory=empty_text, name="podUID")
    service_account_name: str = field(default_factory=empty_text)
    service_account_uid: str = field(default_factory=empty_text, name="serviceAccountUID")
    signer_name: str = field(default_factory=empty_text)
    stub_pkcs10_request: bytes | None = field(default=None, name="stubPKCS10Request")
    unverified_user_annotations: Mapping[str, str] = field(default_factory=dict)


class PodCertificateRequestStatus(Model, frozen=True):
    """io.k8s.api.certificates.v1.PodCertificateRequestStatus"""

    begin_refresh_at: Time | None = None
    certificate_chain: str = ""
    conditions: tuple[Condition, ...] = ()
    not_after: Time | None = None
    not_before: Time | None = None


class CertificateSigningRequest(Object, frozen=True):
    """io.k8s.api.certificates.v1.CertificateSigningRequest"""

    kind: str = field(default_factory=lambda: "CertificateSigningRequest")
    api_version: str = field(default_factory=lambda: "certificates.k8s.io/v1")
    spec: CertificateSigningRequestSpec = field(default_factory=shown(CertificateSigningRequestSpec))
    status: CertificateSigningRequestStatus = field(default_factory=shown(CertificateSigningRequestStatus))


class ClusterTrustBundle(Object, frozen=True):
    """io.k8s.api.certificates.v1.ClusterTrustBundle"""

    kind: str = field(default_factory=lambda: "ClusterTrustBundle")
    api_version: str = field(default_factory=lambda: "certificates.k8s.io/v1")
    spec: ClusterTrustBundleSpec = field(default_factory=shown(ClusterTrustBundleSpec))


class PodCertificateRequest(Object, frozen=True):
    """io.k8s.api.certificates.v1.PodCertificateRequest"""

    kind: str = field(default_factory=lambda: "PodCertificateRequest")
    api_version: str = field(default_factory=lambda: "certificates.k8s.io/v1")
    spec: PodCertificateRequestSpec = field(default_factory=shown(PodCertificateRequestSpec))
    status: PodCertificateRequestStatus = field(default_factory=shown(PodCertificateRequestStatus))
