"""admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration: what the API adds to its schema."""

from __future__ import annotations

from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.types.admissionregistration import ValidatingWebhookConfiguration
from wherry.machinery.resource import Column

COLUMNS: tuple[Column[ValidatingWebhookConfiguration], ...] = (
    Column("Webhooks", lambda c, _: len(c.webhooks), type="integer"),
    AGE,
)

VALIDATINGWEBHOOKCONFIGURATION = declare(ValidatingWebhookConfiguration, columns=COLUMNS)
