"""v1 LimitRange: what the API adds to its schema (`wherry.api.types.core`)."""

from __future__ import annotations

from msgspec.structs import replace

from wherry.api.checks import Errors, unique
from wherry.api.core.resource_validation import container_resource, resource_name
from wherry.api.declare import declare
from wherry.api.defaulting import each, within
from wherry.api.types.core import LimitRange, LimitRangeItem
from wherry.machinery.names import qualified_name
from wherry.machinery.quantity import amount as amount_of
from wherry.machinery.quantity import compare
from wherry.machinery.validation import forbidden, invalid, required


def _default_item(item: LimitRangeItem) -> LimitRangeItem:
    if item.type != "Container":
        return item
    default_limits = {**item.max, **item.default}
    return replace(item, default=default_limits, default_request={**item.min, **default_limits, **item.default_request})


def default(limits: LimitRange) -> LimitRange:
    """Defaults of containers follow from their maxima, their default requests from default limits, then minima."""
    return within(limits, spec=lambda spec: within(spec, limits=each(_default_item)))


TYPES = ("Container", "PersistentVolumeClaim", "Pod")


def validate(new: LimitRange, old: LimitRange | None) -> Errors:
    """Limits that leave something possible, one item for each type."""
    yield from unique("spec.limits", (item.type for item in new.spec.limits), ".type")
    for index, item in enumerate(new.spec.limits):
        at = f"spec.limits[{index}]"
        if problems := qualified_name(item.type):
            yield from (invalid(f"{at}.type", item.type, problem) for problem in problems)
        elif "/" not in item.type and item.type not in TYPES:
            yield invalid(f"{at}.type", item.type, "must be a standard limit type or fully qualified")
        yield from _names(at, item)
        if item.type == "PersistentVolumeClaim" and "storage" not in {**item.min, **item.max}:
            why = "either minimum or maximum storage value is required, but neither was provided"
            yield required(f"{at}.limits", why)
        for name in sorted({**item.min, **item.max, **item.default, **item.default_request}):
            yield from _order(at, name, item)
        yield from _ratios(at, item)


def _names(path: str, item: LimitRangeItem) -> Errors:
    check = container_resource if item.type in ("Pod", "Container") else resource_name
    for field, amounts in (
        ("max", item.max),
        ("min", item.min),
        ("default", item.default),
        ("defaultRequest", item.default_request),
        ("maxLimitRequestRatio", item.max_limit_request_ratio),
    ):
        if item.type == "Pod" and field.startswith("default") and amounts:
            yield forbidden(f"{path}.{field}", "may not be specified when `type` is 'Pod'")
            continue
        for name in amounts:
            yield from check(f"{path}.{field}[{name}]", name)


def _order(path: str, name: str, item: LimitRangeItem) -> Errors:
    """min <= default request <= default limit <= max, for each that is there."""
    low, high = item.min.get(name), item.max.get(name)
    limit, request = (None, None) if item.type == "Pod" else (item.default.get(name), item.default_request.get(name))
    for field, shown, (word, less), (other, more) in (
        ("min", low, ("min", low), ("max", high)),
        ("defaultRequest", request, ("min", low), ("default request", request)),
        ("defaultRequest", request, ("default request", request), ("max", high)),
        ("defaultRequest", request, ("default request", request), ("default limit", limit)),
        ("default", low, ("min", low), ("default", limit)),
        ("default", high, ("default", limit), ("max", high)),
    ):
        if less is not None and more is not None and compare(less, more) > 0:
            yield invalid(f"{path}.{field}[{name}]", shown, f"{word} value {less} is greater than {other} value {more}")


def _ratios(path: str, item: LimitRangeItem) -> Errors:
    for name, ratio in item.max_limit_request_ratio.items():
        at = f"{path}.maxLimitRequestRatio[{name}]"
        if compare(ratio, "1") < 0:
            yield invalid(at, ratio, f"ratio {ratio} is less than 1")
        low, high = item.min.get(name), item.max.get(name)
        if (
            low is not None
            and high is not None
            and amount_of(low)
            and amount_of(ratio) > amount_of(high) / amount_of(low)
        ):
            bound = float(amount_of(high) / amount_of(low))
            yield invalid(at, ratio, f"ratio {ratio} is greater than max/min = {bound:f}")


LIMITRANGE = declare(LimitRange, default=default, validate=validate)
