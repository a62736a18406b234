"""FUNCTIONS: everything that an expression may call in Kubernetes 1.37; and the names of types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from wherry.machinery.cel import costs
from wherry.machinery.cel.functions import Overload, overload
from wherry.machinery.cel.library.authorization import AUTHORIZATION
from wherry.machinery.cel.library.formats import NAMED_FORMATS
from wherry.machinery.cel.library.lists import LISTS
from wherry.machinery.cel.library.network import NETWORK
from wherry.machinery.cel.library.optionals import OPTIONALS
from wherry.machinery.cel.library.quantities import QUANTITIES
from wherry.machinery.cel.library.semver import SEMVER
from wherry.machinery.cel.library.standard import STANDARD
from wherry.machinery.cel.library.strings import STRINGS
from wherry.machinery.cel.library.urls import URLS
from wherry.machinery.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    NULL,
    STRING,
    TIMESTAMP,
    UINT,
    ListOf,
    MapOf,
    Opaque,
    Optional,
    Type,
    TypeOf,
)

_PATCHES = (
    overload(
        "string_jsonpatch_escapeKey_string",
        "jsonpatch.escapeKey(string) -> string",
        lambda key: key.replace("~", "~0").replace("/", "~1"),
        costs.first,
    ),
)


def _by_name(overloads: Iterable[Overload]) -> Mapping[str, tuple[Overload, ...]]:
    found: dict[str, list[Overload]] = {}
    for one in overloads:
        found.setdefault(one.function, []).append(one)
    return {name: tuple(several) for name, several in found.items()}


_ALL = (
    *STANDARD,
    *STRINGS,
    *LISTS,
    *OPTIONALS,
    *URLS,
    *QUANTITIES,
    *NETWORK,
    *NAMED_FORMATS,
    *SEMVER,
    *AUTHORIZATION,
)
FUNCTIONS = _by_name(_ALL)
PATCH_FUNCTIONS = _by_name((*_ALL, *_PATCHES))
TYPE_NAMES: Mapping[str, Type] = {
    "bool": BOOL,
    "bytes": BYTES,
    "double": DOUBLE,
    "google.protobuf.Duration": DURATION,
    "int": INT,
    "list": ListOf(DYN),
    "map": MapOf(DYN, DYN),
    "null_type": NULL,
    "string": STRING,
    "google.protobuf.Timestamp": TIMESTAMP,
    "type": TypeOf(DYN),
    "uint": UINT,
    "optional_type": Optional(DYN),
    "net.IP": Opaque("net.IP"),
    "net.CIDR": Opaque("net.CIDR"),
}
