"""v1 LimitRange: what the API adds to its schema (`wherry.api.types.core`)."""

from __future__ import annotations

from msgspec.structs import replace

from wherry.api.declare import declare
from wherry.api.defaulting import each, within
from wherry.api.types.core import LimitRange, LimitRangeItem


def _default_item(item: LimitRangeItem) -> LimitRangeItem:
    if item.type != "Container":
        return item
    default_limits = {**item.max, **item.default}
    return replace(item, default=default_limits, default_request={**item.min, **default_limits, **item.default_request})


def default(limits: LimitRange) -> LimitRange:
    """Defaults of containers follow from their maxima, their default requests from default limits, then minima."""
    return within(limits, spec=lambda spec: within(spec, limits=each(_default_item)))


LIMITRANGE = declare(LimitRange, default=default)
