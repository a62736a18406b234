"""autoscaling/v1 HorizontalPodAutoscaler: what the API adds to its schema (`wherry.api.types.autoscaling`)."""

from __future__ import annotations

from wherry.api.declare import declare
from wherry.api.types.autoscaling import HorizontalPodAutoscaler

HORIZONTALPODAUTOSCALER_V1 = declare(HorizontalPodAutoscaler)
