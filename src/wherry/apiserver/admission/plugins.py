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
)
from wherry.apiserver.admission.plugin import Plugin

ADMISSION: tuple[Plugin, ...] = (
    namespace_lifecycle.PLUGIN,
    *nodes.PLUGINS,
    limits.PLUGIN,
    service_account.PLUGIN,
    *pod_defaults.PLUGINS,
    *storage.PLUGINS,
    *certificates.PLUGINS,
    *podcertificates.PLUGINS,
    *escalation.PLUGINS,
    services.PLUGIN,
    quota.PLUGIN,
)
"""Services are last among those that change objects: their reservations are for an object that nobody changes again."""
