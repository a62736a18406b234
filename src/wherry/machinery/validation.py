"""Field errors: validators yield them; the API server turns them into one 422 Status.

Wording follows k8s.io/apimachinery `field.Error` as clients see it: "spec.replicas: Invalid value: -1: must be ...".
A path is a plain string: `spec.containers[0].name`, map keys as `metadata.labels[app]`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from wherry.machinery.errors import Cause, Invalid


class FieldError(NamedTuple):
    """One refused field. `reason` is a metav1.CauseType; `message` is what follows the path."""

    path: str
    reason: str  # FieldValueRequired | FieldValueInvalid | FieldValueForbidden | FieldValueNotSupported | ...
    message: str


def required(path: str, why: str = "") -> FieldError:
    """The field must be set."""
    return FieldError(path, "FieldValueRequired", f"Required value: {why}" if why else "Required value")


def invalid(path: str, value: object, why: str) -> FieldError:
    """The field has a value that is refused, because `why`."""
    return FieldError(path, "FieldValueInvalid", f"Invalid value: {show(value)}" + (f": {why}" if why else ""))


def forbidden(path: str, why: str = "") -> FieldError:
    """The field must not be set (here, or now)."""
    return FieldError(path, "FieldValueForbidden", f"Forbidden: {why}" if why else "Forbidden")


def duplicate(path: str, value: object) -> FieldError:
    """The value occurs twice where it must be unique."""
    return FieldError(path, "FieldValueDuplicate", f"Duplicate value: {show(value)}")


def not_found(path: str, value: object) -> FieldError:
    """The value refers to something that is not there."""
    return FieldError(path, "FieldValueNotFound", f"Not found: {show(value)}")


def not_supported(path: str, value: object, supported: Iterable[str]) -> FieldError:
    """The value is not one of the allowed ones."""
    allowed = ", ".join(json.dumps(s) for s in sorted(supported))
    return FieldError(path, "FieldValueNotSupported", f"Unsupported value: {show(value)}: supported values: {allowed}")


def too_long(path: str, limit: int) -> FieldError:
    """The value is longer than `limit` bytes."""
    return FieldError(path, "FieldValueTooLong", f"Too long: may not be more than {limit} bytes")


def too_many(path: str, count: int, limit: int) -> FieldError:
    """The list has more than `limit` items."""
    return FieldError(path, "FieldValueTooMany", f"Too many: {count}: must have at most {limit} items")


def show(value: object) -> str:
    """A value as Kubernetes prints it in messages: strings quoted, objects as JSON, null for nothing."""
    if isinstance(value, str):
        return json.dumps(str(value), ensure_ascii=False)
    if value is None or isinstance(value, (bool, int, float)):
        return json.dumps(value)
    builtins: Any = msgspec.to_builtins(value, enc_hook=str, order="deterministic")
    return json.dumps(builtins, separators=(",", ":"), ensure_ascii=False)


def refuse(group: str, kind: str, name: str, errors: Sequence[FieldError]) -> Invalid:
    """The 422 Status for these errors: `Deployment.apps "web" is invalid: spec.x: Required value`."""
    errors = tuple(dict.fromkeys(errors))  # nothing is said twice
    parts = [f"{e.path}: {e.message}" for e in errors]
    summary = parts[0] if len(parts) == 1 else f"[{', '.join(parts)}]"
    details = {"name": name, "kind": kind} | ({"group": group} if group else {})
    qualified = f"{kind}.{group}" if group else kind
    return Invalid(
        f'{qualified} "{name}" is invalid: {summary}',
        details=details,
        causes=[Cause(e.reason, e.message, e.path) for e in errors],
    )
