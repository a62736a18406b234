"""Which ResourceClaims a pod uses, and how claims made for it are told from others.

https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/
"""

from __future__ import annotations

from collections.abc import Iterator

from wherry.api.types.core import Pod, PodResourceClaim
from wherry.api.types.resource import ResourceClaim, ResourceClaimConsumerReference
from wherry.machinery.meta import controller_of

POD_CLAIM = "resource.kubernetes.io/pod-claim-name"
"""Annotation of a claim made from a template: which of the pod's claims it is."""
FINALIZER = "resource.kubernetes.io/delete-protection"
"""On a claim while it is allocated."""
MAX_CONSUMERS = 256


def claim_name(pod: Pod, own: PodResourceClaim) -> str | None:
    """The name of the claim: None while it has yet to be made, "" where none is needed."""
    if own.resource_claim_name:
        return own.resource_claim_name
    for status in pod.status.resource_claim_statuses:
        if status.name == own.name:
            return status.resource_claim_name or ""
    return None


def claim_names(pod: Pod) -> Iterator[str]:
    """Names of all claims that it uses and that are known."""
    for own in pod.spec.resource_claims:
        name = claim_name(pod, own)
        if name:
            yield name
    extended = pod.status.extended_resource_claim_status
    if extended is not None and extended.resource_claim_name:
        yield extended.resource_claim_name


def is_made_for(pod: Pod, claim: ResourceClaim) -> bool:
    """Whether the claim was made from a template for this very pod."""
    owner = controller_of(claim)
    return owner is not None and owner.uid == pod.metadata.uid and owner.kind == "Pod"


def is_reserved_for(pod: Pod, claim: ResourceClaim) -> bool:
    """Whether the pod may use what is allocated."""
    return any(consumer.uid == pod.metadata.uid for consumer in claim.status.reserved_for)


def may_be_reserved(claim: ResourceClaim) -> bool:
    """Whether one more may use it."""
    return len(claim.status.reserved_for) < MAX_CONSUMERS


def consumer(pod: Pod) -> ResourceClaimConsumerReference:
    """The pod, as a claim names it."""
    return ResourceClaimConsumerReference(resource="pods", name=pod.metadata.name, uid=pod.metadata.uid)
