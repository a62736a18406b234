"""node.k8s.io/v1 RuntimeClass: what the API adds to its schema (`wherry.api.types.node`)."""

from __future__ import annotations

from wherry.api.declare import declare
from wherry.api.types.node import RuntimeClass

RUNTIMECLASS = declare(RuntimeClass)
