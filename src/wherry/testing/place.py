"""Place: a network namespace of a test cluster's own, wired to the machine, so that several stand side by side.

A cluster listens on fixed ports and owns the packet rules of its namespace; a place gives each its own. Owns: the named
namespace and the veth `wt-<n>`, the networks 198.18.<n>.0/24 (RFC 2544, not routed in the world): the machine is .1,
the cluster .2, with a default route through the machine. Making the namespace is what claims the number, so that test
processes need no other agreement.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

PREFIX = "wt-"
NUMBERS = range(1, 255)


class PlaceError(Exception):
    """The namespace cannot be made; the text is what `ip` said."""


@dataclass(slots=True)
class Place:
    """One namespace. `address` is what reaches the cluster from the machine."""

    number: int
    host: int = 2

    @property
    def netns(self) -> str:
        """The namespace's name, also that of the machine's end of the wire."""
        return f"{PREFIX}{self.number}"

    @property
    def address(self) -> IPv4Address:
        """The cluster's address."""
        return IPv4Address(f"198.18.{self.number}.{self.host}")

    @property
    def gateway(self) -> IPv4Address:
        """The machine's address on the wire."""
        return IPv4Address(f"198.18.{self.number}.1")

    def argv(self, command: Sequence[str]) -> list[str]:
        """`command`, to be run in the place. The mount namespace stays the machine's."""
        return ["nsenter", f"--net=/run/netns/{self.netns}", "--", *command]

    def move(self, host: int) -> None:
        """Give the cluster's side another address, 198.18.<n>.<host>, as when a machine changes networks."""
        old, self.host = self.address, host
        inside = ["-n", self.netns]
        _ip(*inside, "address", "delete", f"{old}/24", "dev", "eth0")
        _ip(*inside, "address", "add", f"{self.address}/24", "dev", "eth0")
        _ip(*inside, "route", "replace", "default", "via", str(self.gateway))

    def close(self) -> None:
        """Remove namespace and wire. Processes in it must have ended."""
        _ip("link", "delete", self.netns, tolerate="Cannot find device")
        _ip("netns", "delete", self.netns, tolerate="No such file")


def take() -> Place:
    """Make the first namespace that is free. Raises PlaceError."""
    for number in NUMBERS:
        place = Place(number)
        if _ip("netns", "add", place.netns, tolerate="File exists"):
            continue
        try:
            _wire(place)
        except PlaceError:
            place.close()
            raise
        return place
    raise PlaceError(f"all of {PREFIX}1 to {PREFIX}254 are taken; remove stale ones with `ip netns delete`")


def _wire(place: Place) -> None:
    link, inside = place.netns, ["-n", place.netns]
    _ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", link)
    _ip("address", "add", f"{place.gateway}/24", "dev", link)
    _ip("link", "set", link, "up")
    _ip(*inside, "link", "set", "lo", "up")
    _ip(*inside, "address", "add", f"{place.address}/24", "dev", "eth0")
    _ip(*inside, "link", "set", "eth0", "up")
    _ip(*inside, "route", "add", "default", "via", str(place.gateway))


def _ip(*arguments: str, tolerate: str = "\0") -> str:
    """Run `ip`; what it complained of if that contains `tolerate`, "" when it worked. Raises PlaceError."""
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False, timeout=30)
    if done.returncode and tolerate not in done.stderr:
        raise PlaceError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stderr.strip() if done.returncode else ""
