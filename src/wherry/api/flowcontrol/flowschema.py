"""flowcontrol.apiserver.k8s.io/v1 FlowSchema: what the API adds to its schema (`wherry.api.types.flowcontrol`)."""

from __future__ import annotations

from wherry.api.declare import declare
from wherry.api.types.flowcontrol import FlowSchema

FLOWSCHEMA = declare(FlowSchema)
