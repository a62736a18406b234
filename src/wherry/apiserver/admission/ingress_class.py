"""DefaultIngressClass: an Ingress that names no class gets the cluster's default one.

https://kubernetes.io/docs/concepts/services-networking/ingress/#default-ingress-class
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from wherry.api.networking.ingressclass import INGRESSCLASS
from wherry.api.types.networking import Ingress
from wherry.apiserver.admission.plugin import Plugin
from wherry.apiserver.context import Context

if TYPE_CHECKING:
    from wherry.apiserver.api import Api

_DEFAULT = "ingressclass.kubernetes.io/is-default-class"
_OLD_CLASS = "kubernetes.io/ingress.class"


def _classify(api: Api, ctx: Context[Ingress], ingress: Ingress, old: Ingress | None) -> Ingress:
    if ingress.spec.ingress_class_name is not None or _OLD_CLASS in ingress.metadata.annotations:
        return ingress
    name = default_class(api)
    return replace(ingress, spec=replace(ingress.spec, ingress_class_name=name)) if name else ingress


def default_class(api: Api) -> str:
    """The default IngressClass: of several, the newest; "" for none."""
    classes = [entry.obj for entry in api.window(INGRESSCLASS).list().items]
    found = [one for one in classes if one.metadata.annotations.get(_DEFAULT) == "true"]
    newest = max(found, key=lambda one: one.metadata.creation_timestamp or "", default=None)  # of equals the first
    return newest.metadata.name if newest is not None else ""


PLUGIN = Plugin(
    "DefaultIngressClass",
    mutate=_classify,
    operations=frozenset({"CREATE"}),
    resources=frozenset({"ingresses.networking.k8s.io"}),
)
