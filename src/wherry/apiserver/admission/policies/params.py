"""Parameters of a binding: one object by its name, or all that a selector selects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wherry.api.types.admissionregistration import ParamKind, ParamRef
from wherry.apiserver.admission.policies.evaluation import Failed
from wherry.apiserver.admission.policies.views import seen
from wherry.apiserver.views import VIEWS
from wherry.machinery import codec, selectors
from wherry.machinery.resource import Resource

if TYPE_CHECKING:
    from wherry.apiserver.api import Api


def params_of(api: Api, kind: ParamKind | None, reference: ParamRef | None, namespace: str) -> list[Any]:
    """Every parameter with which the policy is to be evaluated; [None]: it has none. Raises Failed."""
    if kind is None or reference is None:
        return [None]
    resource = _resource(api, kind)
    found = _found(api, resource, reference, _place(resource, reference, namespace))
    if not found and reference.parameter_not_found_action == "Deny":
        raise Failed("no params found for policy binding with `Deny` parameterNotFoundAction")
    return [_shown(resource, obj) for obj in found]


def _resource(api: Api, kind: ParamKind) -> Resource[Any]:
    group, _, version = kind.api_version.rpartition("/")
    found = api.served.of_kind(group, version, kind.kind)
    if found is None:
        raise Failed(f"paramKind kind `&ParamKind{{APIVersion:{kind.api_version},Kind:{kind.kind},}}` not known")
    return found


def _place(resource: Resource[Any], reference: ParamRef, namespace: str) -> str:
    if not resource.namespaced:
        if reference.namespace:
            raise Failed("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
        return ""
    if not (reference.namespace or namespace):
        raise Failed("cannot use namespaced paramRef in policy binding that matches cluster-scoped resources")
    return reference.namespace or namespace


def _found(api: Api, resource: Resource[Any], reference: ParamRef, namespace: str) -> list[Any]:
    view = VIEWS.get(resource)
    stored = resource if view is None else view.stored
    if reference.name:
        entry = api.find(stored, namespace, reference.name)
        return [] if entry is None else [entry.obj]
    entries = sorted(api.window(stored).list(namespace).items, key=lambda entry: entry.name)
    return [entry.obj for entry in entries if selectors.matches(reference.selector, entry.obj.metadata.labels)]


def _shown(resource: Resource[Any], obj: Any) -> Any:
    view = VIEWS.get(resource)
    return seen(codec.to_dict(obj), obj) if view is None else view.raised(obj)
