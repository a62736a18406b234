"""CEL over `device`: the type that selectors see, compiling them, and a device as their value.

`device.attributes["example.com"].name`: attributes and capacities by domain, the driver's own where none is written.
https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/#deviceclass
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wherry.api.types.resource import Device, DeviceAttribute

if TYPE_CHECKING:
    from wherry.machinery.cel.program import Program
    from wherry.machinery.cel.types import Type

COST_LIMIT = 1_000_000
"""What one selector may cost, estimated and in fact."""
_MOST = 32
_NAMED = re.compile(r"""\[\s*(?:"([^"\\]+)"|'([^'\\]+)')\s*\]""")


def _variables() -> Mapping[str, Type]:
    from wherry.machinery.cel.library.quantities import QUANTITY_TYPE
    from wherry.machinery.cel.types import BOOL, DYN, STRING, MapOf, ObjectType, bounded

    domain, name = bounded(STRING, max_elements=63, min_size=2), bounded(STRING, max_elements=32, min_size=2)
    values = MapOf(name, bounded(DYN, max_elements=64), max_items=_MOST)
    amounts = MapOf(name, QUANTITY_TYPE, max_items=_MOST)
    device = ObjectType(
        "kubernetes.DRADevice",
        {
            "driver": domain,
            "allowMultipleAllocations": bounded(BOOL, max_elements=1),
            "attributes": MapOf(domain, values, max_items=_MOST),
            "capacity": MapOf(domain, amounts, max_items=_MOST),
        },
    )
    return {"device": device}


def compile_selector(expression: str) -> Program:
    """The program of a selector. Raises CelError; its text is what clients see."""
    from wherry.machinery.cel.errors import CompileError, WrongResult
    from wherry.machinery.cel.program import compile_expression
    from wherry.machinery.cel.types import BOOL, DYN

    try:
        program = compile_expression(expression, _variables())
    except CompileError as error:
        raise CompileError(f"compilation failed: {error}") from None
    if program.result not in (BOOL, DYN):
        raise WrongResult(f"must evaluate to bool or the unknown type, not {program.result}")
    return program


def device_value(driver: str, device: Device, expression: str) -> dict[str, Any]:
    """The device as an expression sees it. Domains that the expression names are there, if only empty."""
    from wherry.machinery.cel.library.quantities import Amount
    from wherry.machinery.quantity import amount

    named = {one or other for one, other in _NAMED.findall(expression)}
    attributes: dict[str, dict[str, Any]] = {domain: {} for domain in named}
    capacity: dict[str, dict[str, Any]] = {domain: {} for domain in named}
    for name, attribute in device.attributes.items():
        domain, short = _split(name, driver)
        attributes.setdefault(domain, {})[short] = _value(attribute)
    for name, own in device.capacity.items():
        domain, short = _split(name, driver)
        capacity.setdefault(domain, {})[short] = Amount(amount(own.value))
    return {
        "driver": driver,
        "allowMultipleAllocations": bool(device.allow_multiple_allocations),
        "attributes": attributes,
        "capacity": capacity,
    }


def _split(name: str, driver: str) -> tuple[str, str]:
    domain, slash, short = name.partition("/")
    return (domain, short) if slash else (driver, name)


def _value(own: DeviceAttribute) -> Any:
    from wherry.machinery.cel.library.semver import parse_version

    if own.version is not None:
        return parse_version(own.version)
    return next((value for value in (own.bool_, own.int_, own.string) if value is not None), None)
