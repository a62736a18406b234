"""Validation of device taints and of what tolerates them.

https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/#device-taints-and-tolerations
"""

from __future__ import annotations

from wherry.api.checks import Errors, label_name, named
from wherry.api.types.resource import DeviceTaint, DeviceToleration
from wherry.machinery.names import label_value
from wherry.machinery.validation import invalid, not_supported, required

EFFECTS = ("NoExecute", "NoSchedule", "None")
OPERATORS = ("Equal", "Exists")


def taint(path: str, own: DeviceTaint, old: DeviceTaint | None = None) -> Errors:
    """A key and an effect; an effect that stays is not judged again."""
    yield from label_name(f"{path}.key", own.key)
    if own.value:
        yield from named(f"{path}.value", own.value, label_value)
    if old is not None and old.effect == own.effect:
        return
    if not own.effect:
        yield required(f"{path}.effect")
    elif own.effect not in EFFECTS:
        yield not_supported(f"{path}.effect", own.effect, EFFECTS)


def toleration(path: str, own: DeviceToleration) -> Errors:
    """An operator, and a value where it compares."""
    if own.key:
        yield from label_name(f"{path}.key", own.key)
    if own.operator == "Exists":
        if own.value:
            yield invalid(f"{path}.value", own.value, "must be empty for operator `Exists`")
    elif own.operator == "Equal":
        yield from named(f"{path}.value", own.value, label_value)
    elif not own.operator:
        yield required(f"{path}.operator")
    else:
        yield not_supported(f"{path}.operator", own.operator, OPERATORS)
    if own.effect and own.effect not in EFFECTS:
        yield not_supported(f"{path}.effect", own.effect, EFFECTS)
