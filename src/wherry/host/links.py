"""Links, addresses, routes and network switches of the namespace the process is in, by the `ip` program in batches.

Every change is idempotent: what is already so is no error. `ip` rather than a netlink library: one process start per
batch (3 ms, rare) instead of 27 MB resident in every agent. Arguments are words made here from typed values, one list
per command; nothing passes a shell.

https://manpages.debian.org/ip-batch
"""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import Any

import msgspec

log = logging.getLogger(__name__)

_PROTO = "98"  # marks our routes; any number the kernel and routing daemons do not use
_HARMLESS = (
    "File exists", "already assigned", "No such process", "Cannot find device", "Cannot assign requested address",
    "Address not found",
)  # fmt: skip


class LinkError(Exception):
    """`ip` refused a command; the message is its own."""


def prefix(netns: str) -> list[str]:
    """What goes before `ip`'s own arguments to work in a named namespace ("" is the caller's)."""
    return ["ip", "-n", netns] if netns else ["ip"]


def ip(arguments: Sequence[str], netns: str = "", *, tolerate: Iterable[str] = ()) -> str:
    """Run one `ip` command. A failure whose message contains one of `tolerate` is none. Raises LinkError."""
    try:
        done = subprocess.run([*prefix(netns), *arguments], capture_output=True, text=True, check=False, timeout=20)
    except FileNotFoundError as error:
        raise LinkError("the program ip is missing: install the package iproute2") from error
    if done.returncode and not any(word in done.stderr for word in tolerate):
        raise LinkError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def ensure(arguments: Sequence[str], netns: str = "") -> None:
    """Run one `ip` command for which "it is so already" counts as done."""
    ip(arguments, netns, tolerate=_HARMLESS)


def bridge(arguments: Sequence[str]) -> str:
    """Run one command of `bridge`, the program beside `ip`. Raises LinkError."""
    try:
        done = subprocess.run(["bridge", *arguments], capture_output=True, text=True, check=False, timeout=20)
    except FileNotFoundError as error:
        raise LinkError("the program bridge is missing: install the package iproute2") from error
    if done.returncode:
        raise LinkError(f"bridge {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def forwarding(link: str) -> list[dict[str, Any]]:
    """The forwarding entries of a link: `mac`, and `dst` where it is a tunnel's."""
    found: list[dict[str, Any]] = msgspec.json.decode(bridge(["-j", "fdb", "show", "dev", link]) or "[]")
    return found


def show(arguments: Sequence[str], netns: str = "") -> list[dict[str, Any]]:
    """The JSON that `ip -j ...` prints; empty when there is nothing."""
    output = ip(["-j", *arguments], netns, tolerate=("does not exist",))
    found: list[dict[str, Any]] = msgspec.json.decode(output) if output.strip() else []
    return [row for row in found if row]


def addresses() -> dict[IPv4Address, str]:
    """Every IPv4 address of this namespace with the link it is on."""
    return {interface.ip: link for interface, link in interfaces().items()}


def interfaces() -> dict[IPv4Interface, str]:
    """The same, each address with the network its link leads to."""
    return {
        IPv4Interface(f"{info['local']}/{info['prefixlen']}"): row["ifname"]
        for row in show(["-4", "address", "show"])
        for info in row.get("addr_info", ())
        if "local" in info
    }


def source_for(destination: IPv4Address) -> IPv4Address | None:
    """The address that connections to `destination` would come from; None without a route."""
    rows = show_or_nothing(["route", "get", str(destination)])
    return IPv4Address(rows[0]["prefsrc"]) if rows and "prefsrc" in rows[0] else None


def show_or_nothing(arguments: Sequence[str]) -> list[dict[str, Any]]:
    """As `show`, but a refusal is an empty answer."""
    try:
        return show(arguments)
    except LinkError:
        return []


def add_loopback(address: IPv4Address) -> None:
    """Make `address` one of this namespace's own, on lo."""
    ensure(["link", "set", "lo", "up"])
    ensure(["address", "add", f"{address}/32", "dev", "lo", "scope", "host"])


def remove_loopback(address: IPv4Address) -> None:
    """Undo `add_loopback`."""
    ensure(["address", "delete", f"{address}/32", "dev", "lo"])


def replace_route(
    network: IPv4Network, *, via: IPv4Address, source: IPv4Address | None = None, through: str = ""
) -> None:
    """Send `network` to `via`, which must be on a link of this namespace, or is believed to be on link `through`.

    Raises LinkError.
    """
    link = ["dev", through, "onlink"] if through else []
    ip(["route", "replace", str(network), "via", str(via), *link, "proto", _PROTO, *_source(source)])


def _source(source: IPv4Address | None) -> list[str]:
    return ["src", str(source)] if source else []


def routes() -> dict[IPv4Network, IPv4Address]:
    """The routes made by `replace_route`: network -> next hop."""
    rows = show(["-4", "route", "show", "proto", _PROTO])
    return {IPv4Network(row["dst"]): IPv4Address(row["gateway"]) for row in rows if "gateway" in row}


def remove_route(network: IPv4Network) -> None:
    """Forget the route of `replace_route`."""
    ensure(["route", "delete", str(network), "proto", _PROTO])


def claim_network(network: IPv4Network, source: IPv4Address | None) -> None:
    """Give `network` (services) a route that leads nowhere, so that connecting to it needs no default route:
    the rules translate or refuse every packet before it is sent."""
    ip(["route", "replace", str(network), "dev", "lo", "proto", _PROTO, "scope", "link", *_source(source)])


def switch(name: str, value: str) -> None:
    """Write a sysctl under /proc/sys/net unless it has that value. Raises OSError."""
    path = Path("/proc/sys/net") / name
    if path.read_text().strip() != value:
        path.write_text(value)
        log.info("set net.%s = %s", name.replace("/", "."), value)


def mtu_of_default_route() -> int:
    """The MTU of the link that leads out; 1500 when nothing does."""
    rows = show_or_nothing(["-4", "route", "show", "default"])
    link = next((row["dev"] for row in rows if "dev" in row), "")
    found = show_or_nothing(["link", "show", "dev", link]) if link else []
    return int(found[0].get("mtu", 1500)) if found else 1500
