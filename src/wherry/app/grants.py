"""Rights that wherry's own parts need beyond upstream's default roles.

A node's agent is also its service proxy and its DNS server. Upstream's proxy is a user of its own; here the agents'
group gets that user's role (`system:node-proxier`: read Services, EndpointSlices and Nodes). It also enforces network
policies and is the HTTP entry, and reads what says so and the namespaces selected by (`wherry:node-network`); the
certificates that Ingresses and Gateways name it may read one by one (`apiserver.authz.node`).
https://kubernetes.io/docs/reference/access-authn-authz/rbac/#other-component-roles
"""

from __future__ import annotations

from wherry.api.networking.site_certificates import ANSWERS
from wherry.api.types.rbac import ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject
from wherry.controllers.accounts import NAMESPACE, account_of
from wherry.machinery.meta import ObjectMeta

RBAC = "rbac.authorization.k8s.io"
AGENTS = "system:nodes"


def _bound(name: str, role: str, group: str) -> ClusterRoleBinding:
    return _to(name, role, Subject(api_group=RBAC, kind="Group", name=group))


def _to(name: str, role: str, subject: Subject) -> ClusterRoleBinding:
    ref = RoleRef(api_group=RBAC, kind="ClusterRole", name=role)
    return ClusterRoleBinding(metadata=ObjectMeta(name=name), role_ref=ref, subjects=(subject,))


def _account(controller: str) -> Subject:
    return Subject(kind="ServiceAccount", name=account_of(controller), namespace=NAMESPACE)


NODE_PROXIER = _bound("wherry:node-proxier", "system:node-proxier", AGENTS)

NODE_NETWORK = ClusterRole(
    metadata=ObjectMeta(name="wherry:node-network"),
    rules=(
        PolicyRule(
            verbs=("list", "watch"),
            api_groups=("networking.k8s.io",),
            resources=("networkpolicies", "ingresses", "ingressclasses"),
        ),
        PolicyRule(
            verbs=("list", "watch"),
            api_groups=("gateway.networking.k8s.io",),
            resources=("gatewayclasses", "gateways", "httproutes", "referencegrants"),
        ),
        PolicyRule(verbs=("list", "watch"), api_groups=("",), resources=("namespaces",)),
    ),
)

NODE_NETWORK_BINDING = _bound("wherry:node-network", "wherry:node-network", AGENTS)

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
"""Whose certificates are published for pods."""

BUNDLES_BINDING = _to("wherry:trust-bundle-publisher", "wherry:trust-bundles", _account("clustertrustbundle"))

ANSWERER = ClusterRole(
    metadata=ObjectMeta(name="wherry:acme-answers"),
    rules=(
        PolicyRule(
            verbs=("get", "list", "watch"),
            api_groups=("",),
            resources=("configmaps",),
            resource_names=(ANSWERS.name,),
        ),
    ),
)
"""Every node is an entry, which ACME authorities look at."""

ANSWERER_BINDING = _bound("wherry:acme-answers", "wherry:acme-answers", AGENTS)

NODE_BOOTSTRAPPERS = "system:bootstrappers:wherry:default-node"
"""The group of tokens that `wherry token create` makes."""


_REQUESTS = "system:certificates.k8s.io:certificatesigningrequests"
BOOTSTRAP_BINDINGS = (
    _bound("wherry:node-bootstrapper", "system:node-bootstrapper", NODE_BOOTSTRAPPERS),
    _bound("wherry:node-autoapprove-bootstrap", f"{_REQUESTS}:nodeclient", NODE_BOOTSTRAPPERS),
    _bound("wherry:node-autoapprove-certificate-rotation", f"{_REQUESTS}:selfnodeclient", AGENTS),
    _bound("wherry:get-nodes", "wherry:get-nodes", NODE_BOOTSTRAPPERS),
)
"""What a new machine may do with its token, and an agent for itself: ask for its certificate, and get it."""

GET_NODES = ClusterRole(
    metadata=ObjectMeta(name="wherry:get-nodes"),
    rules=(PolicyRule(verbs=("get",), api_groups=("",), resources=("nodes",)),),
)
"""A machine that joins looks whether its name is taken."""

APPROVE_SERVING = ClusterRole(
    metadata=ObjectMeta(name="wherry:approve-serving-certificates"),
    rules=(
        PolicyRule(
            verbs=("approve",),
            api_groups=("certificates.k8s.io",),
            resources=("signers",),
            resource_names=("kubernetes.io/kubelet-serving",),
        ),
    ),
)
"""Agents' own serving certificates are approved by a controller; upstream leaves that to people."""

APPROVE_SERVING_BINDING = _to(
    "wherry:serving-certificate-approver", "wherry:approve-serving-certificates", _account("csrapproving")
)


def readable(namespace: str, config_map: str, who: Subject) -> tuple[Role, RoleBinding]:
    """The right to read one ConfigMap."""
    name = f"wherry:{config_map}"
    rule = PolicyRule(verbs=("get",), api_groups=("",), resources=("configmaps",), resource_names=(config_map,))
    meta = ObjectMeta(name=name, namespace=namespace)
    role = Role(metadata=meta, rules=(rule,))
    return role, RoleBinding(metadata=meta, role_ref=RoleRef(api_group=RBAC, kind="Role", name=name), subjects=(who,))
