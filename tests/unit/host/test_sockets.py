"""Listening sockets that are kept: who comes while nobody accepts waits for the next who does."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from wherry.host import sockets

ADDRESS = "127.0.0.1"


def free_ports() -> list[int]:
    with ExitStack() as stack:
        made = [stack.enter_context(closing(socket.create_server((ADDRESS, 0)))) for _ in range(2)]
        return [one.getsockname()[1] for one in made]


@pytest.fixture
def note(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "listeners.json"
    sockets.release(tmp_path / "listeners.json")


def ended(listeners: list[socket.socket]) -> None:
    """As when the process that has them ends."""
    for one in listeners:
        one.close()


def test_connections_wait_for_the_next_process(note: Path) -> None:
    ports = free_ports()
    ended(list(sockets.listeners(note, ADDRESS, ports)))
    waiting = [socket.create_connection((ADDRESS, port)) for port in ports]
    listeners = list(sockets.listeners(note, ADDRESS, ports))
    for client, listener in zip(waiting, listeners, strict=True):
        connection, peer = listener.accept()
        assert peer == client.getsockname()
        connection.close()
        client.close()
    ended(listeners)


def test_other_ports_are_bound_anew_and_the_old_ones_let_go(note: Path) -> None:
    old, new = free_ports()
    ended(list(sockets.listeners(note, ADDRESS, [old])))
    ended(list(sockets.listeners(note, ADDRESS, [new])))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((ADDRESS, old))
    socket.create_connection((ADDRESS, new)).close()


def test_released_ports_refuse(note: Path) -> None:
    (port, _) = free_ports()
    ended(list(sockets.listeners(note, ADDRESS, [port])))
    sockets.release(note)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((ADDRESS, port))


def test_a_port_that_is_taken_leaves_nothing_behind(note: Path) -> None:
    free, taken = free_ports()
    with closing(socket.create_server((ADDRESS, taken))):
        with pytest.raises(OSError, match="in use"):
            sockets.listeners(note, ADDRESS, [free, taken])
        socket.create_server((ADDRESS, free)).close()
    assert not note.exists()
