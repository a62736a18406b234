"""Names in resource.k8s.io: drivers, pools, devices, attributes; and lists of things that have names.

https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

from wherry.api.checks import Errors, named
from wherry.api.core.volume_validation import driver_name
from wherry.machinery.names import c_identifier, dns_label, dns_subdomain
from wherry.machinery.validation import duplicate, invalid, required, too_long, too_many

X = TypeVar("X")
Check = Callable[[str, X], Errors]

MAX_REQUESTS = 32
_MAX_POOL = 253
_MAX_ID = 32
_UUID = "must be a lowercase UUID in 8-4-4-4-12 format"
_HEX = frozenset("0123456789abcdef")
_DASHES = (8, 13, 18, 23)

REFERENCE = (
    "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"
)  # fmt: skip
FULL = "a fully qualified name must be a domain and a name separated by a slash"


def short_name(path: str, name: str) -> Errors:
    """A DNS label, of devices, requests and counters."""
    yield from named(path, name, dns_label)


def pool_name(path: str, name: str) -> Errors:
    """DNS subdomains separated by slashes."""
    if not name:
        yield required(path)
        return
    if len(name.encode()) > _MAX_POOL:
        yield too_long(path, _MAX_POOL)
    for part in name.split("/"):
        yield from named(path, part, dns_subdomain)


def uuid(path: str, value: str) -> Errors:
    """A UUID in lower case."""
    fits = len(value) == 36 and all(
        letter == "-" if index in _DASHES else letter in _HEX for index, letter in enumerate(value)
    )
    if not fits:
        yield invalid(path, value, _UUID)


def identifier(path: str, name: str) -> Errors:
    """A C identifier of at most 32 bytes."""
    if len(name.encode()) > _MAX_ID:
        yield too_long(path, _MAX_ID)
    yield from named(path, name, c_identifier)


def qualified_name(path: str, name: str) -> Errors:
    """`[domain/]identifier`: attributes and capacities."""
    parts = name.split("/")
    if len(parts) == 1:
        yield from identifier(path, parts[0])
    elif len(parts) == 2:
        domain, own = parts
        if domain:
            yield from driver_name(path, domain)
        else:
            yield invalid(path, "", "the domain must not be empty")
        if own:
            yield from identifier(path, own)
        else:
            yield invalid(path, "", "the name must not be empty")


def full_name(path: str, name: str) -> Errors:
    """`domain/identifier`."""
    yield from qualified_name(path, name)
    if "/" not in name:
        yield invalid(path, name, FULL)


def reference(path: str, name: str, known: Collection[str]) -> Errors:
    """A request, or a request and one of its alternatives: `known` holds both forms."""
    segments = name.split("/")
    if len(segments) > 2:
        yield invalid(path, name, REFERENCE)
        return
    for segment in segments:
        yield from short_name(path, segment)
    if name not in known:
        yield invalid(path, name, REFERENCE)


def references(path: str, items: Sequence[str], known: Collection[str]) -> Errors:
    """A set of such references."""
    yield from each_once(path, items, MAX_REQUESTS, lambda at, name: reference(at, name, known), lambda name: name)


# --- Lists ---


def each(path: str, items: Sequence[X], limit: int | None, check: Check[X]) -> Errors:
    """At most `limit` items, all well; nothing more is said about a list that is too long."""
    if limit is not None and len(items) > limit:
        yield too_many(path, len(items), limit)
        return
    for index, item in enumerate(items):
        yield from check(f"{path}[{index}]", item)


def each_once(
    path: str,
    items: Sequence[X],
    limit: int | None,
    check: Check[X],
    key: Callable[[X], object],
    *,
    show_key: bool = False,
) -> Errors:
    """The same, and no key twice: the item is shown that comes again, or its key."""
    yield from each(path, items, limit, check)
    if limit is not None and len(items) > limit:
        return
    seen: set[object] = set()
    for index, item in enumerate(items):
        own = key(item)
        if own in seen:
            yield duplicate(f"{path}[{index}]", own if show_key else item)
        seen.add(own)


def entries(
    path: str, items: Mapping[str, X], limit: int | None, check_key: Check[str], check: Check[X]
) -> Errors:  # fmt: skip
    """A map of at most `limit` entries, keys and values well."""
    if limit is not None and len(items) > limit:
        yield too_many(path, len(items), limit)
        return
    for key, item in items.items():
        yield from check_key(path, key)
        yield from check(f"{path}[{shortened(key)}]", item)


def shortened(text: str, limit: int = 96) -> str:
    """The text, with its middle left out where it is longer."""
    if len(text) <= limit:
        return text
    rest = limit - 3
    return f"{text[: (rest + 1) // 2]}...{text[len(text) - rest // 2 :]}"
