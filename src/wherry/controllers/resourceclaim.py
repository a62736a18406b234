"""Resource claims: made from templates for pods, reserved for pods that were bound by hand, given back when unused.

Two controllers. PODS: one run for one Pod.
Wakes on: Pod; ResourceClaim and ResourceClaimTemplate (through the pods that name them).
Writes:   ResourceClaim (create), Pod/status (resourceClaimStatuses), ResourceClaim/status (reservedFor).
CLAIMS: one run for one ResourceClaim.
Wakes on: ResourceClaim; Pod that ends (through the claims it uses).
Writes:   ResourceClaim/status (consumers and allocation that are no more), ResourceClaim (finalizer, delete).
Upstream: https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/

Invariant: a claim is deallocated only when no pod that might still run is among its consumers.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from wherry.api.core.pod import POD, is_terminal
from wherry.api.core.pod_claims import (
    FINALIZER,
    POD_CLAIM,
    claim_name,
    claim_names,
    consumer,
    is_made_for,
    is_reserved_for,
    may_be_reserved,
)
from wherry.api.resource.resourceclaim import RESOURCECLAIM
from wherry.api.resource.resourceclaimtemplate import RESOURCECLAIMTEMPLATE
from wherry.api.types.core import Pod, PodResourceClaim, PodResourceClaimStatus
from wherry.api.types.resource import ResourceClaim, ResourceClaimConsumerReference, ResourceClaimTemplate
from wherry.machinery.meta import Key, ObjectMeta, controller_of, key_of
from wherry.reconcile.actions import Action, Create, Delete, Emit, Replace
from wherry.reconcile.controller import Controller, Watch
from wherry.reconcile.ownership import reference
from wherry.reconcile.view import Index, View

_LONGEST = 57


def _templates(pod: Pod) -> Iterator[str]:
    for own in pod.spec.resource_claims:
        if own.resource_claim_template_name:
            yield f"{pod.metadata.namespace}/{own.resource_claim_template_name}"


def _claims(pod: Pod) -> Iterator[str]:
    for name in claim_names(pod):
        yield f"{pod.metadata.namespace}/{name}"


BY_TEMPLATE = Index(POD, _templates)
BY_CLAIM = Index(POD, _claims)


# --- Pods ---


def plan_pod(view: View, key: Key) -> Iterator[Action]:
    """Make what is missing, say how it is called, and reserve it where the scheduler had no part."""
    pod = view.get(POD, key)
    if pod is None or not pod.spec.resource_claims or pod.metadata.deletion_timestamp is not None or is_terminal(pod):
        return
    known: dict[str, str | None] = {s.name: s.resource_claim_name for s in pod.status.resource_claim_statuses}
    before = dict(known)
    for own in pod.spec.resource_claims:
        if not own.resource_claim_template_name or _stands(view, pod, own):
            continue
        made = _made_before(view, pod, own)
        if made is not None:
            known[own.name] = made.metadata.name
        else:
            yield from _make(view, pod, own)
    if known != before:
        statuses = tuple(PodResourceClaimStatus(name, claim) for name, claim in sorted(known.items()))
        yield Replace(POD, replace(pod, status=replace(pod.status, resource_claim_statuses=statuses)), "status")
    if pod.spec.node_name:
        yield from _reserve(view, pod)


def _stands(view: View, pod: Pod, own: PodResourceClaim) -> bool:
    """Whether nothing has to be made: none is needed, or it is there and the pod's."""
    name = claim_name(pod, own)
    if name is None:
        return False
    found = view.get(RESOURCECLAIM, Key(pod.metadata.namespace, name)) if name else None
    return not name or (found is not None and is_made_for(pod, found))


def _made_before(view: View, pod: Pod, own: PodResourceClaim) -> ResourceClaim | None:
    for claim in view.owned(RESOURCECLAIM, pod):
        if claim.metadata.annotations.get(POD_CLAIM) == own.name and claim.metadata.deletion_timestamp is None:
            return claim
    return None


def _make(view: View, pod: Pod, own: PodResourceClaim) -> Iterator[Action]:
    named = own.resource_claim_template_name or ""
    template = view.get(RESOURCECLAIMTEMPLATE, Key(pod.metadata.namespace, named))
    if template is None:
        why = f'PodResourceClaim {own.name}: resource claim template "{named}": resourceclaimtemplate.resource.k8s.io '
        yield Emit(pod, "Warning", "FailedResourceClaimCreation", f'{why}"{named}" not found')
        return
    meta = ObjectMeta(
        generate_name=_base(pod.metadata.name, own.name),
        namespace=pod.metadata.namespace,
        labels=template.spec.metadata.labels,
        annotations={**template.spec.metadata.annotations, POD_CLAIM: own.name},
        owner_references=(replace(reference(POD, pod), block_owner_deletion=None),),
    )
    failed = Emit(pod, "Warning", "FailedResourceClaimCreation", f"PodResourceClaim {own.name}: {{error}}")
    yield Create(RESOURCECLAIM, ResourceClaim(metadata=meta, spec=template.spec.spec), failed=failed)


def _base(pod: str, claim: str) -> str:
    """What the name begins with, leaving room for the random end."""
    whole = f"{pod}-{claim}-"
    if len(whole) <= _LONGEST:
        return whole
    share = _LONGEST / len(whole)
    return f"{pod[: int(len(pod) * share)]}-{claim[: int(len(claim) * share)]}"


def _reserve(view: View, pod: Pod) -> Iterator[Action]:
    for name in claim_names(pod):
        claim = view.get(RESOURCECLAIM, Key(pod.metadata.namespace, name))
        if claim is None or claim.status.allocation is None:
            continue
        if not is_reserved_for(pod, claim) and may_be_reserved(claim):
            status = replace(claim.status, reserved_for=(*claim.status.reserved_for, consumer(pod)))
            yield Replace(RESOURCECLAIM, replace(claim, status=status), "status")


# --- Claims ---


def plan_claim(view: View, key: Key) -> Iterator[Action]:
    """Let go of consumers that will not run again; then of the devices, the finalizer, and what was made for a pod."""
    claim = view.get(RESOURCECLAIM, key)
    if claim is None:
        return
    kept = tuple(c for c in claim.status.reserved_for if _might_run(view, key.namespace, c))
    protected = FINALIZER in claim.metadata.finalizers
    allocation = claim.status.allocation
    unused = not kept and (bool(claim.status.reserved_for) or claim.metadata.deletion_timestamp is not None)
    if unused and protected:
        allocation = None
    if kept != claim.status.reserved_for or allocation is not claim.status.allocation:
        status = replace(claim.status, reserved_for=kept, allocation=allocation)
        yield Replace(RESOURCECLAIM, replace(claim, status=status), "status")
        return
    if protected and allocation is None and not kept:
        rest = tuple(f for f in claim.metadata.finalizers if f != FINALIZER)
        yield Replace(RESOURCECLAIM, replace(claim, metadata=replace(claim.metadata, finalizers=rest)))
        return
    if not kept and claim.metadata.deletion_timestamp is None and _outlived(view, claim):
        yield Delete(RESOURCECLAIM, key, claim.metadata.uid)


def _might_run(view: View, namespace: str, one: ResourceClaimConsumerReference) -> bool:
    if (one.api_group, one.resource) != ("", "pods"):
        return True
    pod = view.get(POD, Key(namespace, one.name))
    return pod is not None and pod.metadata.uid == one.uid and not _is_done(pod)


def _is_done(pod: Pod) -> bool:
    return is_terminal(pod) or (pod.metadata.deletion_timestamp is not None and not pod.spec.node_name)


def _outlived(view: View, claim: ResourceClaim) -> bool:
    """Whether it was made for a pod that needs it no longer; the garbage collector sees to pods that are gone."""
    owner = controller_of(claim)
    if owner is None or (owner.api_version, owner.kind) != ("v1", "Pod"):
        return False
    pod = view.get(POD, Key(claim.metadata.namespace, owner.name))
    return pod is not None and (pod.metadata.uid != owner.uid or _is_done(pod))


# --- What wakes them ---


def _pods_of_template(view: View, template: ResourceClaimTemplate) -> Iterator[Key]:
    for pod in view.indexed(BY_TEMPLATE, str(key_of(template))):
        yield key_of(pod)


def _pods_of_claim(view: View, claim: ResourceClaim) -> Iterator[Key]:
    for pod in view.indexed(BY_CLAIM, str(key_of(claim))):
        yield key_of(pod)


def _claims_of_pod(view: View, pod: Pod) -> Iterator[Key]:
    for name in claim_names(pod):
        yield Key(pod.metadata.namespace, name)


def _matters(old: Pod, new: Pod) -> bool:
    if not new.spec.resource_claims and new.status.extended_resource_claim_status is None:
        return False
    return (
        old.spec.node_name != new.spec.node_name
        or old.status.phase != new.status.phase
        or old.metadata.deletion_timestamp != new.metadata.deletion_timestamp
        or old.status.resource_claim_statuses != new.status.resource_claim_statuses
    )


PODS = Controller(
    "resourceclaim",
    POD,
    plan_pod,
    owns=(RESOURCECLAIM,),
    watches=(Watch(RESOURCECLAIM, _pods_of_claim), Watch(RESOURCECLAIMTEMPLATE, _pods_of_template)),
    changed=_matters,
    component="resource_claim",
)
CLAIMS = Controller(
    "resourceclaim-release",
    RESOURCECLAIM,
    plan_claim,
    watches=(Watch(POD, _claims_of_pod, _matters),),
    component="resource_claim",
)
