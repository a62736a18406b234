"""Where API groups and versions stand in discovery: upstream's numbers for its own, by which APIServices are made too.

https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/api-service-v1/#APIServiceSpec
"""

from __future__ import annotations

from collections.abc import Mapping

from wherry.apiserver.served import rank

CUSTOM = (1000, 100)
"""Of custom resources: (group, version)."""
_VERSIONS = {
    ("", "v1"): 1, ("autoscaling", "v2"): 30, ("authentication.k8s.io", "v1alpha1"): 1,
    ("coordination.k8s.io", "v1beta1"): 13, ("coordination.k8s.io", "v1alpha2"): 12,
    ("discovery.k8s.io", "v1beta1"): 12,
    ("admissionregistration.k8s.io", "v1beta1"): 12, ("admissionregistration.k8s.io", "v1alpha1"): 9,
    ("flowcontrol.apiserver.k8s.io", "v1"): 21, ("flowcontrol.apiserver.k8s.io", "v1beta3"): 18,
    ("resource.k8s.io", "v1"): 21, ("resource.k8s.io", "v1beta2"): 15, ("resource.k8s.io", "v1alpha3"): 1,
    ("scheduling.k8s.io", "v1alpha3"): 3, ("events.k8s.io", "v1beta1"): 5,
}  # fmt: skip
_GROUPS: Mapping[str, int] = {
    "": 18000,
    "apiregistration.k8s.io": 17900,
    "apps": 17800,
    "events.k8s.io": 17750,
    "authentication.k8s.io": 17700,
    "authorization.k8s.io": 17600,
    "autoscaling": 17500,
    "batch": 17400,
    "certificates.k8s.io": 17300,
    "networking.k8s.io": 17200,
    "policy": 17100,
    "rbac.authorization.k8s.io": 17000,
    "storage.k8s.io": 16800,
    "admissionregistration.k8s.io": 16700,
    "apiextensions.k8s.io": 16700,
    "scheduling.k8s.io": 16600,
    "coordination.k8s.io": 16500,
    "node.k8s.io": 16300,
    "discovery.k8s.io": 16200,
    "resource.k8s.io": 16200,
    "flowcontrol.apiserver.k8s.io": 16100,
    "internal.apiserver.k8s.io": 16000,
    "storagemigration.k8s.io": 15800,
    "lifecycle.k8s.io": 15700,
}
OWN = "apiregistration.k8s.io"
"""The aggregator's own group: it has no APIService."""


def built_in(group: str) -> bool:
    """Whether a group is one of Kubernetes' own."""
    return group in _GROUPS


def of(group: str, version: str) -> tuple[int, int]:
    """(groupPriorityMinimum, versionPriority) of a group version served here."""
    found = _GROUPS.get(group)
    if found is None:
        return CUSTOM
    stage = rank(version)[0]
    return found, _VERSIONS.get((group, version), {0: 15, 1: 9}.get(stage, 1))
