"""Arrivals: what has come over TCP to the programs in a network namespace, and they have not taken yet.

When a program closes a listening socket, the kernel resets the connections that wait there; when it closes a connection
with something unread, that one. https://docs.kernel.org/networking/proc_net_tcp.html
"""

from __future__ import annotations

import contextlib
from pathlib import Path

_ESTABLISHED, _LISTENING = "01", "0A"


def parse(text: str) -> bool:
    """Whether, by tables of sockets, a connection waits to be accepted, or bytes wait on one that was accepted.
    Connections that the programs have made themselves do not count."""
    rows = (line.split() for line in text.splitlines())
    sockets = [row[1:5] for row in rows if row and row[0].endswith(":")]  # other lines are heads of tables
    listening = {local.rpartition(":")[2] for local, _, state, _ in sockets if state == _LISTENING}
    return any(
        int(queues.rpartition(":")[2], 16) > 0
        for local, _, state, queues in sockets
        if state == _LISTENING or (state == _ESTABLISHED and local.rpartition(":")[2] in listening)
    )


def waiting(pid: int) -> bool:
    """Whether anything waits where a process is; False when that is gone."""
    found = ""
    with contextlib.suppress(OSError):
        for name in ("tcp", "tcp6"):
            found += Path(f"/proc/{pid}/net/{name}").read_text()
    return parse(found)
