"""admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration: what the API adds to its schema."""

from __future__ import annotations

from wherry.api.admissionregistration.webhooks import check_webhooks, default_webhook
from wherry.api.checks import Errors
from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.defaulting import each, within
from wherry.api.types.admissionregistration import ValidatingWebhookConfiguration
from wherry.machinery.resource import Column

COLUMNS: tuple[Column[ValidatingWebhookConfiguration], ...] = (
    Column("Webhooks", lambda c, _: len(c.webhooks), type="integer"),
    AGE,
)


def default(config: ValidatingWebhookConfiguration) -> ValidatingWebhookConfiguration:
    """The defaults of every webhook."""
    return within(config, webhooks=each(default_webhook))


def validate(new: ValidatingWebhookConfiguration, old: ValidatingWebhookConfiguration | None) -> Errors:
    """Webhooks that can be called, and say what for."""
    return check_webhooks(new.webhooks, () if old is None else old.webhooks)


VALIDATINGWEBHOOKCONFIGURATION = declare(
    ValidatingWebhookConfiguration, columns=COLUMNS, default=default, validate=validate
)
