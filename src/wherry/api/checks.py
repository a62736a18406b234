"""Small checks that validators share. Each yields the refused fields in upstream's words; nothing when all is well."""

from __future__ import annotations

import ipaddress
import json
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from wherry.machinery.meta import LabelSelector, LabelSelectorRequirement
from wherry.machinery.names import dns_label, dns_subdomain, label_key, label_value, port_name, port_number
from wherry.machinery.validation import FieldError, duplicate, forbidden, invalid, required, show

Errors = Iterator[FieldError]

NOT_NEGATIVE = "must be greater than or equal to 0"
POSITIVE = "must be greater than zero"
IMMUTABLE = "field is immutable"
FILE_MODE = "must be a number between 0 and 0777 (octal), both inclusive"


# --- Values ---


def nonnegative(path: str, value: int | None) -> Errors:
    """0 or more, if set."""
    if value is not None and value < 0:
        yield invalid(path, value, NOT_NEGATIVE)


def positive(path: str, value: int | None) -> Errors:
    """1 or more, if set."""
    if value is not None and value <= 0:
        yield invalid(path, value, POSITIVE)


def immutable(path: str, new: object, old: object) -> Errors:
    """The same as before."""
    if new != old:
        yield invalid(path, new, IMMUTABLE)


def fixed(path: str, new: object, old: object) -> Errors:
    """The same as before, where the rule is one of the schema's: the value is not shown."""
    if new != old:
        yield invalid(path, None, IMMUTABLE)


def named(path: str, value: str, check: Callable[[str], list[str]]) -> Errors:
    """One error for each problem that a check of `wherry.machinery.names` finds."""
    for problem in check(value):
        yield invalid(path, value, problem)


def required_name(path: str, value: str, check: Callable[[str], list[str]]) -> Errors:
    """The same for a name that must be there."""
    if value:
        yield from named(path, value, check)
    else:
        yield required(path)


def numbered(path: str, value: int, check: Callable[[int], list[str]]) -> Errors:
    """One error for each problem that a check of a number finds."""
    for problem in check(value):
        yield invalid(path, value, problem)


def unsupported(path: str, value: object, allowed: Sequence[str]) -> FieldError:
    """The value is none of these; they are listed as given."""
    listed = ", ".join(json.dumps(item) for item in allowed)
    return FieldError(path, "FieldValueNotSupported", f"Unsupported value: {show(value)}: supported values: {listed}")


def one_of(path: str, value: str | None, allowed: Sequence[str]) -> Errors:
    """One of these; an empty text is missing, None is fine."""
    if value == "":
        yield required(path)
    elif value is not None and value not in allowed:
        yield unsupported(path, value, allowed)


def unique(path: str, values: Iterable[str], field: str = "") -> Errors:
    """No value twice; `field` names the part of each item that holds it (".name")."""
    seen: set[str] = set()
    for index, value in enumerate(values):
        if value in seen:
            yield duplicate(f"{path}[{index}]{field}", value)
        seen.add(value)


def port(path: str, value: int | str | None) -> Errors:
    """A port's number or name."""
    if isinstance(value, str):
        yield from named(path, value, port_name)
    else:
        yield from numbered(path, value or 0, port_number)


def file_mode(path: str, mode: int | None) -> Errors:
    """Permission bits of a file, if set."""
    if mode is not None and not 0 <= mode <= 0o777:
        yield invalid(path, mode, FILE_MODE)


def user_id(path: str, value: int | None) -> Errors:
    """A numeric user or group, if set."""
    if value is not None and not 0 <= value <= 2**31 - 1:
        yield invalid(path, value, f"must be between 0 and {2**31 - 1}, inclusive")


# --- Paths ---


def no_backsteps(path: str, target: str) -> Errors:
    """No `..` in it."""
    if ".." in target.split("/"):
        yield invalid(path, target, "must not contain '..'")


def descending(path: str, target: str) -> Errors:
    """A relative path that stays inside."""
    if posixpath.isabs(target):
        yield invalid(path, target, "must be a relative path")
    yield from no_backsteps(path, target)


def file_inside(path: str, target: str) -> Errors:
    """The same, and no name that the kubelet keeps for itself."""
    yield from descending(path, target)
    if target.startswith("..") and not target.startswith("../"):
        yield invalid(path, target, "must not start with '..'")


# --- Addresses ---


def parsed_ip(value: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address, or None where it is none."""
    try:
        return ipaddress.ip_address(value)
    except ValueError:
        return None


def ip(path: str, value: str) -> Errors:
    """An IP address without leading zeros, not IPv4 inside IPv6."""
    found = parsed_ip(value)
    if found is None:
        yield invalid(path, value, _why_no_ip(value))
    elif isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        yield invalid(path, value, "must not be an IPv4-mapped IPv6 address")


def _why_no_ip(value: str) -> str:
    parts = value.split(".")
    zeros = len(parts) == 4 and all(part.isascii() and part.isdigit() and int(part) < 256 for part in parts)
    return "must not have leading 0s" if zeros else "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"


def cidr(path: str, value: str) -> Errors:
    """A network with no bits beyond its prefix."""
    _, slash, bits = value.partition("/")
    try:
        if not slash or not bits.isdigit() or not bits.isascii():
            raise ValueError
        found = ipaddress.ip_interface(value)
    except ValueError:
        yield invalid(path, value, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")
        return
    if bits != str(int(bits)):
        yield invalid(path, value, "must not have leading 0s in IP or prefix length")
    elif isinstance(found, ipaddress.IPv6Interface) and found.ip.ipv4_mapped is not None:
        yield invalid(path, value, "must not have an IPv4-mapped IPv6 address")
    elif found.ip != found.network.network_address:
        yield invalid(path, value, "must not have bits set beyond the prefix length")


# --- Labels ---


def label_name(path: str, key: str) -> Errors:
    """A label's key."""
    yield from named(path, key, label_key)


def label_map(path: str, pairs: Mapping[str, str]) -> Errors:
    """A map of labels."""
    for key, value in pairs.items():
        yield from named(path, key, label_key)
        yield from named(path, value, label_value)


def annotation_map(path: str, pairs: Mapping[str, str]) -> Errors:
    """A map of annotations: their keys (in any case) and their size."""
    for key in pairs:
        for problem in label_key(key.lower()):
            yield invalid(path, key, problem)
    if sum(len(key.encode()) + len(value.encode()) for key, value in pairs.items()) > 256 * 1024:
        yield FieldError(path, "FieldValueTooLong", f"Too long: may not be more than {256 * 1024} bytes")


def selector(path: str, selector: LabelSelector | None) -> Errors:
    """A label selector."""
    if selector is None:
        return
    yield from label_map(f"{path}.matchLabels", selector.match_labels)
    for index, term in enumerate(selector.match_expressions):
        yield from _requirement(f"{path}.matchExpressions[{index}]", term)


def _requirement(path: str, term: LabelSelectorRequirement) -> Errors:
    if term.operator in ("In", "NotIn"):
        if not term.values:
            yield required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    elif term.operator in ("Exists", "DoesNotExist"):
        if term.values:
            yield forbidden(f"{path}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
    else:
        yield invalid(f"{path}.operator", term.operator, "not a valid selector operator")
    yield from label_name(f"{path}.key", term.key)
    for index, value in enumerate(term.values):
        yield from named(f"{path}.values[{index}]", value, label_value)


# --- References ---


def local_name(path: str, name: str) -> Errors:
    """The name of an object in the same namespace."""
    yield from required_name(path, name, dns_subdomain)


def namespaced_name(path: str, name: str, namespace: str) -> Errors:
    """Name and namespace of an object, both needed."""
    yield from required_name(f"{path}.name", name, dns_subdomain)
    yield from required_name(f"{path}.namespace", namespace, dns_label)
