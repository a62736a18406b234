"""Validation of CEL expressions that choose devices.

https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/#deviceclass
"""

from __future__ import annotations

from wherry.api.checks import Errors
from wherry.api.resource.device_expressions import COST_LIMIT, compile_selector
from wherry.api.resource.name_validation import each
from wherry.api.types.resource import DeviceSelector
from wherry.machinery.cel.errors import CelError
from wherry.machinery.validation import forbidden, invalid, required, too_long

MAX_SELECTORS = 32
_MAX_EXPRESSION = 10 * 1024


def selectors(path: str, items: tuple[DeviceSelector, ...]) -> Errors:
    """Expressions that a device must all satisfy."""
    yield from each(path, items, MAX_SELECTORS, _selector)


def _selector(path: str, own: DeviceSelector) -> Errors:
    if own.cel is None:
        yield required(f"{path}.cel")
        return
    at, text = f"{path}.cel.expression", own.cel.expression
    if len(text.encode()) > _MAX_EXPRESSION:
        yield too_long(at, _MAX_EXPRESSION)
        return
    try:
        program = compile_selector(text)
    except CelError as error:
        yield invalid(at, text, str(error))
        return
    if program.estimate().most > COST_LIMIT:
        yield forbidden(at, "too complex, exceeds cost limit")
