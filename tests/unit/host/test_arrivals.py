"""What has come and was not taken, as the kernel tells it of real sockets."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

from wherry.host import arrivals


def seen(*ports: int) -> bool:
    """What is told of sockets of these ports; others on this machine are nobody's business here."""
    text = "".join(Path(f"/proc/self/net/{name}").read_text() for name in ("tcp", "tcp6"))
    marks = [f":{port:04X} " for port in ports]
    lines = [line for line in text.splitlines() if "local_address" in line or any(mark in line for mark in marks)]
    return arrivals.parse("\n".join(lines))


def soon(condition: Callable[[], bool]) -> bool:
    until = time.monotonic() + 5
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    return condition()


def test_connections_and_bytes_wait_until_they_are_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        assert not seen(port)
        with socket.create_connection(("127.0.0.1", port)) as client:
            assert soon(lambda: seen(port)), "it was not accepted"
            taken, _ = listener.accept()
            with taken:
                assert soon(lambda: not seen(port))
                client.send(b"GET")
                assert soon(lambda: seen(port)), "it was not read"
                taken.recv(10)
                assert soon(lambda: not seen(port))


def test_both_families_are_looked_at() -> None:
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
        port: int = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            assert soon(lambda: seen(port))


def test_answers_that_a_client_has_not_read_are_no_arrivals() -> None:
    """(Seeded fault: count every connection: a job that downloads never catches up.)"""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as client,
    ):
        taken, _ = listener.accept()
        with taken:
            taken.send(b"answer")
            port: int = client.getsockname()[1]
            listener.close()
            time.sleep(0.05)
            assert not seen(port)
            assert client.recv(10) == b"answer"


def test_a_process_that_is_gone_waits_for_nothing() -> None:
    pid = os.posix_spawnp("true", ["true"], {"PATH": os.environ["PATH"]})
    os.waitpid(pid, 0)
    assert not arrivals.waiting(pid)
