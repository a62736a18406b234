"""flowcontrol.apiserver.k8s.io/v1 PriorityLevelConfiguration: what the API adds to its schema."""

from __future__ import annotations

from wherry.api.declare import declare
from wherry.api.types.flowcontrol import PriorityLevelConfiguration

PRIORITYLEVELCONFIGURATION = declare(PriorityLevelConfiguration)
