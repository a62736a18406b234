"""Formats: what `format` of a string schema asks for, as upstream checks it. Unknown formats ask for nothing.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

from wherry.machinery import names

_UUID = r"(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?%s[0-9a-f]{3}-?%s[0-9a-f]{3}-?[0-9a-f]{12}$"
_HOST = r"(?:[a-zA-Z0-9\u00a1-\uffff](?:[a-zA-Z0-9\u00a1-\uffff-]{0,61}[a-zA-Z0-9\u00a1-\uffff])?)"
_DATE = r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
_TIME = r"(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?(?:[zZ]|[+-](?:[01]\d|2[0-3]):?[0-5]\d)"
_UNITS = "ns|us|µs|μs|ms|s|m|h|d|w|nanoseconds?|microseconds?|milliseconds?|seconds?|minutes?|hours?|days?|weeks?"
_GO = r"[+-]?(?:0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)"


def _like(pattern: str) -> Callable[[str], bool]:
    found = re.compile(pattern)
    return lambda text: found.search(text) is not None


def _address(kind: type[ipaddress.IPv4Address | ipaddress.IPv6Address]) -> Callable[[str], bool]:
    def fits(text: str) -> bool:
        try:
            kind(text)
        except ValueError:
            return False
        return "%" not in text

    return fits


def _cidr(text: str) -> bool:
    try:
        ipaddress.ip_interface(text)
    except ValueError:
        return False
    return re.search(r"/\d+$", text) is not None


def _base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _uri(text: str) -> bool:
    """As Go's url.ParseRequestURI: absolute, or a path from the root."""
    if not text or any(ord(c) < 0x21 or ord(c) == 0x7F for c in text) or re.search(r"%(?![0-9a-fA-F]{2})", text):
        return False
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    return text.startswith("/") or bool(parts.scheme)


def _email(text: str) -> bool:
    found = re.fullmatch(r"(?:[^<>\"]*<)?([^\s@<>,;:\"]+)@([^\s@<>,;:\"]+)>?", text.strip())
    return found is not None and text.count("<") == text.count(">") and ".." not in found[1]


def _hostname(text: str) -> bool:
    return len(text) <= 255 and re.fullmatch(rf"{_HOST}(?:\.{_HOST})*\.?", text) is not None


def _isbn10(text: str) -> bool:
    digits = re.sub(r"[\s-]", "", text)
    if re.fullmatch(r"\d{9}[\dX]", digits) is None:
        return False
    total = sum((i + 1) * int(c) for i, c in enumerate(digits[:9]))
    return (total + 10 * (10 if digits[9] == "X" else int(digits[9]))) % 11 == 0


def _isbn13(text: str) -> bool:
    digits = re.sub(r"[\s-]", "", text)
    if re.fullmatch(r"\d{13}", digits) is None:
        return False
    return (10 - sum((1, 3)[i % 2] * int(c) for i, c in enumerate(digits[:12])) % 10) % 10 == int(digits[12])


def _luhn(text: str) -> bool:
    digits = re.sub(r"\D", "", text)
    known = (
        r"^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}|"
        r"3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35\d{3})\d{11})$"
    )
    if re.search(known, digits) is None:
        return False
    doubled = [int(c) * (1 + i % 2) for i, c in enumerate(reversed(digits))]
    return sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


_BYTE = r"(?:0|[1-9]\d?|1\d\d|2[0-4]\d|25[0-5])"
_PERCENT = r"(?:0|[1-9]\d?|1\d\d|2[0-4]\d|25[0-5])%"

_RGB = rf"^rgb\(\s*(?:{_BYTE}(?:\s*,\s*{_BYTE}){{2}}|{_PERCENT}(?:\s*,\s*{_PERCENT}){{2}})\s*\)$"
_MAC = r"^(?:[0-9a-fA-F]{2}([:-])(?:[0-9a-fA-F]{2}\1){4}[0-9a-fA-F]{2}|(?:[0-9a-fA-F]{4}\.){2}[0-9a-fA-F]{4})$"

_FORMATS: Final[Mapping[str, Callable[[str], bool]]] = {
    "bsonobjectid": _like(r"^[0-9a-fA-F]{24}$"),
    "uri": _uri,
    "email": _email,
    "hostname": _hostname,
    "ipv4": _address(ipaddress.IPv4Address),
    "ipv6": _address(ipaddress.IPv6Address),
    "cidr": _cidr,
    "mac": _like(_MAC),
    "uuid": _like(_UUID % ("[0-9a-f]", "[0-9a-f]")),
    "uuid3": _like(_UUID % ("3", "[0-9a-f]")),
    "uuid4": _like(_UUID % ("4", "[89ab]")),
    "uuid5": _like(_UUID % ("5", "[89ab]")),
    "isbn": lambda text: _isbn10(text) or _isbn13(text),
    "isbn10": _isbn10,
    "isbn13": _isbn13,
    "creditcard": _luhn,
    "ssn": _like(r"^\d{3}[- ]?\d{2}[- ]?\d{4}$"),
    "hexcolor": _like(r"^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$"),
    "rgbcolor": _like(_RGB),
    "byte": _base64,
    "password": lambda _: True,
    "date": _like(rf"^{_DATE}$"),
    "duration": _like(rf"^(?:{_GO}|\d+\s*(?:{_UNITS}))$"),
    "datetime": _like(rf"^{_DATE}[tT ]{_TIME}$"),
    "k8sshortname": lambda text: not names.dns_label(text),
    "k8slongname": lambda text: not names.dns_subdomain(text),
}  # fmt: skip


def known(kind: str, name: str) -> bool:
    """Whether a format means anything for values of this type ("" for any)."""
    if kind in ("", "string"):
        return name.replace("-", "") in _FORMATS
    return name in {"integer": ("int32", "int64"), "number": ("float", "double")}.get(kind, ())


def fits(name: str, text: str) -> bool:
    """Whether a text has this format."""
    check = _FORMATS.get(name.replace("-", ""))
    return check is None or check(text)
