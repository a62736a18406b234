"""Approval of definitions in the community's own API groups.

https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/1111-api-approval
"""

from __future__ import annotations

from typing import Final, Literal
from urllib.parse import urlsplit

from wherry.api.types.apiextensions import CustomResourceDefinition

ANNOTATION: Final = "api-approved.kubernetes.io"
State = Literal["approved", "bypassed", "missing", "invalid"]
_WHY = "see https://github.com/kubernetes/enhancements/pull/1111"


def approval_state(crd: CustomResourceDefinition) -> tuple[State, str] | None:
    """(state, message) of a definition in a protected group; None for all others."""
    if not any(crd.spec.group == own or crd.spec.group.endswith(f".{own}") for own in ("k8s.io", "kubernetes.io")):
        return None
    said = crd.metadata.annotations.get(ANNOTATION, "")
    must = f'protected groups must have approval annotation "{ANNOTATION}"'
    if not said:
        return "missing", f"{must}, {_WHY}"
    if said.startswith("unapproved"):
        return "bypassed", f'not approved: "{said}"'
    try:
        url = urlsplit(said)
    except ValueError:
        url = urlsplit("")
    if url.scheme and url.netloc:
        return "approved", f"approved in {said}"
    return "invalid", f'{must} with either a URL or a reason starting with "unapproved", {_WHY}'
