"""Device selectors: CEL expressions over `device`, compiled once, and what they say of a device.

An expression that cannot be evaluated for a device (an attribute that it lacks) does not choose it.
https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/#deviceclass
"""

from __future__ import annotations

from functools import lru_cache

from wherry.api.resource.device_expressions import COST_LIMIT, compile_selector, device_value
from wherry.machinery.cel.budget import Budget
from wherry.machinery.cel.errors import CelError
from wherry.machinery.cel.program import Program
from wherry.scheduler.devices import Offer


@lru_cache(maxsize=512)
def _program(expression: str) -> Program | None:
    try:
        return compile_selector(expression)
    except CelError:
        return None


def fits(expression: str, offer: Offer) -> bool:
    """Whether the expression chooses the device."""
    program = _program(expression)
    if program is None:
        return False
    bindings = {"device": device_value(offer.id.driver, offer.device, expression)}
    try:
        return program.evaluate(bindings, Budget(COST_LIMIT, call_limit=COST_LIMIT)) is True
    except CelError:
        return False
