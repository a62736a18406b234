"""authorization.k8s.io/v1 SelfSubjectAccessReview: what the API adds to its schema."""

from __future__ import annotations

from wherry.api.declare import declare
from wherry.api.types.authorization import SelfSubjectAccessReview

SELFSUBJECTACCESSREVIEW = declare(SelfSubjectAccessReview)
