"""admissionregistration.k8s.io/v1 MutatingWebhookConfiguration: what the API adds to its schema."""

from __future__ import annotations

from wherry.api.admissionregistration.webhooks import check_webhooks, default_webhook
from wherry.api.checks import Errors
from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.defaulting import each, within
from wherry.api.types.admissionregistration import MutatingWebhookConfiguration
from wherry.machinery.resource import Column

COLUMNS: tuple[Column[MutatingWebhookConfiguration], ...] = (
    Column("Webhooks", lambda c, _: len(c.webhooks), type="integer"),
    AGE,
)


def default(config: MutatingWebhookConfiguration) -> MutatingWebhookConfiguration:
    """The defaults of every webhook."""
    return within(config, webhooks=each(default_webhook))


def validate(new: MutatingWebhookConfiguration, old: MutatingWebhookConfiguration | None) -> Errors:
    """Webhooks that can be called, and say what for."""
    return check_webhooks(new.webhooks, () if old is None else old.webhooks)


MUTATINGWEBHOOKCONFIGURATION = declare(
    MutatingWebhookConfiguration, columns=COLUMNS, default=default, validate=validate
)
