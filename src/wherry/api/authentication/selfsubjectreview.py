"""authentication.k8s.io/v1 SelfSubjectReview: what the API adds to its schema (`wherry.api.types.authentication`)."""

from __future__ import annotations

from wherry.api.declare import declare
from wherry.api.types.authentication import SelfSubjectReview

SELFSUBJECTREVIEW = declare(SelfSubjectReview)
