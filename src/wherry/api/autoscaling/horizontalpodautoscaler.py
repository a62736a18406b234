"""autoscaling/v2 HorizontalPodAutoscaler: what the API adds to its schema (`wherry.api.types.autoscaling_v2`)."""

from __future__ import annotations

from wherry.api.declare import declare
from wherry.api.types.autoscaling_v2 import HorizontalPodAutoscaler

HORIZONTALPODAUTOSCALER = declare(HorizontalPodAutoscaler)
