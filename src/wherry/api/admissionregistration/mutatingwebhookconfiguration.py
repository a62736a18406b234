"""admissionregistration.k8s.io/v1 MutatingWebhookConfiguration: what the API adds to its schema."""

from __future__ import annotations

from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.types.admissionregistration import MutatingWebhookConfiguration
from wherry.machinery.resource import Column

COLUMNS: tuple[Column[MutatingWebhookConfiguration], ...] = (
    Column("Webhooks", lambda c, _: len(c.webhooks), type="integer"),
    AGE,
)

MUTATINGWEBHOOKCONFIGURATION = declare(MutatingWebhookConfiguration, columns=COLUMNS)
