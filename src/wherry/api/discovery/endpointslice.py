"""discovery.k8s.io/v1 EndpointSlice: what the API adds to its schema (`wherry.api.types.discovery`)."""

from __future__ import annotations

from wherry.api.declare import declare
from wherry.api.types.discovery import EndpointSlice

ENDPOINTSLICE = declare(EndpointSlice)
