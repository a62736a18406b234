"""Webhook authorisation: a server outside is asked by SubjectAccessReview whether somebody may; answers are remembered.

Conditions (CEL over the review's spec, as `request`) say which questions it is asked at all.
https://kubernetes.io/docs/reference/access-authn-authz/webhook/
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from wherry.aio.clock import Clock
from wherry.api.types.authorization import SubjectAccessReviewStatus
from wherry.apiserver.authz.question import Decision, Question, spec_of
from wherry.apiserver.reviewers import Reviewer, Unreachable

if TYPE_CHECKING:
    from wherry.machinery.cel.program import Program

log = logging.getLogger(__name__)
_REMEMBERED = 8192
NO_OPINION = Decision()


@dataclass(slots=True)
class WebhookAuthorizer:
    """One of the ways of being allowed. TTLs in seconds; 0: not remembered. `deny`: what a failure means."""

    name: str
    reviewer: Reviewer
    clock: Clock
    allowed_seconds: float = 300.0
    denied_seconds: float = 30.0
    deny: bool = False
    conditions: Sequence[Program] = ()
    _remembered: dict[Question, tuple[float, Decision]] = field(default_factory=dict)

    async def decide(self, question: Question) -> Decision:
        """Allowed, denied, or no opinion."""
        before = self._remembered.get(question)
        if before is not None and before[0] > self.clock.monotonic():
            return before[1]
        spec = spec_of(question)
        concerned = self._concerned(spec)
        if concerned is None:
            return self._failed("a match condition cannot be evaluated")
        if not concerned:
            return NO_OPINION
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "metadata": {}, "spec": spec}
        try:
            decision = _decision(await self.reviewer.ask(review))
        except Unreachable as error:
            log.warning("authorizer %s: %s", self.name, error)
            return self._failed(str(error))
        seconds = self.allowed_seconds if decision.allowed else self.denied_seconds
        if seconds > 0:
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.pop(next(iter(self._remembered)))
            self._remembered[question] = self.clock.monotonic() + seconds, decision
        return decision

    def _failed(self, why: str) -> Decision:
        return Decision(denied=self.deny, error=why)

    def _concerned(self, spec: Mapping[str, Any]) -> bool | None:
        """Whether all conditions hold; None: none is false, but one cannot be evaluated."""
        if not self.conditions:
            return True
        from wherry.machinery.cel.budget import Budget
        from wherry.machinery.cel.errors import CelError

        known: bool | None = True
        budget = Budget()
        for condition in self.conditions:
            try:
                if condition.evaluate({"request": spec}, budget) is not True:
                    return False
            except CelError:
                known = None
        return known

    async def close(self) -> None:
        """Close connections."""
        await self.reviewer.close()


def _decision(raw: Mapping[str, Any]) -> Decision:
    """Raises Unreachable for an answer that cannot be read."""
    try:
        status = msgspec.convert(raw, SubjectAccessReviewStatus)
    except msgspec.ValidationError as error:
        raise Unreachable(str(error)) from None
    if status.allowed and status.denied:
        raise Unreachable("webhook subject access review returned both allow and deny response")
    return Decision(status.allowed, status.denied, status.reason, status.evaluation_error)
