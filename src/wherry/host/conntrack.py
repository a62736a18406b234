"""Forget tracked connections, or list them, by the `conntrack` program.

Only datagrams need it: a UDP client keeps its port, so its packets would follow an old translation for ever.

https://manpages.debian.org/conntrack
"""

from __future__ import annotations

import logging
import re
import subprocess
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address
from typing import NamedTuple

log = logging.getLogger(__name__)


class Flow(NamedTuple):
    """A tracked UDP connection: who sent the first datagram, to whom, and who answers."""

    source: str
    source_port: int
    address: str
    port: int
    target: str
    target_port: int


_FLOW = re.compile(
    r"^udp .*?src=([\d.]+) dst=([\d.]+) sport=(\d+) dport=(\d+) .*?src=([\d.]+) dst=[\d.]+ sport=(\d+) dport=\d+"
)


def parse(listing: str) -> Iterator[Flow]:
    """What `conntrack -L -p udp` has printed."""
    for line in listing.splitlines():
        found = _FLOW.match(line)
        if found is not None:
            source, address, source_port, port, target, target_port = found.groups()
            yield Flow(source, int(source_port), address, int(port), target, int(target_port))


def udp_flows() -> Iterator[Flow]:
    """All tracked UDP connections of this network namespace."""
    yield from parse(_run(["-L", "-f", "ipv4", "-p", "udp"]))


def forget(flow: Flow) -> None:
    """Forget one; when it has gone already, that is no error."""
    source = ["--orig-src", flow.source, "--orig-port-src", str(flow.source_port)]
    _run(["-D", "-f", "ipv4", "-p", "udp", *source, "--orig-dst", flow.address, "--orig-port-dst", str(flow.port)])


def _run(arguments: Sequence[str]) -> str:
    """Its standard output."""
    try:
        done = subprocess.run(["conntrack", *arguments], capture_output=True, text=True, check=False, timeout=20)
    except FileNotFoundError:
        log.warning("the program conntrack is missing: UDP clients of a service may keep talking to an ended pod")
        return ""
    if done.returncode and "0 flow entries" not in done.stderr:
        log.warning("conntrack: %s", done.stderr.strip())
    return done.stdout


def forget_udp(port: int, address: IPv4Address | None = None, target: IPv4Address | None = None) -> None:
    """Forget UDP connections sent to `address`:`port` (None: any address), only those translated to `target` if
    one is given. Nothing to forget is no error."""
    to = ["--orig-dst", str(address)] if address else []
    translated = ["--dst-nat", str(target)] if target else []
    _run(["-D", "-f", "ipv4", "-p", "udp", "--orig-port-dst", str(port), *to, *translated])
