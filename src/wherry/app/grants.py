"""Rights that wherry's own parts need beyond upstream's default roles.

A node's agent is also its service proxy and its DNS server. Upstream's proxy is a user of its own; here the agents'
group gets that user's role (`system:node-proxier`: read Services, EndpointSlices and Nodes). It also enforces network
policies and is the HTTP entry, and reads what says so and the namespaces selected by (`wherry:node-network`); the
certificates that Ingresses name it may read one by one (`apiserver.authz.node`).
https://kubernetes.io/docs/reference/access-authn-authz/rbac/#other-component-roles
"""

from __future__ import annotations

from wherry.api.types.rbac import ClusterRole, ClusterRoleBinding, PolicyRule, RoleRef, Subject
from wherry.machinery.meta import ObjectMeta

RBAC = "rbac.authorization.k8s.io"

NODE_PROXIER = ClusterRoleBinding(
    metadata=ObjectMeta(name="wherry:node-proxier"),
    role_ref=RoleRef(api_group=RBAC, kind="ClusterRole", name="system:node-proxier"),
    subjects=(Subject(api_group=RBAC, kind="Group", name="system:nodes"),),
)

NODE_NETWORK = ClusterRole(
    metadata=ObjectMeta(name="wherry:node-network"),
    rules=(
        PolicyRule(
            verbs=("list", "watch"),
            api_groups=("networking.k8s.io",),
            resources=("networkpolicies", "ingresses", "ingressclasses"),
        ),
        PolicyRule(verbs=("list", "watch"), api_groups=("",), resources=("namespaces",)),
    ),
)

NODE_NETWORK_BINDING = ClusterRoleBinding(
    metadata=ObjectMeta(name="wherry:node-network"),
    role_ref=RoleRef(api_group=RBAC, kind="ClusterRole", name="wherry:node-network"),
    subjects=(Subject(api_group=RBAC, kind="Group", name="system:nodes"),),
)

SIGNER = ClusterRoleBinding(
    metadata=ObjectMeta(name="wherry:certificate-controller"),
    role_ref=RoleRef(api_group=RBAC, kind="ClusterRole", name="system:controller:certificate-controller"),
    subjects=(Subject(api_group=RBAC, kind="User", name="system:kube-controller-manager"),),
)
"""wherry's controllers are one user; upstream's certificate controller has an account of its own."""

BUNDLES = ClusterRole(
    metadata=ObjectMeta(name="wherry:trust-bundles"),
    rules=(
        PolicyRule(
            verbs=("attest",),
            api_groups=("certificates.k8s.io",),
            resources=("signers",),
            resource_names=("kubernetes.io/kube-apiserver-serving", "wherry.dev/sites"),
        ),
    ),
)
"""Whose certificates wherry's controllers publish for pods."""

BUNDLES_BINDING = ClusterRoleBinding(
    metadata=ObjectMeta(name="wherry:trust-bundles"),
    role_ref=RoleRef(api_group=RBAC, kind="ClusterRole", name="wherry:trust-bundles"),
    subjects=(Subject(api_group=RBAC, kind="User", name="system:kube-controller-manager"),),
)
