"""ip() and cidr(): addresses and networks.

https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-ip-address-library
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from wherry.machinery.cel import costs
from wherry.machinery.cel.errors import EvaluationError
from wherry.machinery.cel.functions import Overload, overload
from wherry.machinery.cel.operators import no_overload, size_of
from wherry.machinery.cel.types import Opaque, Type

IP_TYPE = Opaque("net.IP")
CIDR_TYPE = Opaque("net.CIDR")
_BYTE = 255


@dataclass(frozen=True, slots=True)
class Ip:
    """An address."""

    address: IPv4Address | IPv6Address

    @property
    def cel_type(self) -> Type:
        """net.IP"""
        return IP_TYPE

    @property
    def cel_size(self) -> int:
        """Its bytes."""
        return self.address.max_prefixlen // 8


@dataclass(frozen=True, slots=True)
class Cidr:
    """An address and how many of its bits are the network's."""

    address: IPv4Address | IPv6Address
    length: int

    @property
    def cel_type(self) -> Type:
        """net.CIDR"""
        return CIDR_TYPE

    @property
    def cel_size(self) -> int:
        """The bytes that its prefix covers."""
        return -(-self.length // 8)

    def holds(self, address: IPv4Address | IPv6Address) -> bool:
        """Whether an address is in the network."""
        spare = self.address.max_prefixlen - self.length
        return self.address.version == address.version and int(self.address) >> spare == int(address) >> spare

    def __str__(self) -> str:
        return f"{self.address}/{self.length}"


def _ip(text: str) -> Ip:
    try:
        address = ip_address(text)
    except ValueError:
        quoted = f'"{text}"'
        why = f"parse error during conversion from string: ParseAddr({quoted}): {_why_not_ip(text)}"
        raise EvaluationError(f"IP Address {quoted} {why}") from None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            raise EvaluationError(f'IP address "{text}" with zone value is not allowed')
        if address.ipv4_mapped is not None:
            raise EvaluationError(f'IPv4-mapped IPv6 address "{text}" is not allowed')
    return Ip(address)


def _why_not_ip(text: str) -> str:
    if ":" in text or "." not in text:
        return "unable to parse IP"
    if re.search(r"[^0-9.]", text):
        return f'unexpected character (at "{text[re.search("[^0-9.]", text).start() :]}")'  # type: ignore[union-attr]
    parts = text.split(".")
    if "" in parts:
        return "IPv4 field must have at least one digit"
    if any(len(part) > 1 and part.startswith("0") for part in parts):
        return "IPv4 field has octet with leading zero"
    if any(int(part[:9]) > _BYTE for part in parts):
        return "IPv4 field has value >255"
    return "IPv4 address too short" if len(parts) < 4 else "IPv4 address too long"


def _cidr(text: str) -> Cidr:
    prefix = "network address parse error during conversion from string: "
    address_text, slash, bits = text.rpartition("/")
    try:
        address = ip_address(address_text) if slash else None
    except ValueError:
        address = None
    why = _why_not_cidr(text, address, bits)
    if why:
        raise EvaluationError(f'{prefix}{prefix}netip.ParsePrefix("{text}"): {why}')
    assert address is not None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        raise EvaluationError(f'{prefix}IPv4-mapped IPv6 address "{text}" is not allowed')
    return Cidr(address, int(bits))


def _why_not_cidr(text: str, address: IPv4Address | IPv6Address | None, bits: str) -> str:
    if "/" not in text:
        return "no '/'"
    if address is None:
        own = text.rpartition("/")[0]
        return f'ParseAddr("{own}"): {_why_not_ip(own)}'
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return "IPv6 zones cannot be present in a prefix"
    if not re.fullmatch("0|[1-9][0-9]*", bits):
        return f'bad bits after slash: "{bits}"'
    return "prefix length out of range" if len(bits) > 3 or int(bits) > address.max_prefixlen else ""


def _parses(parse: Any) -> Any:
    def run(text: str) -> bool:
        try:
            parse(text)
        except EvaluationError:
            return False
        return True

    return run


def _canonical(text: str) -> bool:
    return str(_ip(text).address) == text


def _multicast_link_local(own: Ip) -> bool:
    base = ip_network("224.0.0.0/24") if own.address.version == 4 else None
    if base is not None:
        return own.address in base
    return int(own.address) >> 112 & 0xFF0F == 0xFF02


def _link_local(own: Ip) -> bool:
    return own.address in ip_network("169.254.0.0/16" if own.address.version == 4 else "fe80::/10")


def _global(own: Ip) -> bool:
    address = own.address
    plain = not (address.is_unspecified or address.is_loopback or address.is_multicast or _link_local(own))
    return plain and str(address) != "255.255.255.255"


def _contains_ip(own: Cidr, other: Ip | str) -> bool:
    if isinstance(other, str):
        try:
            other = _ip(other)
        except EvaluationError:
            raise no_overload() from None
    return own.holds(other.address)


def _contains_cidr(own: Cidr, other: Cidr | str) -> bool:
    inner = _cidr(other) if isinstance(other, str) else other
    return own.length <= inner.length and own.holds(inner.address)


def _masked(own: Cidr) -> Cidr:
    spare = own.address.max_prefixlen - own.length
    return Cidr(type(own.address)(int(own.address) >> spare << spare), own.length)


def _holding(more: int) -> Any:
    def cost(args: Sequence[Any], _: Any) -> int:
        own = size_of(args[0])
        found = costs.traversed(2 * own) + (costs.traversed(own) + 1 if more else 0)
        return found + (costs.traversed(size_of(args[1])) if isinstance(args[1], str) else 0)

    return cost


NETWORK: tuple[Overload, ...] = (
    overload("string_to_ip", "ip(string) -> net.IP", _ip, costs.first),
    overload("ip_family", "[net.IP] family() -> int", lambda own: own.address.version),
    overload("ip_is_canonical", "ip.isCanonical(string) -> bool", _canonical, costs.first_twice),
    overload("ip_is_unspecified", "[net.IP] isUnspecified() -> bool", lambda own: own.address.is_unspecified),
    overload("ip_is_loopback", "[net.IP] isLoopback() -> bool", lambda own: own.address.is_loopback),
    overload("ip_is_link_local_multicast", "[net.IP] isLinkLocalMulticast() -> bool", _multicast_link_local),
    overload("ip_is_link_local_unicast", "[net.IP] isLinkLocalUnicast() -> bool", _link_local),
    overload("ip_is_global_unicast", "[net.IP] isGlobalUnicast() -> bool", _global),
    overload("is_ip", "isIP(string) -> bool", _parses(_ip), costs.first),
    overload("ip_to_string", "string(net.IP) -> string", lambda own: str(own.address)),
    overload("string_to_cidr", "cidr(string) -> net.CIDR", _cidr, costs.first),
    overload("cidr_contains_ip_string", "[net.CIDR] containsIP(string) -> bool", _contains_ip, _holding(0)),
    overload("cidr_contains_ip_ip", "[net.CIDR] containsIP(net.IP) -> bool", _contains_ip, _holding(0)),
    overload("cidr_contains_cidr_string", "[net.CIDR] containsCIDR(string) -> bool", _contains_cidr, _holding(1)),
    overload("cidr_contains_cidr", "[net.CIDR] containsCIDR(net.CIDR) -> bool", _contains_cidr, _holding(1)),
    overload("cidr_ip", "[net.CIDR] ip() -> net.IP", lambda own: Ip(own.address)),
    overload("cidr_prefix_length", "[net.CIDR] prefixLength() -> int", lambda own: own.length),
    overload("cidr_masked", "[net.CIDR] masked() -> net.CIDR", _masked),
    overload("is_cidr", "isCIDR(string) -> bool", _parses(_cidr), costs.first),
    overload("cidr_to_string", "string(net.CIDR) -> string", str),
)
