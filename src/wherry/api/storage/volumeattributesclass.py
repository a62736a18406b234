"""storage.k8s.io/v1 VolumeAttributesClass: what the API adds to its schema (`wherry.api.types.storage`)."""

from __future__ import annotations

from wherry.api.declare import declare
from wherry.api.types.storage import VolumeAttributesClass

VOLUMEATTRIBUTESCLASS = declare(VolumeAttributesClass)
