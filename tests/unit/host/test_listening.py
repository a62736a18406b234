"""Where a process listens, as /proc tells it."""

from __future__ import annotations

import os
import socket

from wherry.host.listening import listening


def test_own_listeners_are_found_and_nothing_else() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as four,
        socket.create_server(("::1", 0), family=socket.AF_INET6) as six,
        socket.socket() as idle,
    ):
        idle.bind(("127.0.0.1", 0))
        found = set(listening(os.getpid()))
        assert {four.getsockname()[:2], six.getsockname()[:2]} <= found
        assert idle.getsockname() not in found
        with socket.create_connection(four.getsockname()) as client:
            assert client.getsockname() not in set(listening(os.getpid()))
        at = four.getsockname()
    assert at not in listening(os.getpid())
    assert at[1] not in {port for _, port in listening(os.getppid())}
