"""Authorizer: may they? system:masters may everything; agents what their node needs; everybody else what RBAC grants.

https://kubernetes.io/docs/reference/access-authn-authz/authorization/
"""

from __future__ import annotations

from typing import Any

from wherry.apiserver.authn.user import MASTERS, User
from wherry.apiserver.authz.node import NodeRights
from wherry.apiserver.authz.rbac import Rbac
from wherry.apiserver.authz.rules import Attributes
from wherry.apiserver.routes import RequestInfo
from wherry.machinery.errors import Forbidden


class Authorizer:
    """Asks each way of being allowed in turn."""

    def __init__(self, rbac: Rbac, nodes: NodeRights) -> None:
        self.rbac = rbac
        self._nodes = nodes

    def allowed(self, asked: Attributes) -> bool:
        """Whether it is allowed."""
        return self.why(asked) is not None

    def why(self, asked: Attributes) -> str | None:
        """Why it is allowed; None: it is not."""
        if MASTERS in asked.user.groups:
            return ""
        if asked.user.node and self._nodes.allowed(asked):
            return ""
        return "RBAC: allowed" if self.rbac.allowed(asked) else None

    def require(self, user: User, info: RequestInfo) -> None:
        """Raises Forbidden, in upstream's words, unless the user may."""
        if MASTERS in user.groups:
            return
        asked = attributes(user, info)
        if not self.allowed(asked):
            raise refusal(asked)


def attributes(user: User, info: RequestInfo) -> Attributes:
    """What a request is, as rules see it."""
    if not info.is_resource:
        return Attributes(user, info.verb, path=info.path)
    return Attributes(
        user,
        info.verb,
        group=info.group,
        resource=info.resource,
        subresource=info.subresource,
        namespace=info.namespace,
        name=info.name,
    )


def refusal(asked: Attributes, reason: str = "") -> Forbidden:
    """403 for what is not allowed."""
    tail = f": {reason}" if reason else ""
    if asked.path:
        return Forbidden(f'forbidden: User "{asked.user.name}" cannot {asked.verb} path "{asked.path}"{tail}')
    where = f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
    what = f"{asked.resource}.{asked.group}" if asked.group else asked.resource
    subject = f'{what} "{asked.name}"' if asked.name else what
    details: dict[str, Any] = {"kind": asked.resource}
    if asked.name:
        details["name"] = asked.name
    if asked.group:
        details["group"] = asked.group
    return Forbidden(
        f'{subject} is forbidden: User "{asked.user.name}" cannot {asked.verb} resource "{asked.full_resource}" '
        f'in API group "{asked.group}" {where}{tail}',
        details=details,
    )
