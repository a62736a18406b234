"""authorization.k8s.io/v1 SubjectAccessReview: what the API adds to its schema (`wherry.api.types.authorization`)."""

from __future__ import annotations

from wherry.api.declare import declare
from wherry.api.types.authorization import SubjectAccessReview

SUBJECTACCESSREVIEW = declare(SubjectAccessReview)
