"""Reviewers: servers outside that are asked by posting a review (of a token, of access), found by kubeconfig.

TLS is verified, redirects are not followed, nothing is asked longer than `seconds`; a server that cannot be reached or
answers 429 or 5xx is asked again, ATTEMPTS times in all. https://kubernetes.io/docs/reference/access-authn-authz/webhook/
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from wherry.apiserver.kubeconfig import Outside, read
from wherry.apiserver.webhooks.client import show

ATTEMPTS = 3
PAUSE = 0.5
LIMIT = 1024 * 1024


class Unreachable(Exception):
    """The reviewer gave no usable answer."""


class Reviewer:
    """One of them. Raises ValueError (`key: what is wrong`) for a kubeconfig that cannot work."""

    def __init__(self, kubeconfig: Path, seconds: float) -> None:
        outside = read(kubeconfig)
        self._url = outside.url
        self._context = _context(kubeconfig, outside)
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if outside.token:
            self._headers["Authorization"] = f"Bearer {outside.token}"
        self._seconds = seconds
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, review: Mapping[str, Any]) -> Mapping[str, Any]:
        """The status of the review. Raises Unreachable."""
        problem = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(PAUSE * 1.5**attempt)
            try:
                code, answer = await self._post(msgspec.json.encode(review))
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                problem = str(error) or "timed out"
                continue
            if 200 <= code < 300 and isinstance(answer.get("status"), dict):
                return dict(answer["status"])
            problem = f"it answers {code}"
            if code != 429 and code < 500:
                break
        raise Unreachable(f"{self._url}: {problem}")

    async def _post(self, body: bytes) -> tuple[int, Mapping[str, Any]]:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._context),
                timeout=aiohttp.ClientTimeout(total=self._seconds),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        async with self._session.post(self._url, data=body, headers=self._headers, allow_redirects=False) as response:
            raw = await response.content.read(LIMIT)
            try:
                found = msgspec.json.decode(raw)
            except msgspec.DecodeError:
                return response.status, {}
            return response.status, found if isinstance(found, dict) else {}

    async def close(self) -> None:
        """Close connections."""
        if self._session is not None:
            await self._session.close()


def _context(path: Path, outside: Outside) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=outside.ca.decode("ascii") or None)
        if outside.pair:
            show(context, outside.pair)
    except (ssl.SSLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: a certificate or key is not PEM: {error}; replace it") from None
    return context
