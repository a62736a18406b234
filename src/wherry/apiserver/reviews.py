"""Reviews: kinds that are only ever posted and answered, never stored: may I, may they, who am I, who is this.

https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
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
    SelfSubjectRulesReview,
    SubjectAccessReview,
    SubjectAccessReviewStatus,
    SubjectRulesReviewStatus,
)
from wherry.api.types.core import Binding
from wherry.api.types.rbac import PolicyRule
from wherry.apiserver.api import Api
from wherry.apiserver.authn.user import MASTERS, User
from wherry.apiserver.authz.rules import Attributes
from wherry.apiserver.context import Context
from wherry.apiserver.subresources.binding import bind
from wherry.machinery import codec
from wherry.machinery.errors import BadRequest, Unauthorized
from wherry.machinery.validation import FieldError, invalid, refuse

Review = Callable[[Api, Context[Any], Any], Awaitable[Any]]
_GROUP = "authorization.k8s.io"


def _decide(
    api: Api, user: User, asked: ResourceAttributes | None, path: NonResourceAttributes | None, kind: str
) -> SubjectAccessReviewStatus:  # fmt: skip
    if (asked is None) == (path is None):
        value = None if asked is None else asked
        raise refuse(_GROUP, kind, "", [_exactly_one(value)])
    if path is not None:
        wanted = Attributes(user, path.verb, path=path.path or "/")
    else:
        assert asked is not None
        wanted = Attributes(
            user, asked.verb, asked.group, asked.resource, asked.subresource, asked.namespace, asked.name
        )
    why = api.authorizer.why(wanted)
    return SubjectAccessReviewStatus(allowed=why is not None, reason=why or "")


def _exactly_one(value: object) -> FieldError:
    return invalid(
        "spec.resourceAttributes", value, "exactly one of nonResourceAttributes or resourceAttributes must be specified"
    )


async def _self_access(api: Api, ctx: Context[Any], review: SelfSubjectAccessReview) -> Any:
    spec = review.spec
    status = _decide(api, ctx.user, spec.resource_attributes, spec.non_resource_attributes, review.kind)
    return replace(review, status=status)


async def _access(api: Api, ctx: Context[Any], review: SubjectAccessReview | LocalSubjectAccessReview) -> Any:
    spec = review.spec
    if not spec.user and not spec.groups:
        raise refuse(
            _GROUP,
            review.kind,
            "",
            [invalid("spec.user", spec.user, "at least one of user or group must be specified")],
        )
    asked = spec.resource_attributes
    if isinstance(review, LocalSubjectAccessReview) and (asked is None or asked.namespace != ctx.namespace):
        raise BadRequest("spec.resourceAttributes.namespace must match the namespace of the request")
    user = User(spec.user, spec.groups, spec.uid, dict(spec.extra))
    return replace(review, status=_decide(api, user, asked, spec.non_resource_attributes, review.kind))


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
