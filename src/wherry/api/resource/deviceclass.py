"""resource.k8s.io/v1 DeviceClass: what the API adds to its schema (`wherry.api.types.resource`)."""

from __future__ import annotations

from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.types.resource import DeviceClass

DEVICECLASS = declare(DeviceClass, columns=(AGE,))
