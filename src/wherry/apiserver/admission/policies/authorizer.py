"""What expressions learn from the authorizer: whether a user, or a service account, may do something."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wherry.apiserver.authn.user import User, service_account_user
from wherry.apiserver.authz.rules import Attributes
from wherry.machinery.cel.library.authorization import Ask, Decision, Question

if TYPE_CHECKING:
    from wherry.apiserver.api import Api


def asking(api: Api, user: User) -> Ask:
    """Ask for a user. The same question is answered once."""
    known: dict[Question, Decision] = {}

    def ask(question: Question) -> Decision:
        if question not in known:
            why = api.authorizer.why(_attributes(user, question))
            known[question] = Decision(allowed=why is not None, reason=why or "")
        return known[question]

    return ask


def _attributes(user: User, asked: Question) -> Attributes:
    if asked.account:
        user = service_account_user(asked.account[0], asked.account[1], "", {})
    if asked.path:
        return Attributes(user, asked.verb, path=asked.path)
    return Attributes(
        user,
        asked.verb,
        group=asked.group,
        resource=asked.resource,
        subresource=asked.subresource,
        namespace=asked.namespace,
        name=asked.name,
    )
