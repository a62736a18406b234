"""Authorizer: may they? system:masters may everything; agents what their node needs; everybody else what RBAC grants.

Webhooks may be asked before or after these. Admission (escalation, signers) asks the rules here only.

https://kubernetes.io/docs/reference/access-authn-authz/authorization/
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wherry.apiserver.authn.user import MASTERS, User
from wherry.apiserver.authz.node import NodeRights
from wherry.apiserver.authz.question import Decision, Question
from wherry.apiserver.authz.rbac import Rbac
from wherry.apiserver.authz.rules import Attributes
from wherry.apiserver.authz.webhook import WebhookAuthorizer
from wherry.apiserver.routes import RequestInfo
from wherry.machinery.errors import Forbidden


class Authorizer:
    """Asks each way of being allowed in turn. `before` and `after`: webhooks, asked before or after the rules here."""

    def __init__(
        self, rbac: Rbac, nodes: NodeRights,
        before: Sequence[WebhookAuthorizer] = (), after: Sequence[WebhookAuthorizer] = (),
    ) -> None:  # fmt: skip
        self.rbac = rbac
        self._nodes = nodes
        self._before = tuple(before)
        self._after = tuple(after)
        self.local = not before and not after
        """Whether nobody outside has a say."""

    def allowed(self, asked: Attributes) -> bool:
        """Whether the rules here allow it."""
        return self.why(asked) is not None

    def why(self, asked: Attributes) -> str | None:
        """Why the rules here allow it; None: they do not."""
        if MASTERS in asked.user.groups:
            return ""
        if asked.user.node and self._nodes.allowed(asked):
            return ""
        return self.rbac.why(asked)

    def require(self, user: User, info: RequestInfo) -> None:
        """Raises Forbidden, in upstream's words, unless the rules here let the user."""
        if MASTERS in user.groups:
            return
        asked = attributes(user, info)
        if not self.allowed(asked):
            raise refusal(asked)

    async def decide(self, question: Question) -> Decision:
        """What all of them together say."""
        asked = question.asked
        if MASTERS in asked.user.groups:
            return Decision(allowed=True)
        errors: list[str] = []
        reasons: list[str] = []
        for webhook in (*self._before, None, *self._after):
            if webhook is None:
                why = self.why(asked)
                decision = Decision() if why is None else Decision(allowed=True, reason=why)
            else:
                decision = await webhook.decide(question)
            if decision.allowed or decision.denied:
                return decision
            reasons += [decision.reason] if decision.reason else []
            errors += [decision.error] if decision.error else []
        return Decision(reason="\n".join(reasons), error="\n".join(errors))

    async def refused(self, question: Question) -> Forbidden | None:
        """The refusal; None when it is allowed."""
        if self.local:
            return None if self.allowed(question.asked) else refusal(question.asked)
        decision = await self.decide(question)
        return None if decision.allowed else refusal(question.asked, decision.reason)

    async def close(self) -> None:
        """Let go of connections."""
        for webhook in (*self._before, *self._after):
            await webhook.close()


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
