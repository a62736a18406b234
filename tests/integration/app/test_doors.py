"""A listener that lets everybody in is seen for what it is; one without TLS, and one where nobody listens, too."""

from __future__ import annotations

import http.server
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wherry.aio.clock import SystemClock
from wherry.app.benchmark.doors import Way, try_door
from wherry.app.config import Config
from wherry.host.keys import Pki
from wherry.host.selfsigned import self_signed


class Open(http.server.BaseHTTPRequestHandler):
    """200 to everything."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class Careless(http.server.ThreadingHTTPServer):
    """Whoever breaks off is nobody's business."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing."""


@contextmanager
def serving(context: ssl.SSLContext | None) -> Iterator[int]:
    """A server; its port."""
    server = Careless(("127.0.0.1", 0), Open)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def way(config: Config, port: int) -> Way:
    return Way("127.0.0.1", port, "localhost", config.pki / "ca.crt", "/pods")


def test_who_lets_everybody_in(config: Config) -> None:
    own = Pki(config.pki, SystemClock()).server
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.certificate, own.key)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with serving(context) as port:
        door = try_door(way(config, port), SystemClock(), "a token")
    assert (door.verified, door.nobody, door.stranger, door.bystander) == ("", 200, 200, 200)
    assert set(door.weak) >= {"ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384"}
    assert not door.plain


def test_whose_certificate_is_nobodys(config: Config, tmp_path: Path) -> None:
    pem = tmp_path / "own.pem"
    pem.write_bytes(self_signed("localhost", SystemClock()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with serving(context) as port:
        door = try_door(way(config, port), SystemClock())
    assert "certificate verify failed" in door.verified
    assert (door.nobody, door.stranger, door.bystander) == (0, 0, None), "nothing is sent to it"


def test_who_speaks_without_tls(config: Config) -> None:
    with serving(None) as port:
        door = try_door(way(config, port), SystemClock())
    assert door.plain
    assert door.verified


def test_where_nobody_listens(config: Config) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    door = try_door(way(config, port), SystemClock(), "a token")
    assert "refused" in door.verified
    assert (door.nobody, door.stranger, door.bystander, door.weak, door.plain) == (0, 0, 0, (), False)
