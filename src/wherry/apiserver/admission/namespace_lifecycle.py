"""NamespaceLifecycle: nothing is created in a namespace that does not exist or is going; some namespaces never go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wherry.api.core.namespace import NAMESPACE
from wherry.apiserver.admission.plugin import Plugin
from wherry.apiserver.context import Context, not_found
from wherry.machinery.errors import Cause, Forbidden

if TYPE_CHECKING:
    from wherry.apiserver.api import Api

IMMORTAL = ("default", "kube-system", "kube-public")


def forbidden(ctx: Context[Any], why: str, *causes: Cause) -> Forbidden:
    """403: an admission plugin refuses."""
    named = f' "{ctx.name}"' if ctx.name else ""
    return Forbidden(f"{ctx.resource}{named} is forbidden: {why}", details=ctx.details, causes=causes)


def _validate(api: Api, ctx: Context[Any], obj: Any, old: Any) -> None:
    if ctx.operation == "DELETE":
        if ctx.resource is NAMESPACE and ctx.name in IMMORTAL:
            raise forbidden(ctx, "this namespace may not be deleted")
        return
    if not ctx.resource.namespaced:
        return
    namespace = api.find(NAMESPACE, "", ctx.namespace)
    if namespace is None:
        raise not_found(NAMESPACE, ctx.namespace)
    if namespace.obj.metadata.deletion_timestamp is not None or namespace.obj.status.phase == "Terminating":
        raise forbidden(
            ctx,
            f"unable to create new content in namespace {ctx.namespace} because it is being terminated",
            Cause("NamespaceTerminating", f"namespace {ctx.namespace} is being terminated", "metadata.namespace"),
        )


def _early(api: Api, ctx: Context[Any], obj: Any, old: Any) -> Any:
    """Before anything is defaulted or looked up in the namespace, so that this is what clients are told."""
    if ctx.operation == "CREATE":
        _validate(api, ctx, obj, old)
    return obj


PLUGIN = Plugin("NamespaceLifecycle", mutate=_early, validate=_validate, operations=frozenset({"CREATE", "DELETE"}))
