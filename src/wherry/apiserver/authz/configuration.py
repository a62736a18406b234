"""The file format of structured authorisation (apiserver.config.k8s.io AuthorizationConfiguration), and what is wrong
with one. https://kubernetes.io/docs/reference/access-authn-authz/authorization/#using-configuration-file-for-authorization
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from wherry.aio.clock import Clock
from wherry.apiserver.authz.webhook import WebhookAuthorizer
from wherry.apiserver.configuration import Format, decoded, unknown_version
from wherry.apiserver.reviewers import Reviewer
from wherry.machinery.cel.errors import CompileError
from wherry.machinery.cel.program import Program, compile_expression
from wherry.machinery.cel.types import BOOL, DYN
from wherry.machinery.durations import duration_seconds

TYPES = ("Node", "RBAC", "Webhook")


class Connection(Format, frozen=True):
    """How the webhook is reached."""

    type: str = ""
    kube_config_file: str = ""


class Condition(Format, frozen=True):
    """What must be true of a question."""

    expression: str = ""


class Webhook(Format, frozen=True):
    """One webhook."""

    connection_info: Connection = Connection()
    failure_policy: str = ""
    timeout: str = ""
    subject_access_review_version: str = ""
    match_condition_subject_access_review_version: str = ""
    authorized_ttl: str = msgspec.field(default="5m", name="authorizedTTL")
    unauthorized_ttl: str = msgspec.field(default="30s", name="unauthorizedTTL")
    cache_authorized_requests: bool = True
    cache_unauthorized_requests: bool = True
    match_conditions: tuple[Condition, ...] = ()


class OneAuthorizer(Format, frozen=True):
    """One way of being allowed."""

    type: str = ""
    name: str = ""
    webhook: Webhook | None = None


class AuthorizationConfiguration(Format, frozen=True):
    """The whole file."""

    api_version: str = ""
    kind: str = "AuthorizationConfiguration"
    authorizers: tuple[OneAuthorizer, ...] = ()


def read(raw: Mapping[str, Any]) -> AuthorizationConfiguration:
    """The configuration in a YAML document. Raises ValueError: `key: what is wrong; what to do`."""
    return decoded(raw, AuthorizationConfiguration, _problems)


def _problems(config: AuthorizationConfiguration) -> Iterator[str]:
    yield from unknown_version(config.api_version)
    types = [one.type for one in config.authorizers]
    for kind in ("Node", "RBAC"):
        if types.count(kind) != 1:
            yield f"authorizers: {kind} must be there once; agents and the server's own parts live by it"
    if "Node" in types and "RBAC" in types and abs(types.index("Node") - types.index("RBAC")) != 1:
        yield "authorizers: Node and RBAC must stand side by side; move webhooks before or after both"
    names = [one.name for one in config.authorizers]
    for index, one in enumerate(config.authorizers):
        at = f"authorizers[{index}]"
        if one.type not in TYPES:
            yield f"{at}.type: {one.type!r} is not known; choose from {', '.join(TYPES)}"
        if not one.name or names.count(one.name) > 1:
            yield f"{at}.name: {one.name!r} is empty or there twice; name each differently"
        if (one.webhook is not None) != (one.type == "Webhook"):
            yield f"{at}.webhook: belongs to type Webhook, and only to it"
        if one.webhook is not None:
            yield from _webhook(f"{at}.webhook", one.webhook)


def _webhook(at: str, webhook: Webhook) -> Iterator[str]:
    if webhook.failure_policy not in ("NoOpinion", "Deny"):
        yield f"{at}.failurePolicy: {webhook.failure_policy!r} is not known; choose NoOpinion or Deny"
    if webhook.subject_access_review_version != "v1":
        yield f"{at}.subjectAccessReviewVersion: {webhook.subject_access_review_version!r} is not spoken; write v1"
    if webhook.match_conditions and webhook.match_condition_subject_access_review_version != "v1":
        yield f"{at}.matchConditionSubjectAccessReviewVersion: must be v1 with matchConditions; write it"
    if (
        webhook.connection_info.type != "KubeConfigFile"
        or not Path(webhook.connection_info.kube_config_file).is_absolute()
    ):
        yield f"{at}.connectionInfo: must be of type KubeConfigFile with an absolute kubeConfigFile; name one"
    for key, text in (
        ("timeout", webhook.timeout), ("authorizedTTL", webhook.authorized_ttl),
        ("unauthorizedTTL", webhook.unauthorized_ttl),
    ):  # fmt: skip
        try:
            seconds = duration_seconds(text)
        except ValueError as error:
            yield f"{at}.{key}: {error}; write it like 30s or 5m"
            continue
        if seconds <= 0 or (key == "timeout" and seconds > 30):
            yield f"{at}.{key}: {text} is out of range; must be over 0s" + (", at most 30s" if key == "timeout" else "")


def webhooks(
    config: AuthorizationConfiguration, clock: Clock
) -> tuple[tuple[WebhookAuthorizer, ...], tuple[WebhookAuthorizer, ...]]:  # fmt: skip
    """Those asked before the rules here, and those after. Raises ValueError."""
    before: list[WebhookAuthorizer] = []
    after: list[WebhookAuthorizer] = []
    rules_seen = False
    for index, one in enumerate(config.authorizers):
        if one.webhook is None:
            rules_seen = True
            continue
        made = _made(f"authorizers[{index}].webhook", one.name, one.webhook, clock)
        (after if rules_seen else before).append(made)
    return tuple(before), tuple(after)


def _made(at: str, name: str, webhook: Webhook, clock: Clock) -> WebhookAuthorizer:
    conditions: list[Program] = []
    for index, condition in enumerate(webhook.match_conditions):
        try:
            conditions.append(compile_expression(condition.expression, {"request": DYN}, result=BOOL))
        except CompileError as error:
            raise ValueError(f"{at}.matchConditions[{index}].expression: {error}; correct the expression") from None
    return WebhookAuthorizer(
        name,
        Reviewer(Path(webhook.connection_info.kube_config_file), duration_seconds(webhook.timeout)),
        clock,
        duration_seconds(webhook.authorized_ttl) if webhook.cache_authorized_requests else 0.0,
        duration_seconds(webhook.unauthorized_ttl) if webhook.cache_unauthorized_requests else 0.0,
        deny=webhook.failure_policy == "Deny",
        conditions=conditions,
    )
