"""NodeRestriction and TaintNodesByCondition: agents write about themselves only; new nodes start tainted.

https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from wherry.api.core.pod import POD
from wherry.api.types.core import Node, Pod, Taint
from wherry.apiserver.admission.namespace_lifecycle import forbidden
from wherry.apiserver.admission.plugin import Plugin
from wherry.apiserver.admission.service_account import MIRROR
from wherry.apiserver.context import Context

if TYPE_CHECKING:
    from wherry.apiserver.api import Api

NOT_READY = "node.kubernetes.io/not-ready"
_FORBIDDEN_PREFIX = "node-restriction.kubernetes.io"
_KUBELET_PREFIXES = ("kubelet.kubernetes.io", "node.kubernetes.io")
_KUBELET_LABELS = frozenset((
    "kubernetes.io/hostname", "kubernetes.io/arch", "kubernetes.io/os", "beta.kubernetes.io/arch",
    "beta.kubernetes.io/os", "beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type",
    "failure-domain.beta.kubernetes.io/region", "failure-domain.beta.kubernetes.io/zone",
    "topology.kubernetes.io/region", "topology.kubernetes.io/zone",
))  # fmt: skip


def _taint(api: Api, ctx: Context[Node], node: Node, old: Node | None) -> Node:
    if any(t.key == NOT_READY and t.effect == "NoSchedule" for t in node.spec.taints):
        return node
    taints = (*node.spec.taints, Taint(key=NOT_READY, effect="NoSchedule"))
    return replace(node, spec=replace(node.spec, taints=taints))


def _restrict(api: Api, ctx: Context[Any], obj: Any, old: Any) -> None:
    own = ctx.user.node
    if not own:
        return
    match str(ctx.resource):
        case "nodes":
            _restrict_node(ctx, own, obj, old)
        case "pods":
            _restrict_pod(api, ctx, own, obj, old)
        case "leases.coordination.k8s.io":
            if ctx.namespace != "kube-node-lease" or ctx.name != own:
                raise forbidden(ctx, f'can only access node lease with the same name as the requesting node "{own}"')
        case "csinodes.storage.k8s.io":
            if ctx.name != own:
                raise forbidden(ctx, f'can only access CSINode with the same name as the requesting node "{own}"')
        case _:
            pass


def _restrict_node(ctx: Context[Node], own: str, node: Node | None, old: Node | None) -> None:
    if ctx.name != own:
        raise forbidden(ctx, f'node "{own}" is not allowed to modify node "{ctx.name}"')
    if node is None:
        return
    before = old.metadata.labels if old is not None else {}
    after = node.metadata.labels
    changed = {k for k in {*before, *after} if before.get(k) != after.get(k)}
    refused = sorted(k for k in changed if not _own_label(k))
    if refused:
        raise forbidden(ctx, f"is not allowed to modify labels: {', '.join(refused)}")
    if node.metadata.owner_references != (old.metadata.owner_references if old is not None else ()):
        raise forbidden(ctx, f'node "{own}" is not allowed to set owner references')
    if old is not None and not ctx.subresource and node.spec.taints != old.spec.taints:
        raise forbidden(ctx, f'node "{own}" is not allowed to modify taints')


def _own_label(key: str) -> bool:
    prefix = key.rpartition("/")[0]
    if prefix == _FORBIDDEN_PREFIX or prefix.endswith(f".{_FORBIDDEN_PREFIX}"):
        return False
    official = any(prefix == d or prefix.endswith(f".{d}") for d in ("kubernetes.io", "k8s.io"))
    if not official or key in _KUBELET_LABELS:
        return True
    return any(prefix == p or prefix.endswith(f".{p}") for p in _KUBELET_PREFIXES)


def _restrict_pod(api: Api, ctx: Context[Pod], own: str, pod: Pod | None, old: Pod | None) -> None:
    if ctx.operation == "CREATE":
        assert pod is not None
        if MIRROR not in pod.metadata.annotations:
            raise forbidden(ctx, f'pod does not have "{MIRROR}" annotation, node "{own}" can only create mirror pods')
        if pod.spec.node_name != own:
            raise forbidden(ctx, f'node "{own}" can only create pods with spec.nodeName set to itself')
        return
    found = old if old is not None else api.get(POD, ctx.namespace, ctx.name).obj
    if found.spec.node_name != own:
        verb = "delete" if ctx.operation == "DELETE" else "update status for"
        raise forbidden(ctx, f'node "{own}" can only {verb} pods with spec.nodeName set to itself')
    if ctx.operation == "UPDATE":
        assert pod is not None
        if ctx.subresource != "status":
            raise forbidden(ctx, f'unexpected pod subresource "{ctx.subresource}", only "status" is allowed')
        if pod.metadata.labels != found.metadata.labels:
            raise forbidden(ctx, f'node "{own}" cannot update labels through pod status')


PLUGINS = (
    Plugin("TaintNodesByCondition", mutate=_taint, operations=frozenset({"CREATE"}), resources=frozenset({"nodes"})),
    Plugin(
        "NodeRestriction",
        validate=_restrict,
        operations=frozenset({"CREATE", "UPDATE", "DELETE"}),
        resources=frozenset({"nodes", "pods", "leases.coordination.k8s.io", "csinodes.storage.k8s.io"}),
        subresources=None,
    ),
)
