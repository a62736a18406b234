"""Reviews: kinds that are only ever posted and answered, never stored: may I, may they, who am I, who is this.

https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from wherry.api.types.authentication import (
    SelfSubjectReview,
    SelfSubjectReviewStatus,
    TokenReview,
    TokenReviewStatus,
    UserInfo,
)
from wherry.api.types.authorization import (
    LocalSubjectAccessReview,
    NonResourceAttributes,
    NonResourceRule,
    ResourceAttributes,
    ResourceRule,
    SelfSubjectAccessReview,
    SelfSubjectAccessReviewSpec,
    SelfSubjectRulesReview,
    SubjectAccessReview,
    SubjectAccessReviewSpec,
    SubjectAccessReviewStatus,
    SubjectRulesReviewStatus,
)
from wherry.api.types.core import Binding
from wherry.api.types.rbac import PolicyRule
from wherry.apiserver.api import Api
from wherry.apiserver.authn.user import MASTERS, User
from wherry.apiserver.authz.question import Question
from wherry.apiserver.authz.rules import Attributes
from wherry.apiserver.authz.selection import of_review
from wherry.apiserver.authz.selection import problems as selector_problems
from wherry.apiserver.context import Context
from wherry.apiserver.subresources.binding import bind
from wherry.machinery import codec
from wherry.machinery.errors import BadRequest, Unauthorized
from wherry.machinery.meta import ObjectMeta
from wherry.machinery.validation import FieldError, invalid, refuse

Review = Callable[[Api, Context[Any], Any], Awaitable[Any]]
_GROUP = "authorization.k8s.io"


async def _decide(
    api: Api, user: User, asked: ResourceAttributes | None, path: NonResourceAttributes | None
) -> SubjectAccessReviewStatus:  # fmt: skip
    """What may be; the spec has been checked."""
    if asked is not None:
        question = of_review(user, asked)
    else:
        assert path is not None
        question = Question(Attributes(user, path.verb, path=path.path or "/"))
    decision = await api.authorizer.decide(question)
    return SubjectAccessReviewStatus(
        allowed=decision.allowed,
        denied=decision.denied,
        reason=decision.reason,
        evaluation_error=decision.error,
    )


def _problems(spec: SelfSubjectAccessReviewSpec | SubjectAccessReviewSpec) -> Iterator[FieldError]:
    asked, path = spec.resource_attributes, spec.non_resource_attributes
    if (asked is None) == (path is None):
        why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        yield invalid("spec", path, why)
    if isinstance(spec, SubjectAccessReviewSpec) and not spec.user and not spec.groups:
        yield invalid("spec.user", spec.user, "at least one of user or group must be specified")
    if asked is not None:
        yield from selector_problems(asked)


def _bare(review: Any, *, namespaced: bool = False) -> Iterator[FieldError]:
    """Reviews are never stored: names and labels mean nothing."""
    meta = replace(review.metadata, managed_fields=())
    if namespaced:
        meta = replace(meta, namespace="")
    if meta != ObjectMeta():
        tail = " except for namespace" if namespaced else ""
        yield invalid("metadata", review.metadata, f"must be empty{tail}")


def _local(review: LocalSubjectAccessReview, namespace: str) -> Iterator[FieldError]:
    asked, path = review.spec.resource_attributes, review.spec.non_resource_attributes
    if asked is not None and asked.namespace != namespace:
        yield invalid("spec.resourceAttributes.namespace", asked.namespace, "must match metadata.namespace")
    if path is not None:
        yield invalid("spec.nonResourceAttributes", path, "disallowed on this kind of request")


async def _self_access(api: Api, ctx: Context[Any], review: SelfSubjectAccessReview) -> Any:
    spec = review.spec
    refuse_any(review.kind, (*_problems(spec), *_bare(review)))
    status = await _decide(api, ctx.user, spec.resource_attributes, spec.non_resource_attributes)
    return replace(review, status=status)


async def _access(api: Api, ctx: Context[Any], review: SubjectAccessReview | LocalSubjectAccessReview) -> Any:
    spec = review.spec
    found = [*_problems(spec), *_bare(review, namespaced=isinstance(review, LocalSubjectAccessReview))]
    if isinstance(review, LocalSubjectAccessReview):
        found += _local(review, ctx.namespace)
    refuse_any(review.kind, found)
    user = User(spec.user, spec.groups, spec.uid, dict(spec.extra))
    status = await _decide(api, user, spec.resource_attributes, spec.non_resource_attributes)
    return replace(review, status=status)


def refuse_any(kind: str, problems: Iterable[FieldError]) -> None:
    """Raises Invalid when there is a problem."""
    found = list(problems)
    if found:
        raise refuse(_GROUP, kind, "", found)


async def _rules(api: Api, ctx: Context[Any], review: SelfSubjectRulesReview) -> Any:
    namespace = review.spec.namespace
    if not namespace:
        raise BadRequest("no namespace on request")
    rules = list(api.authorizer.rbac.rules_for(ctx.user, namespace))
    if MASTERS in ctx.user.groups:
        rules.append(PolicyRule(verbs=("*",), api_groups=("*",), resources=("*",)))
        rules.append(PolicyRule(verbs=("*",), non_resource_urls=("*",)))
    status = SubjectRulesReviewStatus(
        resource_rules=tuple(_resource_rule(rule) for rule in rules if rule.resources),
        non_resource_rules=tuple(
            NonResourceRule(non_resource_urls=r.non_resource_urls, verbs=r.verbs) for r in rules if r.non_resource_urls
        ),
    )
    return replace(review, status=status)


def _resource_rule(rule: PolicyRule) -> ResourceRule:
    return ResourceRule(
        api_groups=rule.api_groups, resources=rule.resources, resource_names=rule.resource_names, verbs=rule.verbs
    )


async def _who_am_i(api: Api, ctx: Context[Any], review: SelfSubjectReview) -> Any:
    return replace(
        review,
        metadata=replace(review.metadata, creation_timestamp=api.now()),
        status=SelfSubjectReviewStatus(user_info=_info(ctx.user)),
    )


def _info(user: User) -> UserInfo:
    return UserInfo(username=user.name, uid=user.uid, groups=user.groups, extra=dict(user.extra))


async def _token(api: Api, ctx: Context[Any], review: TokenReview) -> Any:
    if not review.spec.token:
        raise BadRequest("token is required for TokenReview in authentication")
    hidden = replace(review.spec, token="")  # never echoed, so that it is in no log
    try:
        user, audiences = await api.authenticator.bearers.known(api, review.spec.token, review.spec.audiences)
    except Unauthorized:
        return replace(review, spec=hidden, status=TokenReviewStatus(error="invalid bearer token"))
    status = TokenReviewStatus(authenticated=True, user=_info(user), audiences=audiences)
    return replace(review, spec=hidden, status=status)


async def _bind(api: Api, ctx: Context[Any], binding: Binding) -> Any:
    ctx.name = binding.metadata.name
    return await bind(api, ctx, codec.to_dict(binding))


REVIEWS: Mapping[str, Review] = {
    f"selfsubjectaccessreviews.{_GROUP}": _self_access,
    f"subjectaccessreviews.{_GROUP}": _access,
    f"localsubjectaccessreviews.{_GROUP}": _access,
    f"selfsubjectrulesreviews.{_GROUP}": _rules,
    "selfsubjectreviews.authentication.k8s.io": _who_am_i,
    "tokenreviews.authentication.k8s.io": _token,
    "bindings": _bind,
}
"""Resource -> what answers a POST of it."""
