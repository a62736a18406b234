"""CEL over devices: what selectors choose."""

from __future__ import annotations

import pytest

from wherry.api.resource.device_expressions import compile_selector
from wherry.api.types.resource import Device, DeviceAttribute, DeviceCapacity
from wherry.machinery.cel.errors import CelError
from wherry.machinery.quantity import Quantity
from wherry.scheduler.device_selectors import fits
from wherry.scheduler.devices import DeviceId, Offer

DEVICE = Device(
    name="gpu-0",
    attributes={
        "model": DeviceAttribute(string="A1"),
        "cores": DeviceAttribute(int_=8),
        "other.example.com/fast": DeviceAttribute(bool_=True),
        "firmware": DeviceAttribute(version="1.10.0"),
    },
    capacity={"memory": DeviceCapacity(value=Quantity("8Gi"))},
)
OFFER = Offer(DeviceId("d.example.com", "n1", "gpu-0"), DEVICE, (), "n1", None)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("device.driver == 'd.example.com'", True),
        ("device.attributes['d.example.com'].model == 'A1'", True),
        ("device.attributes['d.example.com'].cores > 8", False),
        ("device.attributes['other.example.com'].fast", True),
        ("device.attributes['d.example.com'].firmware.isGreaterThan(semver('1.9.0'))", True),
        ("device.capacity['d.example.com'].memory.compareTo(quantity('8Gi')) >= 0", True),
        ("device.allowMultipleAllocations", False),
        ("'fast' in device.attributes['unknown.example.com']", False),
        ("!has(device.attributes['unknown.example.com'].fast)", True),
        ("device.attributes['d.example.com'].colour == 'red'", False),
        ("device.attributes['d.example.com'].cores", False),
    ],
)
def test_what_an_expression_chooses(expression: str, *, expected: bool) -> None:
    compile_selector(expression)
    assert fits(expression, OFFER) == expected


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("1 + 1", "must evaluate to bool or the unknown type, not int"),
        ("device.name == 'a'", "compilation failed: ERROR: <input>:1:7: undefined field 'name'\n"),
    ],
)
def test_what_is_no_selector(expression: str, why: str) -> None:
    with pytest.raises(CelError) as caught:
        compile_selector(expression)
    assert str(caught.value).startswith(why)
    assert not fits(expression, OFFER)
