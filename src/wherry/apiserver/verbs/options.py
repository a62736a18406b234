"""ListOptions: what the query of a list or watch may say, and in which combinations. Pure.

https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from wherry.machinery.errors import BadRequest
from wherry.machinery.validation import FieldError, forbidden, not_supported, refuse

_UINT64 = 1 << 64
_MATCH = "resourceVersionMatch"


@dataclass(frozen=True, slots=True)
class ListOptions:
    """The query of a list or watch; a `limit` of 0 or less is none."""

    labels: str = ""
    fields: str = ""
    limit: int = 0
    token: str = ""
    revision: str = ""
    match: str = ""
    send_initial: bool | None = None
    bookmarks: bool = False
    timeout: int | None = None


def revision_of(text: str) -> int | None:
    """A resourceVersion parameter: None for absent, 0 for whatever there is. Raises BadRequest."""
    if not text:
        return None
    why = "" if text.isascii() and text.isdigit() else "invalid syntax"
    if not why and (len(text) > 100 or int(text) >= _UINT64):
        why = "value out of range"
    if why:
        raise BadRequest(
            f'invalid resource version: resourceVersion: Invalid value: "{text}": '
            f'strconv.ParseUint: parsing "{text}": {why}'
        )
    return int(text)


def check_list(options: ListOptions) -> None:
    """Raise Invalid when the options of a list contradict themselves."""
    errors = []
    match = options.match
    if match:
        if not options.revision:
            errors.append(forbidden(_MATCH, f"{_MATCH} is forbidden unless resourceVersion is provided"))
        if options.token:
            errors.append(forbidden(_MATCH, f"{_MATCH} is forbidden when continue is provided"))
        if match not in ("Exact", "NotOlderThan"):
            errors.append(not_supported(_MATCH, match, ("Exact", "NotOlderThan", "")))
        if match == "Exact" and options.revision == "0":
            errors.append(forbidden(_MATCH, f'{_MATCH} "exact" is forbidden for resourceVersion "0"'))
    if options.send_initial is not None:
        errors.append(forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    _refuse(errors)


def watch_options(options: ListOptions) -> ListOptions:
    """The options of a watch with what is meant when they say nothing: the initial events, when it begins nowhere in
    particular. Raises Invalid when they contradict themselves."""
    if options.send_initial is None and not options.match and options.revision in ("", "0"):
        options = replace(options, send_initial=True, match="NotOlderThan")
    errors = []
    match = options.match
    if options.send_initial is not None and match != "NotOlderThan":
        errors.append(forbidden(_MATCH, f"sendInitialEvents requires setting {_MATCH} to NotOlderThan"))
    if match:
        if options.send_initial is None:
            errors.append(forbidden(_MATCH, f"{_MATCH} is forbidden for watch unless sendInitialEvents is provided"))
        if match != "NotOlderThan":
            errors.append(not_supported(_MATCH, match, ("NotOlderThan",)))
        if options.token:
            errors.append(forbidden(_MATCH, f"{_MATCH} is forbidden when continue is provided"))
    _refuse(errors)
    return options


def _refuse(errors: Sequence[FieldError]) -> None:
    if errors:
        raise refuse("meta.k8s.io", "ListOptions", "", errors)
