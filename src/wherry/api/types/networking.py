"""Generated from the Kubernetes API schema by hack/generate_types.py: networking. Do not edit."""

from __future__ import annotations

from msgspec import field

from wherry.api.types.core import TypedLocalObjectReference
from wherry.machinery.meta import Condition, LabelSelector, Model, Object, empty_text, no_items, shown, zero


class IngressBackend(Model, frozen=True):
    """io.k8s.api.networking.v1.IngressBackend"""

    resource: TypedLocalObjectReference | None = None
    service: IngressServiceBackend | None = None


class HTTPIngressRuleValue(Model, frozen=True):
    """io.k8s.api.networking.v1.HTTPIngressRuleValue"""

    paths: tuple[HTTPIngressPath, ...] = field(default_factory=no_items)


class IPAddressSpec(Model, frozen=True):
    """io.k8s.api.networking.v1.IPAddressSpec"""

    parent_ref: ParentReference | None = None


class IPBlock(Model, frozen=True):
    """io.k8s.api.networking.v1.IPBlock"""

    cidr: str = field(default_factory=empty_text)
    except_: tuple[str, ...] = ()


class IngressSpec(Model, frozen=True):
    """io.k8s.api.networking.v1.IngressSpec"""

    default_backend: IngressBackend | None = None
    ingress_class_name: str | None = None
    rules: tuple[IngressRule, ...] = ()
    tls: tuple[IngressTLS, ...] = ()


class IngressClassSpec(Model, frozen=True):
    """io.k8s.api.networking.v1.IngressClassSpec"""

    controller: str = ""
    parameters: IngressClassParametersReference | None = None


class IngressClassParametersReference(Model, frozen=True):
    """io.k8s.api.networking.v1.IngressClassParametersReference"""

    api_group: str | None = None
    kind: str = field(default_factory=empty_text)
    name: str = field(default_factory=empty_text)
    namespace: str | None = None
    scope: str | None = None


class IngressLoadBalancerIngress(Model, frozen=True):
    """io.k8s.api.networking.v1.IngressLoadBalancerIngress"""

    hostname: str = ""
    ip: str = ""
    ports: tuple[IngressPortStatus, ...] = ()


class IngressLoadBalancerStatus(Model, frozen=True):
    """io.k8s.api.networking.v1.IngressLoadBalancerStatus"""

    ingress: tuple[IngressLoadBalancerIngress, ...] = ()


class IngressPortStatus(Model, frozen=True):
    """io.k8s.api.networking.v1.IngressPortStatus"""

    error: str | None = None
    port: int = field(default_factory=zero)
    protocol: str = field(default_factory=empty_text)


class IngressRule(Model, frozen=True):
    """io.k8s.api.networking.v1.IngressRule"""

    host: str = ""
    http: HTTPIngressRuleValue | None = None


class ServiceBackendPort(Model, frozen=True):
    """io.k8s.api.networking.v1.ServiceBackendPort"""

    name: str = ""
    number: int = 0


class IngressTLS(Model, frozen=True):
    """io.k8s.api.networking.v1.IngressTLS"""

    hosts: tuple[str, ...] = ()
    secret_name: str = ""


class NetworkPolicySpec(Model, frozen=True):
    """io.k8s.api.networking.v1.NetworkPolicySpec"""

    egress: tuple[NetworkPolicyEgressRule, ...] = ()
    ingress: tuple[NetworkPolicyIngressRule, ...] = ()
    pod_selector: LabelSelector = field(default_factory=shown(LabelSelector))
    policy_types: tuple[str, ...] = ()


class NetworkPolicyEgressRule(Model, frozen=True):
    """io.k8s.api.networking.v1.NetworkPolicyEgressRule"""

    ports: tuple[NetworkPolicyPort, ...] = ()
    to: tuple[NetworkPolicyPeer, ...] = ()


class NetworkPolicyIngressRule(Model, frozen=True):
    """io.k8s.api.networking.v1.NetworkPolicyIngressRule"""

    from_: tuple[NetworkPolicyPeer, ...] = ()
    ports: tuple[NetworkPolicyPort, ...] = ()


class NetworkPolicyPeer(Model, frozen=True):
    """io.k8s.api.networking.v1.NetworkPolicyPeer"""

    ip_block: IPBlock | None = None
    namespace_selector: LabelSelector | None = None
    pod_selector: LabelSelector | None = None


class NetworkPolicyPort(Model, frozen=True):
    """io.k8s.api.networking.v1.NetworkPolicyPort"""

    end_port: int | None = None
    port: int | str | None = None
    protocol: str | None = None


class ParentReference(Model, frozen=True):
    """io.k8s.api.networking.v1.ParentReference"""

    group: str = ""
    name: str = ""
    namespace: str = ""
    resource: str = ""


class ServiceCIDRSpec(Model, frozen=True):
    """io.k8s.api.networking.v1.ServiceCIDRSpec"""

    cidrs: tuple[str, ...] = ()


class ServiceCIDRStatus(Model, frozen=True):
    """io.k8s.api.networking.v1.ServiceCIDRStatus"""

    conditions: tuple[Condition, ...] = ()


class HTTPIngressPath(Model, frozen=True):
    """io.k8s.api.networking.v1.HTTPIngressPath"""

    backend: IngressBackend = field(default_factory=shown(IngressBackend))
    path: str = ""
    path_type: str | None = None


class IPAddress(Object, frozen=True):
    """io.k8s.api.networking.v1.IPAddress"""

    kind: str = field(default_factory=lambda: "IPAddress")
    api_version: str = field(default_factory=lambda: "networking.k8s.io/v1")
    spec: IPAddressSpec = field(default_factory=shown(IPAddressSpec))


class IngressClass(Object, frozen=True):
    """io.k8s.api.networking.v1.IngressClass"""

    kind: str = field(default_factory=lambda: "IngressClass")
    api_version: str = field(default_factory=lambda: "networking.k8s.io/v1")
    spec: IngressClassSpec = field(default_factory=shown(IngressClassSpec))


class IngressStatus(Model, frozen=True):
    """io.k8s.api.networking.v1.IngressStatus"""

    load_balancer: IngressLoadBalancerStatus = field(default_factory=shown(IngressLoadBalancerStatus))


class IngressServiceBackend(Model, frozen=True):
    """io.k8s.api.networking.v1.IngressServiceBackend"""

    name: str = field(default_factory=empty_text)
    port: ServiceBackendPort = field(default_factory=shown(ServiceBackendPort))


class NetworkPolicy(Object, frozen=True):
    """io.k8s.api.networking.v1.NetworkPolicy"""

    kind: str = field(default_factory=lambda: "NetworkPolicy")
    api_version: str = field(default_factory=lambda: "networking.k8s.io/v1")
    spec: NetworkPolicySpec = field(default_factory=shown(NetworkPolicySpec))


class ServiceCIDR(Object, frozen=True):
    """io.k8s.api.networking.v1.ServiceCIDR"""

    kind: str = field(default_factory=lambda: "ServiceCIDR")
    api_version: str = field(default_factory=lambda: "networking.k8s.io/v1")
    spec: ServiceCIDRSpec = field(default_factory=shown(ServiceCIDRSpec))
    status: ServiceCIDRStatus = field(default_factory=shown(ServiceCIDRStatus))


class Ingress(Object, frozen=True):
    """io.k8s.api.networking.v1.Ingress"""

    kind: str = field(default_factory=lambda: "Ingress")
    api_version: str = field(default_factory=lambda: "networking.k8s.io/v1")
    spec: IngressSpec = field(default_factory=shown(IngressSpec))
    status: IngressStatus = field(default_factory=shown(IngressStatus))
