"""The machine's own DNS resolvers, as /etc/resolv.conf says, seen through systemd-resolved's stub.

The stub (127.0.0.53, 127.0.0.54) answers only its own network namespace and knows the real resolvers in another file;
that file is used instead. Addresses that would lead back to the cluster's own DNS are left out.

https://manpages.debian.org/resolv.conf
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

_FILE = Path("/etc/resolv.conf")
_BEHIND_STUB = Path("/run/systemd/resolve/resolv.conf")
_STUBS = frozenset({"127.0.0.53", "127.0.0.54"})


@dataclass(frozen=True, slots=True)
class Resolvers:
    """What a resolv.conf says: servers in order of preference, search domains, options."""

    servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


def _is_address(text: str) -> bool:
    try:
        ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


def parse(text: str) -> Resolvers:
    """The content of a resolv.conf; lines it does not know are skipped, as the C library does."""
    servers: list[str] = []
    search: tuple[str, ...] = ()
    options: list[str] = []
    for line in text.splitlines():
        words = line.split("#")[0].split(";")[0].split()
        if len(words) < 2:
            continue
        if words[0] == "nameserver" and _is_address(words[1]):
            servers.append(words[1])
        elif words[0] in ("search", "domain"):
            search = tuple(words[1:])
        elif words[0] == "options":
            options += words[1:]
    return Resolvers(tuple(servers), search, tuple(options))


def _read(file: Path) -> Resolvers:
    try:
        return parse(file.read_text(errors="replace"))
    except OSError:
        return Resolvers()


def host_file() -> Path:
    """The file with resolvers that other network namespaces can use too."""
    stub = set(_read(_FILE).servers) & _STUBS
    return _BEHIND_STUB if stub and _BEHIND_STUB.exists() else _FILE


def host_resolvers(own: Collection[str] = (), *, loopback: bool = True) -> Resolvers:
    """The resolvers to forward to. `own`: the cluster's DNS addresses, left out so that no query goes in a circle;
    `loopback` False leaves out resolvers on loopback, which do not answer in another network namespace."""
    found = _read(host_file())
    servers = tuple(
        server
        for server in found.servers
        if server not in own and (loopback or not ip_address(server.partition("%")[0]).is_loopback)
    )
    return Resolvers(servers, found.search, found.options)
