"""As whom each controller acts: a service account of kube-system of its own, as with upstream's
`--use-service-account-credentials`.

Audit log, admission policies, webhooks and aggregated servers are told this name; what they allow is bound to it by
`system:controller:<account>`, which every cluster has. Controllers that upstream keeps together share an account.
Upstream: https://kubernetes.io/docs/reference/access-authn-authz/rbac/#controller-roles
"""

from __future__ import annotations

from collections.abc import Mapping

NAMESPACE = "kube-system"

_NAMES: Mapping[str, str] = {
    "acmecertificate": "wherry-ingress",
    "bootstrapsigner": "bootstrap-signer",
    "clustertrustbundle": "kube-apiserver-serving-clustertrustbundle-publisher",
    "csrapproving": "certificate-controller",
    "csrcleaner": "certificate-controller",
    "csrsigning": "certificate-controller",
    "daemonset": "daemon-set-controller",
    "defaultingressclass": "wherry-ingress",
    "defaultstorageclass": "wherry-local-storage",
    "endpoints": "endpoint-controller",
    "ephemeralvolume": "ephemeral-volume-controller",
    "garbagecollector": "generic-garbage-collector",
    "gateway": "wherry-gateway",
    "gatewayaddress": "wherry-gateway",
    "gatewaybundle": "wherry-gateway",
    "gatewayclass": "wherry-gateway",
    "horizontalpodautoscaler": "horizontal-pod-autoscaler",
    "httproute": "wherry-gateway",
    "ingress": "wherry-ingress",
    "loadbalancer": "service-controller",
    "localprovisioner": "wherry-local-storage",
    "localreclaimer": "wherry-local-storage",
    "nodeipam": "node-controller",
    "nodelifecycle": "node-controller",
    "persistentvolume": "persistent-volume-binder",
    "persistentvolumeclaim": "persistent-volume-binder",
    "podcertificaterequestcleaner": "podcertificaterequestcleaner",
    "podgc": "pod-garbage-collector",
    "replicationcontroller": "replication-controller",
    "resourceclaim": "resource-claim-controller",
    "resourceclaim-release": "resource-claim-controller",
    "rootca": "root-ca-cert-publisher",
    "serviceaccount": "service-account-controller",
    "serviceaddress": "wherry-service-addresses",
    "servicecidr": "service-cidrs-controller",
    "sitecertificate": "wherry-ingress",
    "storageversionmigration": "storage-version-migrator-controller",
    "tainteviction": "node-controller",
    "tokencleaner": "token-cleaner",
    "vac-protection": "volumeattributesclass-protection-controller",
}
"""Those that are not called `<controller>-controller`."""


def account_of(controller: str) -> str:
    """The name of a controller's account in kube-system."""
    return _NAMES.get(controller, f"{controller}-controller")
