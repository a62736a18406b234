"""Which bindings of which policies a request falls under: selectors, after the rules have matched."""

from __future__ import annotations

from typing import Any

from wherry.api.core.namespace import NAMESPACE
from wherry.api.types.admissionregistration import MatchResources
from wherry.apiserver.admission.matching import match_namespace, match_object, match_resources
from wherry.apiserver.admission.policies.evaluation import Failed
from wherry.apiserver.admission.request import Request, namespace_labels


def admitted(request: Request, own: MatchResources | None) -> bool:
    """Whether the selectors admit the request. Raises Failed when the namespace is not there."""
    if own is None:
        return True
    if not match_object(own.object_selector, request.obj, request.old):
        return False
    asked = request.asked
    found = match_namespace(
        own.namespace_selector, asked, request.obj, lambda name: namespace_labels(request.api, name)
    )  # fmt: skip
    if found is None:
        raise Failed(f'{NAMESPACE} "{asked.namespace}" not found')
    return found


def bound_here(request: Request, binding: Any) -> bool:
    """Whether a binding applies to the request. Raises Failed."""
    own = binding.spec.match_resources
    return own is None or (match_resources(own, request.asked) is not None and admitted(request, own))
