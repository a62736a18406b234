"""authorization.k8s.io/v1 SelfSubjectRulesReview: what the API adds to its schema."""

from __future__ import annotations

from wherry.api.declare import declare
from wherry.api.types.authorization import SelfSubjectRulesReview

SELFSUBJECTRULESREVIEW = declare(SelfSubjectRulesReview)
