"""Generated from the Kubernetes API schema by hack/generate_types.py: apiregistration. Do not edit."""

from __future__ import annotations

from msgspec import field

from wherry.machinery.meta import Model, Object, empty_text, no_time, shown, zero
from wherry.machinery.time import Time


class APIServiceSpec(Model, frozen=True):
    """io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIServiceSpec"""

    ca_bundle: bytes | None = None
    group: str = ""
    group_priority_minimum: int = field(default_factory=zero)
    insecure_skip_tls_verify: bool = field(default=False, name="insecureSkipTLSVerify")
    service: ServiceReference | None = None
    version: str = ""
    version_priority: int = field(default_factory=zero)


class APIServiceStatus(Model, frozen=True):
    """io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIServiceStatus"""

    conditions: tuple[APIServiceCondition, ...] = ()


class APIServiceCondition(Model, frozen=True):
    """io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIServiceCondition"""

    last_transition_time: Time | None = field(default_factory=no_time)
    message: str = ""
    reason: str = ""
    status: str = field(default_factory=empty_text)
    type: str = field(default_factory=empty_text)


class ServiceReference(Model, frozen=True):
    """io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.ServiceReference"""

    name: str = ""
    namespace: str = ""
    port: int | None = None


class APIService(Object, frozen=True):
    """io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIService"""

    kind: str = field(default_factory=lambda: "APIService")
    api_version: str = field(default_factory=lambda: "apiregistration.k8s.io/v1")
    spec: APIServiceSpec = field(default_factory=shown(APIServiceSpec))
    status: APIServiceStatus = field(default_factory=shown(APIServiceStatus))
