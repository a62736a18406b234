"""ADMISSION: the plugins that run, in order."""

from __future__ import annotations

from wherry.apiserver.admission import (
    certificates,
    escalation,
    limits,
    namespace_lifecycle,
    nodes,
    pod_defaults,
    podcertificates,
    quota,
    service_account,
    services,
    storage,
    webhooks,
)
from wherry.apiserver.admission.plugin import Plugin
from wherry.apiserver.admission.podsecurity import plugin as podsecurity

ADMISSION: tuple[Plugin, ...] = (
    namespace_lifecycle.PLUGIN,
    *nodes.PLUGINS,
    limits.PLUGIN,
    service_account.PLUGIN,
    *podsecurity.PLUGINS,
    *pod_defaults.PLUGINS,
    *storage.PLUGINS,
    *certificates.PLUGINS,
    *podcertificates.PLUGINS,
    *escalation.PLUGINS,
    webhooks.MUTATING,
    webhooks.VALIDATING,
    services.PLUGIN,
    quota.PLUGIN,
)
"""Whoever is outside sees objects as the others leave them, and quota counts what all have let pass."""
