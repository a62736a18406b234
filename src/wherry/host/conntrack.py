"""Forget tracked connections, by the `conntrack` program.

Only datagrams need it: a UDP client keeps its port, so its packets would follow an old translation for ever.

https://manpages.debian.org/conntrack
"""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Sequence
from ipaddress import IPv4Address

log = logging.getLogger(__name__)


def _delete(arguments: Sequence[str]) -> None:
    command = ["conntrack", "-D", "-f", "ipv4", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    except FileNotFoundError:
        log.warning("the program conntrack is missing: UDP clients of a service may keep talking to an ended pod")
        return
    if done.returncode and "0 flow entries" not in done.stderr:
        log.warning("conntrack: %s", done.stderr.strip())


def forget_udp(port: int, address: IPv4Address | None = None, target: IPv4Address | None = None) -> None:
    """Forget UDP connections sent to `address`:`port` (None: any address), only those translated to `target` if
    one is given. Nothing to forget is no error."""
    to = ["--orig-dst", str(address)] if address else []
    translated = ["--dst-nat", str(target)] if target else []
    _delete(["-p", "udp", "--orig-port-dst", str(port), *to, *translated])
