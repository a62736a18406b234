"""Validation of a device's capacity and of the policy by which shares of it may be asked for.

https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/#consumable-capacity
"""

from __future__ import annotations

from fractions import Fraction

from wherry.api.checks import Errors
from wherry.api.resource.name_validation import each_once
from wherry.api.types.resource import CapacityRequestPolicy, CapacityRequestPolicyRange, DeviceCapacity
from wherry.machinery.quantity import Quantity, amount, compare, total
from wherry.machinery.validation import forbidden, invalid, required

_MAX_OPTIONS = 10
_MOST = 2**63 - 1
_TWO_POLICIES = (
    'exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time'
)  # fmt: skip


def single_capacity(path: str, own: DeviceCapacity) -> Errors:
    """Of a device that only one may have: all or nothing."""
    if own.request_policy is not None:
        yield forbidden(f"{path}.requestPolicy", "allowMultipleAllocations must be true")


def multiple_capacity(path: str, own: DeviceCapacity) -> Errors:
    """Of a device that several share."""
    policy = own.request_policy
    if policy is None:
        return
    at = f"{path}.requestPolicy"
    if policy.valid_values and policy.valid_range is not None:
        yield forbidden(at, _TWO_POLICIES)
    elif policy.valid_values:
        if policy.default is None:
            yield required(f"{at}.default", "required when validValues is defined")
        else:
            yield from _values(f"{at}.validValues", policy.default, policy, own.value)
    elif policy.valid_range is not None:
        if policy.default is None:
            yield required(f"{at}.default", "required when validRange is defined")
        else:
            yield from _range(f"{at}.validRange", policy.default, policy.valid_range, own.value)


def _values(path: str, default: Quantity, policy: CapacityRequestPolicy, most: Quantity) -> Errors:
    options = policy.valid_values
    for index in range(1, len(options)):
        if compare(options[index - 1], options[index]) > 0:
            yield invalid(f"{path}[{index}]", options[index], "values must be sorted in ascending order")

    def option(at: str, value: Quantity) -> Errors:
        if compare(value, most) > 0:
            yield invalid(at, value, f"option is larger than capacity value: {most}")

    yield from each_once(path, options, _MAX_OPTIONS, option, lambda value: str(amount(value)), show_key=True)
    if not any(compare(value, default) == 0 for value in options):
        yield invalid(path, default, "default value is not valid according to the requestPolicy")


def _range(path: str, default: Quantity, own: CapacityRequestPolicyRange, most: Quantity) -> Errors:
    if own.min is None:
        yield required(f"{path}.min", "required when validRange is defined")
        return
    if compare(own.min, most) > 0:
        yield invalid(f"{path}.min", own.min, f"min is larger than capacity value: {most}")
    if compare(default, own.min) < 0:
        yield invalid(f"{path}.default", default, f"default is less than min: {own.min}")
    if own.max is not None:
        yield from _maximum(path, default, own.min, own.max, most)
    fractional = any(_is_fraction(value) for value in (default, own.min, own.max, own.step))
    unsafe = list(_unsafe(path, default, own, fractional=fractional)) if fractional or own.step is not None else []
    if fractional and unsafe:
        yield from unsafe
    elif own.step is not None and compare(own.step, "0") <= 0:
        yield invalid(f"{path}.step", own.step, "must be greater than zero")
    elif own.step is not None:
        reached = total((own.min, own.step))
        if compare(reached, most) > 0:
            yield invalid(f"{path}.step", own.step, f"one step {reached} is larger than capacity value: {most}")
        yield from unsafe or _steps(f"{path}.step", default, own)


def _maximum(path: str, default: Quantity, least: Quantity, highest: Quantity, most: Quantity) -> Errors:
    if compare(least, highest) > 0:
        yield invalid(f"{path}.max", least, f"min is larger than max: {highest}")
    if compare(highest, most) > 0:
        yield invalid(f"{path}.max", highest, f"max is larger than capacity value: {most}")
    if compare(default, highest) > 0:
        yield invalid(f"{path}.default", default, f"default is more than max: {highest}")


def _is_fraction(value: Quantity | None) -> bool:
    return value is not None and isinstance(amount(value), Fraction)


def _unsafe(path: str, default: Quantity, own: CapacityRequestPolicyRange, *, fractional: bool) -> Errors:
    for name, value in (("default", default), ("min", own.min), ("max", own.max), ("step", own.step)):
        if value is None:
            continue
        if fractional:
            if isinstance(amount(value) * 1000, Fraction) and (amount(value) * 1000).denominator != 1:
                yield invalid(f"{path}.{name}", value, "value cannot be represented as a milli value")
        elif amount(value) < 0:
            yield invalid(f"{path}.{name}", value, "must be greater than or equal to 0")
        elif amount(value) > _MOST:
            yield invalid(f"{path}.{name}", value, f"must not be larger than {_MOST}")


def _steps(path: str, default: Quantity, own: CapacityRequestPolicyRange) -> Errors:
    assert own.min is not None
    assert own.step is not None
    for value in (default, own.max):
        if value is not None and (amount(value) - amount(own.min)) % amount(own.step):
            yield invalid(path, value, f"value is not a multiple of a given step ({own.step}) from ({own.min})")
