"""Validation of metav1.Condition lists, the same for every kind that has them.

https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md#typical-status-properties
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from wherry.api.checks import Errors, label_name
from wherry.machinery.meta import Condition
from wherry.machinery.validation import duplicate, invalid, not_supported, required, too_long

STATUSES = ("False", "True", "Unknown")
_REASON = "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?"
_REASON_RULE = (
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric "
    "characters or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or "
    f"'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is '{_REASON}')"
)
_fits = re.compile(_REASON, re.ASCII).fullmatch
_MAX_REASON = 1024
_MAX_MESSAGE = 32 * 1024


def conditions(path: str, items: Sequence[Condition]) -> Errors:
    """Complete conditions, each type once."""
    seen: set[str] = set()
    for index, own in enumerate(items):
        if own.type in seen:
            yield duplicate(f"{path}[{index}]", own.type)
        seen.add(own.type)
        yield from condition(f"{path}[{index}]", own)


def condition(path: str, own: Condition) -> Errors:
    """Type, status, time and reason, all given and well-formed."""
    if not own.type:
        yield required(f"{path}.type", "is required")
    else:
        yield from label_name(f"{path}.type", own.type)
    if not own.status:
        yield required(f"{path}.status")
    elif own.status not in STATUSES:
        yield not_supported(f"{path}.status", own.status, STATUSES)
    if (own.observed_generation or 0) < 0:
        yield invalid(f"{path}.observedGeneration", own.observed_generation, "must be greater than or equal to 0")
    if own.last_transition_time is None:
        yield required(f"{path}.lastTransitionTime")
    yield from _words(path, own)


def _words(path: str, own: Condition) -> Errors:
    if not own.reason:
        yield required(f"{path}.reason")
    else:
        if not _fits(own.reason):
            yield invalid(f"{path}.reason", own.reason, _REASON_RULE)
        if len(own.reason.encode()) > _MAX_REASON:
            yield too_long(f"{path}.reason", _MAX_REASON)
    if len(own.message.encode()) > _MAX_MESSAGE:
        yield too_long(f"{path}.message", _MAX_MESSAGE)
