"""Request: one write as those outside the server see it, whether a webhook or the expression of a policy.

They see JSON, in the version they ask for, and what a subresource is really about: a Scale, a Binding, the options of
an exec. Owns the conversions there and back. https://kubernetes.io/docs/reference/config-api/apiserver-admission.v1/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from wherry.api.core.namespace import NAMESPACE
from wherry.apiserver.admission.matching import Asked, Labels, Place
from wherry.apiserver.context import Context
from wherry.apiserver.decode import convert
from wherry.apiserver.subresources.scale import as_scale, with_replicas
from wherry.apiserver.views import VIEWS, stored_as
from wherry.machinery import codec
from wherry.machinery.meta import Object
from wherry.machinery.resource import Resource

if TYPE_CHECKING:
    from wherry.apiserver.api import Api

Json = dict[str, Any]

_SCALE: Final = ("autoscaling", "v1", "Scale")
OWN_KINDS: Final[Mapping[tuple[str, str], tuple[str, str, str]]] = {
    ("pods", "binding"): ("", "v1", "Binding"),
    ("pods", "eviction"): ("policy", "v1", "Eviction"),
    ("serviceaccounts", "token"): ("authentication.k8s.io", "v1", "TokenRequest"),
    ("pods", "exec"): ("", "v1", "PodExecOptions"),
    ("pods", "attach"): ("", "v1", "PodAttachOptions"),
    ("pods", "portforward"): ("", "v1", "PodPortForwardOptions"),
    ("pods", "proxy"): ("", "v1", "PodProxyOptions"),
    ("services", "proxy"): ("", "v1", "ServiceProxyOptions"),
    ("nodes", "proxy"): ("", "v1", "NodeProxyOptions"),
}
"""(resource, subresource) -> group, version and kind of what is sent there, where that is no form of the resource."""
_OPTIONS: Final = {"CREATE": "CreateOptions", "UPDATE": "UpdateOptions", "DELETE": "DeleteOptions"}


def place_of(resource: Resource[Any]) -> Place:
    """Where a resource is served."""
    return Place(resource.group, resource.version, resource.plural)


def asked_of(api: Api, ctx: Context[Any]) -> Asked:
    """The request as rules see it."""
    resource: Resource[Any] = ctx.resource if ctx.view is None else ctx.view.resource
    namespace = ctx.name if ctx.resource is NAMESPACE else ctx.namespace
    return Asked(
        place_of(resource), ctx.subresource, ctx.operation, namespace, ctx.name, _equivalents(api, ctx.resource)
    )  # fmt: skip


def _equivalents(api: Api, stored: Resource[Any]) -> tuple[Place, ...]:
    """Every place at which these very objects are served."""
    return tuple(place_of(r) for r in api.served.of_plural(stored.plural) if stored_as(r) is stored)


def namespace_labels(api: Api, name: str) -> Labels | None:
    """The labels of a namespace, None when there is none."""
    entry = api.find(NAMESPACE, "", name)
    return None if entry is None else entry.obj.metadata.labels


class Request:
    """One write. `obj` is the object as it now is; `old` what it was; both None where there is none."""

    def __init__(self, api: Api, ctx: Context[Any], obj: Any, old: Any) -> None:
        self.api = api
        self.ctx = ctx
        self.asked = asked_of(api, ctx)
        self.obj = obj
        self.old = old
        self._foreign = (str(ctx.resource), ctx.subresource) in OWN_KINDS
        self._shown: dict[tuple[Place, bool], tuple[Any, Json]] = {}

    async def object_at(self, place: Place) -> Json | None:
        """The object as it is served at a place. Not to be changed."""
        return await self._at(place, self.obj, new=True)

    async def old_at(self, place: Place) -> Json | None:
        """What it was, likewise."""
        return await self._at(place, self.old, new=False)

    async def _at(self, place: Place, obj: Any, *, new: bool) -> Json | None:
        if obj is None:
            return None
        known = self._shown.get((place, new))
        if known is None or known[0] is not obj:
            known = self._shown[place, new] = (obj, await self._show(place, obj))
        return known[1]

    async def _show(self, place: Place, obj: Any) -> Json:
        if self._foreign or not isinstance(obj, Object):
            return codec.to_dict(obj)
        if self.ctx.subresource == "scale":
            return as_scale(self.ctx.resource, codec.to_dict(obj))
        view = VIEWS.get(self._resource(place))
        return codec.to_dict(obj) if view is None else view.raised(obj)

    async def changed(self, place: Place, raw: Json) -> Any:
        """`obj` after somebody has changed it as it is served at a place: typed and defaulted. Raises BadRequest."""
        resource: Resource[Any] = self.ctx.resource
        if self._foreign or not isinstance(self.obj, Object):
            return raw if isinstance(self.obj, dict) else codec.from_dict(type(self.obj), raw)
        if self.ctx.subresource == "scale":
            replicas = int((raw.get("spec") or {}).get("replicas") or 0)
            raw = with_replicas(resource, codec.to_dict(self.obj), replicas)
        elif (view := VIEWS.get(self._resource(place))) is not None:
            raw = view.lowered(raw, self.obj)
        return resource.default(convert(resource, raw, codec.encode(raw), "Ignore", written=False).obj)

    def _resource(self, place: Place) -> Resource[Any]:
        found = self.api.served.find(place.group, place.version, place.resource)
        return self.ctx.resource if found is None else found

    def kind_at(self, place: Place) -> Json:
        """group, version and kind of what is sent there."""
        ctx = self.ctx
        own = _SCALE if ctx.subresource == "scale" else OWN_KINDS.get((str(ctx.resource), ctx.subresource))
        group, version, kind = own or (place.group, place.version, self._resource(place).kind)
        return {"group": group, "version": version, "kind": kind}

    def attributes(self, place: Place) -> Json:
        """An AdmissionRequest for who asked to see this place: all but uid, object and oldObject."""
        ctx, asked = self.ctx, self.asked
        user = ctx.user
        info: Json = {"username": user.name, "uid": user.uid, "groups": list(user.groups),
                      "extra": {key: list(values) for key, values in user.extra.items()}}  # fmt: skip
        return {
            "kind": self.kind_at(place),
            "resource": _resource_json(place),
            **_if("subResource", asked.subresource),
            "requestKind": self.kind_at(asked.place),
            "requestResource": _resource_json(asked.place),
            **_if("requestSubResource", asked.subresource),
            **_if("name", asked.name),
            **_if("namespace", asked.namespace),
            "operation": asked.operation,
            "userInfo": {key: value for key, value in info.items() if value},
            "dryRun": ctx.dry_run,
            "options": _options(ctx),
        }


def _resource_json(place: Place) -> Json:
    return {"group": place.group, "version": place.version, "resource": place.resource}


def _if(name: str, value: str) -> Json:
    return {name: value} if value else {}


def _options(ctx: Context[Any]) -> Json | None:
    kind = _OPTIONS.get(ctx.operation)
    if kind is None:
        return None
    head = {"kind": kind, "apiVersion": "meta.k8s.io/v1"}
    if ctx.operation == "DELETE":
        given = {} if ctx.options is None else msgspec.json.decode(codec.encode(ctx.options))
        return {**given, **head}
    return {
        **head,
        **({"dryRun": ["All"]} if ctx.dry_run else {}),
        **_if("fieldManager", ctx.field_manager),
        **_if("fieldValidation", ctx.field_validation),
    }
