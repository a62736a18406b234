"""Backends: what a request can be sent to, and how it is treated on its way."""

from __future__ import annotations

from typing import Literal, NamedTuple

from wherry.machinery.meta import Key

Protocol = Literal["http", "https", "proxy", "h2c"]


class Endpoint(NamedTuple):
    """Where a request can go."""

    ip: str
    port: int


class Options(NamedTuple):
    """What annotations ask for. `hold` and `timeout` in seconds (0: none, the usual), `body` in bytes (0: any)."""

    hold: int = 0
    timeout: int = 0
    body: int = 0
    to_https: bool = False
    protocol: Protocol = "http"


PLAIN = Options()


class Backend(NamedTuple):
    """A port of a Service, with how it is to be treated."""

    service: Key
    port: str
    options: Options

    @property
    def name(self) -> str:
        """What people are shown."""
        return f"{self.service}:{self.port}"
