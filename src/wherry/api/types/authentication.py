"""Generated from the Kubernetes API schema by hack/generate_types.py: authentication. Do not edit."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import field

from wherry.machinery.meta import Model, Object, empty_text, no_items, no_time, shown
from wherry.machinery.time import Time


class BoundObjectReference(Model, frozen=True):
    """io.k8s.api.authentication.v1.BoundObjectReference"""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""


class UserInfo(Model, frozen=True):
    """io.k8s.api.authentication.v1.UserInfo"""

    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    uid: str = ""
    username: str = ""


class TokenRequestSpec(Model, frozen=True):
    """io.k8s.api.authentication.v1.TokenRequestSpec"""

    attestations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    audiences: tuple[str, ...] = field(default_factory=no_items)
    bound_object_ref: BoundObjectReference | None = None
    expiration_seconds: int | None = None


class TokenRequestStatus(Model, frozen=True):
    """io.k8s.api.authentication.v1.TokenRequestStatus"""

    expiration_timestamp: Time | None = field(default_factory=no_time)
    token: str = field(default_factory=empty_text)


class TokenReviewSpec(Model, frozen=True):
    """io.k8s.api.authentication.v1.TokenReviewSpec"""

    audiences: tuple[str, ...] = ()
    token: str = ""


class SelfSubjectReviewStatus(Model, frozen=True):
    """io.k8s.api.authentication.v1.SelfSubjectReviewStatus"""

    user_info: UserInfo = field(default_factory=shown(UserInfo))


class TokenReviewStatus(Model, frozen=True):
    """io.k8s.api.authentication.v1.TokenReviewStatus"""

    audiences: tuple[str, ...] = ()
    authenticated: bool = False
    error: str = ""
    user: UserInfo = field(default_factory=shown(UserInfo))


class TokenRequest(Object, frozen=True):
    """io.k8s.api.authentication.v1.TokenRequest"""

    kind: str = field(default_factory=lambda: "TokenRequest")
    api_version: str = field(default_factory=lambda: "authentication.k8s.io/v1")
    spec: TokenRequestSpec = field(default_factory=shown(TokenRequestSpec))
    status: TokenRequestStatus = field(default_factory=shown(TokenRequestStatus))


class SelfSubjectReview(Object, frozen=True):
    """io.k8s.api.authentication.v1.SelfSubjectReview"""

    kind: str = field(default_factory=lambda: "SelfSubjectReview")
    api_version: str = field(default_factory=lambda: "authentication.k8s.io/v1")
    status: SelfSubjectReviewStatus = field(default_factory=shown(SelfSubjectReviewStatus))


class TokenReview(Object, frozen=True):
    """io.k8s.api.authentication.v1.TokenReview"""

    kind: str = field(default_factory=lambda: "TokenReview")
    api_version: str = field(default_factory=lambda: "authentication.k8s.io/v1")
    spec: TokenReviewSpec = field(default_factory=shown(TokenReviewSpec))
    status: TokenReviewStatus = field(default_factory=shown(TokenReviewStatus))
