"""admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration: what the API adds to its schema."""

from __future__ import annotations

from wherry.api.declare import declare
from wherry.api.types.admissionregistration import ValidatingWebhookConfiguration

VALIDATINGWEBHOOKCONFIGURATION = declare(ValidatingWebhookConfiguration)
