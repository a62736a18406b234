"""admissionregistration.k8s.io/v1 MutatingWebhookConfiguration: what the API adds to its schema."""

from __future__ import annotations

from wherry.api.declare import declare
from wherry.api.types.admissionregistration import MutatingWebhookConfiguration

MUTATINGWEBHOOKCONFIGURATION = declare(MutatingWebhookConfiguration)
