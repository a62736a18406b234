"""apps/v1 DaemonSet: what the API adds to its schema (`wherry.api.types.apps`)."""

from __future__ import annotations

from wherry.api.declare import declare
from wherry.api.types.apps import DaemonSet

DAEMONSET = declare(DaemonSet)
