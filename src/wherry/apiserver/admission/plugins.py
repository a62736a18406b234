"""ADMISSION: the plugins that run, in order."""

from __future__ import annotations

from wherry.apiserver.admission import (
    certificates,
    endpoint_addresses,
    escalation,
    event_rate_limit,
    external_ips,
    ingress_class,
    limits,
    mountable_secrets,
    namespace_lifecycle,
    node_restriction,
    nodes,
    pod_defaults,
    pod_resize,
    quota,
    runtime_class,
    service_account,
    services,
    storage,
    topology_labels,
    trust_bundles,
    webhooks,
)
from wherry.apiserver.admission.plugin import Plugin
from wherry.apiserver.admission.podsecurity import plugin as podsecurity
from wherry.apiserver.admission.policies import mutating, validating

ADMISSION: tuple[Plugin, ...] = (
    namespace_lifecycle.PLUGIN,
    event_rate_limit.PLUGIN,
    limits.PLUGIN,
    service_account.PLUGIN,
    *mountable_secrets.PLUGINS,
    node_restriction.PLUGIN,
    nodes.PLUGIN,
    *podsecurity.PLUGINS,
    *pod_defaults.PLUGINS,
    *storage.PLUGINS,
    runtime_class.PLUGIN,
    *certificates.PLUGINS,
    trust_bundles.PLUGIN,
    ingress_class.PLUGIN,
    external_ips.PLUGIN,
    endpoint_addresses.PLUGIN,
    topology_labels.PLUGIN,
    pod_resize.PLUGIN,
    *escalation.PLUGINS,
    mutating.PLUGIN,
    webhooks.MUTATING,
    validating.PLUGIN,
    webhooks.VALIDATING,
    services.PLUGIN,
    quota.PLUGIN,
)
"""Whoever is outside sees objects as the others leave them, and quota counts what all have let pass."""
