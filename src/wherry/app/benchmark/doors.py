"""How a TLS listener treats those who come: every kind of visitor is tried once. Sends no credentials of value.

A certificate of nobody's CA and old protocols are offered on purpose, to see them refused.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from wherry.aio.clock import Clock
from wherry.app.benchmark.facts import Door
from wherry.host import files, keys, selfsigned

SECONDS = 5.0
OLD = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1)
WEAK = (
    "AES128-GCM-SHA256", "AES256-GCM-SHA384", "AES128-SHA", "AES256-SHA256", "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA384", "ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES256-SHA384", "DES-CBC3-SHA",
)  # fmt: skip
"""Without forward secrecy or authenticated encryption."""


@dataclass(frozen=True, slots=True)
class Way:
    """Where the listener is, the name it must show, whose CA must vouch for it, and a path for those who may."""

    address: str
    port: int
    name: str
    authority: Path
    path: str


def try_door(way: Way, clock: Clock, token: str = "") -> Door:
    """Try every kind of visitor. `token`: of an account without rights."""
    return Door(
        address=f"{way.address}:{way.port}",
        verified=_unverified(way),
        nobody=_status(way, _context(way)),
        stranger=_stranger(way, clock),
        bystander=_status(way, _context(way), token) if token else None,
        weak=tuple(_weak(way)),
        plain=_plain(way),
    )


def plain_status(address: str, port: int, path: str) -> tuple[int, str]:
    """Status and body of a request without TLS; (0, "") when there is no answer."""
    connection = http.client.HTTPConnection(address, port, timeout=SECONDS)
    return _ask(connection, path)


def _plain(way: Way) -> bool:
    return plain_status(way.address, way.port, way.path)[0] in range(100, 400)


def _context(way: Way) -> ssl.SSLContext:
    return keys.client_context(way.authority, None)


def _unverified(way: Way) -> str:
    try:
        with _connected(way, _context(way)):
            return ""
    except OSError as error:
        return str(error)


@contextmanager
def _connected(way: Way, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    with (
        socket.create_connection((way.address, way.port), SECONDS) as raw,
        context.wrap_socket(raw, server_hostname=way.name) as tls,
    ):
        yield tls


class _Named(http.client.HTTPSConnection):
    """Goes to an address and asks for the certificate of a name."""

    def __init__(self, way: Way, context: ssl.SSLContext) -> None:
        super().__init__(way.address, way.port, timeout=SECONDS, context=context)
        self._way, self._tls = way, context

    def connect(self) -> None:
        raw = socket.create_connection((self._way.address, self._way.port), SECONDS)
        try:
            self.sock = self._tls.wrap_socket(raw, server_hostname=self._way.name)
        except OSError:
            raw.close()
            raise


def _status(way: Way, context: ssl.SSLContext, token: str = "") -> int:
    return _ask(_Named(way, context), way.path, {"Authorization": f"Bearer {token}"} if token else {})[0]


def _ask(connection: http.client.HTTPConnection, path: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
    try:
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read(1 << 20).decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return 0, ""
    finally:
        connection.close()


def _stranger(way: Way, clock: Clock) -> int:
    context = _context(way)
    with tempfile.TemporaryDirectory() as folder:
        pem = Path(folder) / "stranger.pem"
        files.write(pem, selfsigned.self_signed("kubernetes-admin", clock))
        context.load_cert_chain(pem)
    return _status(way, context)


def _weak(way: Way) -> Iterator[str]:
    for version in OLD:
        if _speaks(way, partial(_old, version)):
            yield version.name
    for cipher in WEAK:
        if _speaks(way, partial(_cipher, cipher)):
            yield cipher


def _old(version: ssl.TLSVersion, context: ssl.SSLContext) -> None:
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version


def _cipher(cipher: str, context: ssl.SSLContext) -> None:
    context.set_ciphers(f"{cipher}:@SECLEVEL=0")
    context.maximum_version = ssl.TLSVersion.TLSv1_2


def _speaks(way: Way, prepare: Callable[[ssl.SSLContext], None]) -> bool:
    context = keys.unverified_context()
    try:
        prepare(context)
        with _connected(way, context):
            return True
    except OSError:
        return False
