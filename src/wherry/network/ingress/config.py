"""HAProxy's configuration, from typed values only. Pure.

What users write is in maps, but for the rules of Gateways' sites, whose every word is encoded (`wording.py`).

https://docs.haproxy.org/2.6/configuration.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wherry.host.haproxy import BIND
from wherry.network.ingress import mirrors, siteconfig
from wherry.network.ingress.answers import PATH
from wherry.network.ingress.backends import Protocol
from wherry.network.ingress.maps import (
    ANSWERS,
    ANY,
    BODIES,
    EXACT,
    HOSTS,
    NO_RULES,
    PREFIXES,
    PROTOCOLS,
    SECURE,
    SITES,
    TIMEOUTS,
    Ruled,
    Servers,
    Size,
)


@dataclass(frozen=True, slots=True)
class Shape:
    """Where things are. `user`: whom HAProxy becomes, "" to stay who it is."""

    folder: Path
    http: int = 80
    https: int = 443
    user: str = ""

    @property
    def socket(self) -> Path:
        """The runtime API of the worker."""
        return self.folder / "run.sock"

    @property
    def listeners(self) -> Path:
        """Who keeps the listening sockets while HAProxy is started anew: connections wait there meanwhile."""
        return self.folder / "listeners.json"

    @property
    def file(self) -> Path:
        """The configuration."""
        return self.folder / "haproxy.cfg"

    @property
    def certificates(self) -> Path:
        """The list of certificates."""
        return self.folder / "certificates.list"

    def map(self, name: str) -> Path:
        """A map file."""
        return self.folder / f"{name}.map"


_SERVER: dict[Protocol, str] = {
    "http": "",
    "https": " ssl verify none alpn http/1.1",
    "proxy": " send-proxy-v2",
    "h2c": " proto h2",
}


def render(shape: Shape, size: Size, servers: Servers, ruled: Ruled = NO_RULES) -> str:
    """The whole file."""
    mirrored = mirrors.any_of(ruled.sites)
    parts = (*_global(shape, mirrored=mirrored), *_frontend(shape, ruled), *_backends(shape, size, servers))
    copies = mirrors.frontend(shape.folder) if mirrored else ()
    return "\n".join((*parts, *copies)) + "\n"


def listens(written: str) -> frozenset[int]:
    """The ports of Gateways alone in a configuration that `render` has made."""
    lines = (line.split() for line in written.splitlines())
    return frozenset(int(line[1][1:]) for line in lines if line[:1] == ["bind"] and line[1].startswith(":"))


def _global(shape: Shape, *, mirrored: bool) -> Iterator[str]:
    yield "# Written by wherry; changes are lost."
    yield "global"
    yield f"    stats socket {shape.socket} mode 600 level admin expose-fd listeners"
    yield "    stats timeout 10m"
    yield "    nbthread 2"
    yield "    hard-stop-after 1h"
    yield "    ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets"
    yield "    tune.ssl.default-dh-param 2048"
    yield "    tune.pattern.cache-size 0"
    if mirrored:
        yield mirrors.loaded(shape.folder)
    if shape.user:
        yield f"    user {shape.user}"
    yield "defaults"
    yield "    mode http"
    yield "    balance roundrobin"
    yield "    timeout connect 3s"
    yield "    timeout client 60s"
    yield "    timeout client-fin 10s"
    yield "    timeout server 60s"
    yield "    timeout tunnel 1h"
    yield "    timeout http-request 20s"
    yield "    timeout http-keep-alive 60s"
    yield "    timeout queue 60s"
    yield "    option idle-close-on-response"  # a new configuration must not cut connections that are kept
    yield "    option redispatch 1"
    yield "    retries 3"
    yield "    retry-on conn-failure empty-response"  # the second: see the frontend
    yield "    option forwardfor except 255.255.255.255/32"


def _frontend(shape: Shape, ruled: Ruled) -> Iterator[str]:
    yield "frontend entry"
    yield f'    bind "{_listener(0, shape.http)}"'
    yield f'    bind "{_listener(1, shape.https)}" ssl crt-list {shape.certificates} alpn h2,http/1.1'
    for door in sorted(ruled.doors):
        if not door.address and door.port not in (shape.http, shape.https):
            yield siteconfig.bound(door, str(shape.certificates))
    # what has been sent and may have been done is sent again only where that does no harm (RFC 9110, section 9.2.1)
    yield "    http-request disable-l7-retry unless { method GET HEAD OPTIONS }"
    yield "    http-request del-header X-Forwarded-For"
    yield "    http-request del-header Forwarded"
    yield "    http-request set-header X-Real-IP %[src]"
    yield "    http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]"
    yield "    http-request set-header X-Forwarded-Port %[dst_port]"
    yield "    http-request set-header X-Forwarded-Host %[req.hdr(host)]"
    yield "    http-request set-var(txn.host) req.hdr(host),field(1,:),lower,rtrim(.)"
    yield "    http-request set-var(txn.path) path"
    yield "    http-request deny deny_status 400 if { var(txn.host) -m sub / }"
    yield f"    http-request set-var(txn.answer) path,map_str({shape.map(ANSWERS)}) if {{ path_beg {PATH} }}"
    answer = 'status 200 content-type text/plain lf-string "%[var(txn.answer)]"'
    yield f"    http-request return {answer} if {{ var(txn.answer) -m found }}"
    yield from _lookups(shape, ruled)
    found = "{ var(txn.backend) -m found }"
    secure = shape.map(SECURE)
    yield f"    http-request set-var(txn.secure) var(txn.known),map_str({secure})"
    ours = " !{ var(txn.gate) -m found }" if ruled.doors else ""
    ours += " !own" if any(door.address for door in ruled.doors) else ""
    yield "    http-request redirect scheme https code 308 if !{ ssl_fc } { var(txn.secure) -m found }" + ours
    yield '    http-request return status 404 content-type text/plain string "no route to this host and path\\n"' + (
        f" if !{found}"
    )
    yield f"    http-request set-var(txn.limit) var(txn.backend),map_str_int({shape.map(BODIES)})"
    limited = "{ var(txn.limit) -m found }"
    yield f"    http-request return status 411 if {limited} {{ req.hdr(transfer-encoding) -m found }}"
    yield f"    http-request set-var(txn.over) req.hdr_val(content-length),sub(txn.limit) if {limited}"
    yield f"    http-request deny deny_status 413 if {limited} {{ var(txn.over) -m int gt 0 }}"
    yield f"    http-request set-var(txn.wait) var(txn.backend),map_str_int({shape.map(TIMEOUTS)})"
    yield "    use_backend %[var(txn.backend)]"


def _listener(number: int, port: int) -> str:
    """The socket that HAProxy was given (`Shape.listeners`), else the port."""
    return f"${{{BIND.format(number)}-:{port}}}"


def _lookups(shape: Shape, ruled: Ruled) -> Iterator[str]:
    """The host as it is, then with its first label as a wildcard, then any; each exactly, then by prefix.

    A host that somebody has named is not looked for under a wildcard or under none. A Gateway's site comes before where
    its host is more exact or it had the same one first, else after. At a Gateway's own address nobody else is asked.
    """
    prefixes, hosts = shape.map(PREFIXES), shape.map(HOSTS)
    missing = "!{ var(txn.backend) -m found }"
    own = any(door.address for door in ruled.doors)
    ingress = f"{missing} !own" if own else missing
    yield '    http-request set-var(txn.wild) var(txn.host),regsub("^[^.]*","*")'
    yield f"    http-request set-var(txn.any) str({ANY})"
    yield f"    acl named var(txn.host),map_str({hosts}) -m found"
    yield f"    acl covered var(txn.wild),map_str({hosts}) -m found"
    yield "    http-request set-var(txn.known) var(txn.any)"
    yield "    http-request set-var(txn.known) var(txn.wild) if covered"
    yield "    http-request set-var(txn.known) var(txn.host) if named"
    if not ruled.doors:
        yield from _known(shape, missing)
    else:
        yield from siteconfig.addresses(ruled.doors)
        yield from siteconfig.choose_site(ruled.sites, str(shape.map(SITES)), own=own)
        yield "    http-request set-var(txn.mine) int(2)"
        yield "    http-request set-var(txn.mine) int(4) if covered"
        yield "    http-request set-var(txn.mine) int(6) if named"
        yield "    http-request set-var(txn.ahead) var(txn.mine),sub(txn.exact)"
        yield "    acl behind var(txn.ahead) -m int lt 0"
        yield from _known(shape, f"{ingress} !behind")
        yield f"    http-request set-var(txn.gate) int(1) if {missing}"
        yield from siteconfig.answer(ruled.sites, str(shape.map(EXACT)), str(prefixes), ruled.names.__getitem__)
        yield f"    http-request unset-var(txn.gate) if {missing}"
        yield from _known(shape, f"{ingress} behind")
    yield "    http-request set-var(txn.key) var(txn.any),concat(,txn.path,/)"
    yield f"    http-request set-var(txn.backend) var(txn.key),map_beg({prefixes}) if {ingress}"


def _known(shape: Shape, when: str) -> Iterator[str]:
    yield "    http-request set-var(txn.key) var(txn.known),concat(,txn.path,)"
    yield f"    http-request set-var(txn.backend) var(txn.key),map_str({shape.map(EXACT)}) if {when}"
    yield "    http-request set-var(txn.key) var(txn.known),concat(,txn.path,/)"
    yield f"    http-request set-var(txn.backend) var(txn.key),map_beg({shape.map(PREFIXES)}) if {when}"


def _backends(shape: Shape, size: Size, servers: Servers) -> Iterator[str]:
    for protocol in PROTOCOLS:
        for number in range(size.backends.get(protocol, 0)):
            name = f"{protocol}-{number}"
            yield f"backend {name}"
            yield "    http-request set-timeout server var(txn.wait) if { var(txn.wait) -m found }"
            for slot in range(1, size.slots + 1):
                endpoint = servers.get((name, slot))
                where = f"{endpoint.ip}:{endpoint.port}" if endpoint else "127.0.0.1:1 disabled"
                yield f"    server s{slot} {where}{_SERVER[protocol]}"
