"""serviceaccounts/token: issue a token, bound to a pod, secret or node if asked.

https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from wherry.api.core.node import NODE
from wherry.api.core.pod import POD
from wherry.api.core.secret import SECRET
from wherry.api.core.serviceaccount import SERVICEACCOUNT
from wherry.api.types.authentication import BoundObjectReference, TokenRequest, TokenRequestStatus
from wherry.apiserver.api import Api
from wherry.apiserver.context import Context, conflict, not_found
from wherry.machinery import codec
from wherry.machinery.resource import Resource
from wherry.machinery.time import time_at
from wherry.machinery.validation import invalid, refuse

_SHORTEST = 600
_LONGEST = 1 << 32
_DEFAULT = 3600
_EXTENDED = 3607
"""What agents ask for when a pod's own token says nothing else."""
_YEAR = 365 * 24 * 3600
_BINDABLE: dict[str, Resource[Any]] = {"Pod": POD, "Secret": SECRET, "Node": NODE}


async def issue(api: Api, ctx: Context[Any], body: dict[str, Any]) -> dict[str, Any]:
    """A TokenRequest with its status filled in. Raises NotFound, Conflict, Invalid, Forbidden."""
    request = await api.admission.mutate(api, ctx, codec.from_dict(TokenRequest, body), None)
    await api.admission.validate(api, ctx, request, None)
    spec = request.spec
    account = api.get(SERVICEACCOUNT, ctx.namespace, ctx.name)
    seconds = spec.expiration_seconds if spec.expiration_seconds is not None else _DEFAULT
    _check_length(seconds)
    bound: dict[str, Any] = {}
    if spec.bound_object_ref is not None:
        bound = _bound(api, ctx, spec.bound_object_ref)
    audiences = spec.audiences or api.tokens.audiences
    now = api.clock.now()
    life = seconds
    if seconds == _EXTENDED and "pod" in bound and set(audiences) == set(api.tokens.audiences):
        life, bound["warnafter"] = _YEAR, int(now) + seconds  # for clients that never read their token again
    token = api.tokens.issue((ctx.namespace, ctx.name, account.uid), audiences, life, now, bound)
    answer = replace(
        request,
        metadata=replace(request.metadata, name=ctx.name, namespace=ctx.namespace, creation_timestamp=api.now()),
        spec=replace(spec, audiences=audiences, expiration_seconds=seconds),
        status=TokenRequestStatus(expiration_timestamp=time_at(now + seconds), token=token),
    )
    return codec.to_dict(answer)


def _check_length(seconds: int) -> None:
    path = "spec.expirationSeconds"
    if seconds < _SHORTEST:
        problem = invalid(path, seconds, "may not specify a duration less than 10 minutes")
    elif seconds > _LONGEST:
        problem = invalid(path, seconds, "may not specify a duration larger than 2^32 seconds")
    else:
        return
    raise refuse("authentication.k8s.io", "TokenRequest", "", [problem])


def _bound(api: Api, ctx: Context[Any], ref: BoundObjectReference) -> dict[str, dict[str, str]]:
    """The claims about what a token is bound to: with a pod, its node too."""
    resource = _BINDABLE.get(ref.kind)
    if resource is None or ref.api_version not in ("", "v1"):
        raise refuse("authentication.k8s.io", "TokenRequest", "", [
            invalid("spec.boundObjectRef.kind", ref.kind, "unsupported kind, only Pod, Secret and Node are supported")
        ])  # fmt: skip
    found = api.find(resource, ctx.namespace, ref.name)
    if found is None:
        raise not_found(resource, ref.name)
    if ref.uid and ref.uid != found.uid:
        raise conflict(
            resource, ref.name,
            f"the UID in the bound object reference ({ref.uid}) does not match the UID in record. The object might "
            "have been deleted and then recreated",
        )  # fmt: skip
    claims = {ref.kind.lower(): {"name": ref.name, "uid": found.uid}}
    if resource is POD:
        pod = found.obj
        if pod.spec.service_account_name != ctx.name:
            raise refuse("authentication.k8s.io", "TokenRequest", "", [
                invalid("spec.boundObjectRef", ref.name,
                        f"cannot bind token for serviceaccount \"{ctx.name}\" to pod running with different "
                        "serviceaccount name.")
            ])  # fmt: skip
        node_name = pod.spec.node_name
        node = api.find(NODE, "", node_name) if node_name else None
        if node_name:
            claims["node"] = {"name": node_name, **({"uid": node.uid} if node is not None else {})}
    return claims
