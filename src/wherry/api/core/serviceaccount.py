"""v1 ServiceAccount: what the API adds to its schema (`wherry.api.types.core`)."""

from __future__ import annotations

from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.types.core import ServiceAccount

SERVICEACCOUNT = declare(ServiceAccount, columns=(AGE,))
