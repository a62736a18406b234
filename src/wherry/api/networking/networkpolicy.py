"""networking.k8s.io/v1 NetworkPolicy: what the API adds to its schema (`wherry.api.types.networking`)."""

from __future__ import annotations

from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.types.networking import NetworkPolicy
from wherry.machinery.resource import Column
from wherry.machinery.selectors import format_selector

COLUMNS: tuple[Column[NetworkPolicy], ...] = (
    Column("Pod-Selector", lambda p, _: format_selector(p.spec.pod_selector)),
    AGE,
)

NETWORKPOLICY = declare(NetworkPolicy, columns=COLUMNS)
