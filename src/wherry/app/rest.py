"""A small blocking API client for commands: the standard library's HTTP over TLS, as kubernetes-admin.

Commands start faster with it than with the event loop and its client, and need no more than GET and POST.
"""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from wherry.app.config import Config
from wherry.host import keys
from wherry.host.pairs import pair


class ApiUnreachable(Exception):
    """Nobody answers; the text says why."""


class ApiRefused(Exception):
    """The API answered with an error; `status` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Rest:
    """Requests to this machine's API server, one connection each."""

    def __init__(self, config: Config, *, timeout: float = 10.0) -> None:
        self._config = config
        self._timeout = timeout
        self._pki = pair(config.pki, "admin")

    def text(self, path: str, method: str = "GET", body: bytes | None = None) -> str:
        """The answer's body. Raises ApiUnreachable, ApiRefused."""
        url = urlsplit(self._config.api_url())
        try:
            context = keys.client_context(self._config.pki / "ca.crt", self._pki)
            connection = http.client.HTTPSConnection(
                url.hostname or "", url.port, timeout=self._timeout, context=context
            )
            try:
                connection.request(method, path, body, {"Accept": "application/json"})
                answer = connection.getresponse()
                content = answer.read().decode(errors="replace")
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as error:
            raise ApiUnreachable(f"{self._config.api_url()} does not answer: {error}") from error
        if answer.status >= 400:
            raise ApiRefused(answer.status, _message(content) or answer.reason)
        return content

    def get(self, path: str) -> dict[str, Any]:
        """A JSON object. Raises ApiUnreachable, ApiRefused."""
        answer = json.loads(self.text(path))
        if not isinstance(answer, dict):
            raise ApiRefused(500, f"{path}: not an object")
        return answer

    def items(self, path: str) -> list[dict[str, Any]]:
        """The items of a list. Raises ApiUnreachable, ApiRefused."""
        return list(self.get(path).get("items") or ())


def _message(content: str) -> str:
    try:
        return str(json.loads(content).get("message", ""))
    except (ValueError, AttributeError):
        return content.strip()
