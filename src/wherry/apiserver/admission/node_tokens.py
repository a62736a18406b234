"""What an agent may have issued for its pods: tokens and certificates, for pods on its own node that ask for them.

https://kubernetes.io/docs/reference/access-authn-authz/node/ (KEP-1205, KEP-4317, KEP-4935)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from wherry.api.core.node import NODE
from wherry.api.core.persistentvolume import PERSISTENTVOLUME
from wherry.api.core.persistentvolumeclaim import PERSISTENTVOLUMECLAIM
from wherry.api.core.pod import POD
from wherry.api.core.serviceaccount import SERVICEACCOUNT
from wherry.api.storage.csidriver import CSIDRIVER
from wherry.api.types.authentication import TokenRequest
from wherry.api.types.certificates import PodCertificateRequest
from wherry.api.types.core import Pod
from wherry.apiserver.admission.namespace_lifecycle import forbidden
from wherry.apiserver.admission.service_account import MIRROR
from wherry.apiserver.authz.rules import Attributes
from wherry.apiserver.context import Context

if TYPE_CHECKING:
    from wherry.apiserver.api import Api

_AUDIENCE: Final = "request-serviceaccounts-token-audience"
_SIGNER: Final = "request-serviceaccounts-podcertificate-signer"


def check_token(api: Api, ctx: Context[Any], own: str, request: Any, old: Any) -> None:
    """A token is bound to a pod on the agent's node, for an audience that the pod names. Raises Forbidden, NotFound."""
    if ctx.operation != "CREATE" or ctx.subresource != "token" or not isinstance(request, TokenRequest):
        return
    ref = request.spec.bound_object_ref
    if ref is None or (ref.api_version, ref.kind) != ("v1", "Pod") or not ref.name:
        raise forbidden(ctx, "node requested token not bound to a pod")
    if not ref.uid:
        raise forbidden(ctx, "node requested token with a pod binding without a uid")
    entry = api.get(POD, ctx.namespace, ref.name)
    if ref.uid != entry.uid:
        raise forbidden(
            ctx,
            f"the UID in the bound object reference ({ref.uid}) does not match the UID in record. The object might "
            "have been deleted and then recreated",
        )
    if entry.obj.spec.node_name != own:
        raise forbidden(ctx, "node requested token bound to a pod scheduled on a different node")
    if len(request.spec.audiences) > 1:
        raise forbidden(ctx, "node may only request 0 or 1 audiences")
    audience = request.spec.audiences[0] if request.spec.audiences else ""
    if audience in _audiences(api, entry.obj) or _may(api, ctx, _AUDIENCE, audience, ctx.name):
        return
    raise forbidden(ctx, f'{ctx.user.name} is not authorized to request tokens for audience "{audience}"')


def _audiences(api: Api, pod: Pod) -> Iterator[str]:
    """The audiences that a pod's volumes name: its own projections, and those of its CSI drivers."""
    for volume in pod.spec.volumes:
        for source in volume.projected.sources if volume.projected is not None else ():
            if source.service_account_token is not None:
                yield source.service_account_token.audience
        driver = volume.csi.driver if volume.csi is not None else ""
        if volume.persistent_volume_claim is not None:
            driver = _driver(api, pod.metadata.namespace, volume.persistent_volume_claim.claim_name)
        elif volume.ephemeral is not None:
            driver = _driver(api, pod.metadata.namespace, f"{pod.metadata.name}-{volume.name}")
        found = api.find(CSIDRIVER, "", driver) if driver else None
        if found is not None:
            yield from (asked.audience for asked in found.obj.spec.token_requests)


def _driver(api: Api, namespace: str, claim: str) -> str:
    """The CSI driver behind a claim, if it is bound to such a volume."""
    entry = api.find(PERSISTENTVOLUMECLAIM, namespace, claim)
    volume = api.find(PERSISTENTVOLUME, "", entry.obj.spec.volume_name) if entry is not None else None
    csi = volume.obj.spec.csi if volume is not None else None
    return csi.driver if csi is not None else ""


def check_pod_certificate(api: Api, ctx: Context[Any], own: str, request: Any, old: Any) -> None:
    """A certificate is for a pod on the agent's node as it is, from a signer that the pod names. Raises Forbidden."""
    if ctx.operation != "CREATE" or not isinstance(request, PodCertificateRequest):
        raise forbidden(ctx, f"unexpected operation {ctx.operation}")
    if ctx.subresource:
        raise forbidden(ctx, f"unexpected subresource {ctx.subresource}")
    spec = request.spec
    if spec.node_name != own:
        why = f'PodCertificateRequest.Spec.NodeName="{spec.node_name}", which is not the requesting node "{own}"'
        raise forbidden(ctx, why)
    shown = f"{ctx.namespace}/{spec.pod_name}"
    entry = api.get(POD, ctx.namespace, spec.pod_name)
    pod = entry.obj
    node, account = api.get(NODE, "", own), api.get(SERVICEACCOUNT, ctx.namespace, spec.service_account_name)
    faults = (
        (node.uid != spec.node_uid, f'PodCertificateRequest for pod "{shown}" names node UID "{spec.node_uid}", '
         f'inconsistent with the running node ("{node.uid}")'),
        (entry.uid != spec.pod_uid, f'PodCertificateRequest for pod "{shown}" contains pod UID ("{spec.pod_uid}") '
         f'which differs from running pod "{entry.uid}"'),
        (pod.spec.node_name != own, f'pod "{shown}" is not running on node "{own}" named in the PodCertificateRequest'),
        (MIRROR in pod.metadata.annotations, f'pod "{shown}" is a mirror pod'),
        (pod.spec.service_account_name != spec.service_account_name,
         f'PodCertificateRequest for pod "{shown}" contains serviceAccountName ("{spec.service_account_name}") that '
         f'differs from running pod ("{pod.spec.service_account_name}")'),
        (account.uid != spec.service_account_uid, f'PodCertificateRequest for pod "{shown}" names service account UID '
         f'"{spec.service_account_uid}", which differs from the running service account ("{account.uid}")'),
    )  # fmt: skip
    for wrong, why in faults:
        if wrong:
            raise forbidden(ctx, why)
    named = spec.signer_name.replace("/", ":")  # RBAC cannot express names with slashes
    if spec.signer_name in _signers(pod) or _may(api, ctx, _SIGNER, named, spec.service_account_name):
        return
    why = f'pod "{shown}" does not mount a podCertificate projected volume for signer "{spec.signer_name}"'
    raise forbidden(ctx, why)


def _signers(pod: Pod) -> Iterator[str]:
    for volume in pod.spec.volumes:
        for source in volume.projected.sources if volume.projected is not None else ():
            if source.pod_certificate is not None:
                yield source.pod_certificate.signer_name


def _may(api: Api, ctx: Context[Any], verb: str, resource: str, name: str) -> bool:
    asked = Attributes(ctx.user, verb, ctx.resource.group, resource, namespace=ctx.namespace, name=name)
    return api.authorizer.allowed(asked)
