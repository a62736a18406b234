"""authentication.k8s.io/v1 TokenReview: what the API adds to its schema (`wherry.api.types.authentication`)."""

from __future__ import annotations

from wherry.api.declare import declare
from wherry.api.types.authentication import TokenReview

TOKENREVIEW = declare(TokenReview)
