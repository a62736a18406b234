"""NodeRestriction: an agent writes about itself and about what runs on its node, and about nothing else.

What it may read is the Node authorizer's business (`authz/node.py`); here is what it may write of what it may touch: a
stolen agent key must not draw other pods, secrets or tokens to its node (CVE-2025-5187 among others).
https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from wherry.api.certificates.signing import asked, parse
from wherry.api.core.node import NODE
from wherry.api.core.pod import POD
from wherry.api.types.certificates import CertificateSigningRequest
from wherry.api.types.core import Node, PersistentVolumeClaim, Pod
from wherry.api.types.resource import ResourceSlice
from wherry.api.types.storage import CSINode
from wherry.apiserver.admission.namespace_lifecycle import forbidden
from wherry.apiserver.admission.node_tokens import check_pod_certificate, check_token
from wherry.apiserver.admission.plugin import Plugin
from wherry.apiserver.admission.service_account import MIRROR
from wherry.apiserver.context import Context
from wherry.apiserver.pod_references import references_an_object
from wherry.machinery.meta import ObjectMeta

if TYPE_CHECKING:
    from wherry.apiserver.api import Api

_LEASES: Final = "kube-node-lease"
_FORBIDDEN_PREFIX: Final = "node-restriction.kubernetes.io"
_KUBELET_PREFIXES: Final = ("kubelet.kubernetes.io", "node.kubernetes.io")
_KUBELET_LABELS: Final = frozenset((
    "kubernetes.io/hostname", "kubernetes.io/arch", "kubernetes.io/os", "beta.kubernetes.io/arch",
    "beta.kubernetes.io/os", "beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type",
    "failure-domain.beta.kubernetes.io/region", "failure-domain.beta.kubernetes.io/zone",
    "topology.kubernetes.io/region", "topology.kubernetes.io/zone",
))  # fmt: skip
_AGENT_SIGNERS: Final = ("kubernetes.io/kubelet-serving", "kubernetes.io/kube-apiserver-client-kubelet")


def _restrict(api: Api, ctx: Context[Any], obj: Any, old: Any) -> None:
    own = ctx.user.node
    if own:
        _CHECKS[str(ctx.resource)](api, ctx, own, obj, old)


# --- Nodes ---


def _node(api: Api, ctx: Context[Any], own: str, node: Node | None, old: Node | None) -> None:
    if ctx.name != own:
        raise forbidden(ctx, f'node "{own}" is not allowed to modify node "{ctx.name}"')
    if node is None:
        return
    if old is not None and node.spec.taints != old.spec.taints:
        raise forbidden(ctx, f'node "{own}" is not allowed to modify taints')
    if node.metadata.owner_references != (old.metadata.owner_references if old is not None else ()):
        raise forbidden(ctx, f'node "{own}" is not allowed to modify ownerReferences')
    before = old.metadata.labels if old is not None else {}
    after = node.metadata.labels
    changed = {k for k in {*before, *after} if before.get(k) != after.get(k)}
    refused = ", ".join(sorted(k for k in changed if not own_label(k)))
    if refused and old is None:
        raise forbidden(ctx, f'node "{own}" is not allowed to set the following labels: {refused}')
    if refused:
        raise forbidden(ctx, f"is not allowed to modify labels: {refused}")


def own_label(key: str) -> bool:
    """Whether an agent may set this label on its node: those that steer pods to a node are for others."""
    prefix = key.partition("/")[0] if "/" in key else ""
    if _under(prefix, _FORBIDDEN_PREFIX):
        return False
    official = _under(prefix, "kubernetes.io") or _under(prefix, "k8s.io")
    return not official or key in _KUBELET_LABELS or any(_under(prefix, p) for p in _KUBELET_PREFIXES)


def _under(prefix: str, domain: str) -> bool:
    return prefix == domain or prefix.endswith(f".{domain}")


# --- Pods ---


def _pod(api: Api, ctx: Context[Any], own: str, obj: Any, old: Pod | None) -> None:
    match ctx.subresource:
        case "" if ctx.operation == "CREATE":
            _mirror_pod(api, ctx, own, obj)
        case "" if ctx.operation == "DELETE":
            if old is None or old.spec.node_name != own:
                raise forbidden(ctx, f'node "{own}" can only delete pods with spec.nodeName set to itself')
        case "":
            raise forbidden(
                ctx,
                f'unexpected operation "{ctx.operation}", node "{own}" can only create and delete mirror pods',
            )
        case "status":
            _pod_status(ctx, own, obj, old)
        case "eviction":
            if api.get(POD, ctx.namespace, ctx.name).obj.spec.node_name != own:
                raise forbidden(ctx, f"node {own} can only evict pods with spec.nodeName set to itself")
        case other:
            raise forbidden(
                ctx, f"unexpected pod subresource \"{other}\", only 'status' and 'eviction' are allowed"
            )  # fmt: skip


def _mirror_pod(api: Api, ctx: Context[Any], own: str, pod: Pod) -> None:
    if MIRROR not in pod.metadata.annotations:
        raise forbidden(ctx, f'pod does not have "{MIRROR}" annotation, node "{own}" can only create mirror pods')
    if pod.spec.node_name != own:
        raise forbidden(ctx, f'node "{own}" can only create pods with spec.nodeName set to itself')
    why = _owner_fault(api, own, pod.metadata)
    if why:
        raise forbidden(ctx, why)
    found = references_an_object(pod)
    if found:
        raise forbidden(ctx, f'node "{own}" can not create pods that reference {found}')


def _owner_fault(api: Api, own: str, meta: ObjectMeta) -> str:
    """What is wrong with the owner of a mirror pod, which is its node; "" for nothing."""
    if len(meta.owner_references) > 1:
        return f'node "{own}" can only create pods with a single owner reference set to itself'
    owner = meta.owner_references[0] if meta.owner_references else None
    if owner is None or (owner.api_version, owner.kind, owner.name) != ("v1", "Node", own):
        return f'node "{own}" can only create pods with an owner reference set to itself'
    node = api.get(NODE, "", own)
    if not owner.controller:
        why = f'node "{own}" can only create pods with a controller owner reference set to itself'
    elif owner.block_owner_deletion:
        why = f'node "{own}" must not set blockOwnerDeletion on an owner reference'
    elif owner.uid != node.uid:
        why = f"node {own} UID mismatch: expected {owner.uid} got {node.uid}"
    else:
        why = ""
    return why


def _pod_status(ctx: Context[Any], own: str, pod: Pod, old: Pod | None) -> None:
    if old is None or old.spec.node_name != own:
        raise forbidden(ctx, f'node "{own}" can only update pod status for pods with spec.nodeName set to itself')
    if pod.metadata.labels != old.metadata.labels:
        raise forbidden(ctx, f'node "{own}" cannot update labels through pod status')
    new, before = pod.status, old.status
    if new.resource_claim_statuses != before.resource_claim_statuses:
        raise forbidden(ctx, f'node "{own}" cannot update resource claim statues')
    if new.extended_resource_claim_status != before.extended_resource_claim_status:
        raise forbidden(ctx, f'node "{own}" cannot update extended resource claim status')
    if new.node_allocatable_resource_claim_statuses != before.node_allocatable_resource_claim_statuses:
        raise forbidden(ctx, f'node "{own}" cannot update node allocatable resource claim statuses')


# --- Whatever else belongs to a node ---


def _claim(
    api: Api, ctx: Context[Any], own: str, new: PersistentVolumeClaim | None, old: PersistentVolumeClaim | None
) -> None:  # fmt: skip
    if ctx.subresource != "status" or new is None or old is None:
        raise forbidden(ctx, "may only update PVC status")
    if _same_but_size(new) != _same_but_size(old):
        why = f'node "{own}" is not allowed to update fields other than status.quantity and status.conditions'
        raise forbidden(ctx, why)


def _same_but_size(claim: PersistentVolumeClaim) -> PersistentVolumeClaim:
    """The claim without what a node may say about its volume."""
    status = replace(
        claim.status, capacity={}, conditions=(), allocated_resource_statuses={}, allocated_resources={}
    )  # fmt: skip
    return replace(claim, metadata=replace(claim.metadata, resource_version="", managed_fields=()), status=status)


def _lease(api: Api, ctx: Context[Any], own: str, obj: Any, old: Any) -> None:
    if ctx.namespace != _LEASES:
        raise forbidden(ctx, f'can only access leases in the "{_LEASES}" system namespace')
    if ctx.name != own:
        raise forbidden(ctx, "can only access node lease with the same name as the requesting node")


def _csi_node(api: Api, ctx: Context[Any], own: str, new: CSINode | None, old: CSINode | None) -> None:
    if ctx.name != own:
        raise forbidden(ctx, "can only access CSINode with the same name as the requesting node")
    if ctx.subresource == "status" and new is not None and old is not None and new.spec != old.spec:
        raise forbidden(ctx, f'node "{own}" is not allowed to modify CSINode spec via status')


def _slice(api: Api, ctx: Context[Any], own: str, new: ResourceSlice | None, old: ResourceSlice | None) -> None:
    if ctx.operation == "CREATE" and new is not None and new.spec.node_name != own:
        raise forbidden(ctx, "can only create ResourceSlice with the same NodeName as the requesting node")
    if ctx.operation == "DELETE" and old is not None and old.spec.node_name != own:
        raise forbidden(ctx, "can only delete ResourceSlice with the same NodeName as the requesting node")


def _signing_request(
    api: Api, ctx: Context[Any], own: str, new: CertificateSigningRequest | None, old: CertificateSigningRequest | None
) -> None:  # fmt: skip
    if ctx.operation != "CREATE" or new is None or new.spec.signer_name not in _AGENT_SIGNERS:
        return
    try:
        name = asked(parse(new.spec.request or b"")).common_name
    except ValueError as error:
        raise forbidden(ctx, f"unable to parse csr: {error}") from None
    if name != f"system:node:{own}":
        raise forbidden(ctx, f"can only create a node CSR with CN=system:node:{own}")


Check = Callable[["Api", Context[Any], str, Any, Any], None]
_CHECKS: Final[Mapping[str, Check]] = {
    "nodes": _node,
    "pods": _pod,
    "persistentvolumeclaims": _claim,
    "serviceaccounts": check_token,
    "podcertificaterequests.certificates.k8s.io": check_pod_certificate,
    "leases.coordination.k8s.io": _lease,
    "csinodes.storage.k8s.io": _csi_node,
    "resourceslices.resource.k8s.io": _slice,
    "certificatesigningrequests.certificates.k8s.io": _signing_request,
}

PLUGIN = Plugin(
    "NodeRestriction",
    validate=_restrict,
    operations=frozenset({"CREATE", "UPDATE", "DELETE"}),
    resources=frozenset(_CHECKS),
    subresources=None,
)
