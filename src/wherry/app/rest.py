"""A small blocking API client for commands: the standard library's HTTP over TLS, as kubernetes-admin.

Commands start faster with it than with the event loop and its client. On a machine that has joined a cluster, it is the
node's agent that asks.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from wherry.app.config import Config
from wherry.host import keys
from wherry.host.pairs import Pair, pair


class ApiUnreachable(Exception):
    """Nobody answers; the text says why."""


class ApiRefused(Exception):
    """The API answered with an error; `status` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Target:
    """An API server and how we show who we are: a certificate, or a bearer token. `authority`: file with its CA."""

    server: str
    authority: Path
    own: Pair | None = None
    token: str = field(default="", repr=False)


def target_of(config: Config) -> Target:
    """This machine's cluster, as kubernetes-admin, or as the node where the server is elsewhere."""
    if not config.join:
        return Target(config.api_url(), config.authority, pair(config.pki, "admin"))
    name = config.machines()[0].name
    return Target(config.api_url(), config.authority, config.node_pair(name, "client"))


class Rest:
    """Requests to an API server, by default this machine's, one connection each."""

    def __init__(self, of: Config | Target, *, timeout: float = 10.0) -> None:
        self._target = of if isinstance(of, Target) else target_of(of)
        self._timeout = timeout

    def text(self, path: str, method: str = "GET", body: bytes | None = None, content: str = "application/json") -> str:
        """The answer's body. Raises ApiUnreachable, ApiRefused."""
        url = urlsplit(self._target.server)
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = content
        if self._target.token:
            headers["Authorization"] = f"Bearer {self._target.token}"
        try:
            context = keys.client_context(self._target.authority, self._target.own)
            connection = http.client.HTTPSConnection(
                url.hostname or "", url.port, timeout=self._timeout, context=context
            )
            try:
                connection.request(method, path, body, headers)
                answer = connection.getresponse()
                content = answer.read().decode(errors="replace")
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as error:
            raise ApiUnreachable(f"{self._target.server} does not answer: {error}") from error
        if answer.status >= 400:
            raise ApiRefused(answer.status, _message(content) or answer.reason)
        return content

    def get(self, path: str) -> dict[str, Any]:
        """A JSON object. Raises ApiUnreachable, ApiRefused."""
        answer = json.loads(self.text(path))
        if not isinstance(answer, dict):
            raise ApiRefused(500, f"{path}: not an object")
        return answer

    def send(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, content: str = "application/json"
    ) -> dict[str, Any]:
        """Send a JSON object; the one that is answered. Raises ApiUnreachable, ApiRefused."""
        encoded = None if body is None else json.dumps(body).encode()
        answer: dict[str, Any] = json.loads(self.text(path, method, encoded, content))
        return answer

    def items(self, path: str) -> list[dict[str, Any]]:
        """The items of a list. Raises ApiUnreachable, ApiRefused."""
        return list(self.get(path).get("items") or ())


def _message(content: str) -> str:
    try:
        return str(json.loads(content).get("message", ""))
    except (ValueError, AttributeError):
        return content.strip()
