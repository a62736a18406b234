"""Reviewers: servers outside that are asked by posting a review (of a token, of access), found by kubeconfig.

TLS is verified, redirects are not followed, nothing is asked longer than `seconds`; a server that cannot be reached or
answers 429 or 5xx is asked again, ATTEMPTS times in all. https://kubernetes.io/docs/reference/access-authn-authz/webhook/
"""

from __future__ import annotations

import asyncio
import base64
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import yaml

ATTEMPTS = 3
PAUSE = 0.5
LIMIT = 1024 * 1024


class Unreachable(Exception):
    """The reviewer gave no usable answer."""


class Reviewer:
    """One of them. Raises ValueError (`key: what is wrong`) for a kubeconfig that cannot work."""

    def __init__(self, kubeconfig: Path, seconds: float) -> None:
        content = _content(kubeconfig)
        cluster, user = _selected(content, kubeconfig)
        self._url = str(cluster.get("server", ""))
        if not self._url.startswith("https://"):
            raise ValueError(f"{kubeconfig}: clusters.cluster.server: {self._url!r} is no https URL; write one")
        self._context = _context(kubeconfig, cluster, user)
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        token = str(user.get("token", "")) or _file(kubeconfig, user, "tokenFile").decode().strip()
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
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


def _content(path: Path) -> Mapping[str, Any]:
    try:
        found = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}; name a kubeconfig file") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: not YAML: {error}; correct it") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path}: not a kubeconfig; give clusters, users and contexts")  # noqa: TRY004 - it is a file's fault
    return found


def _selected(content: Mapping[str, Any], path: Path) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The cluster and user of the current context, or the only ones."""

    def one(plural: str, singular: str, name: str) -> Mapping[str, Any]:
        entries = [e for e in content.get(plural) or () if isinstance(e, dict)]
        found = next((e for e in entries if e.get("name") == name), entries[0] if entries and not name else None)
        return (found or {}).get(singular) or {}

    context = one("contexts", "context", str(content.get("current-context") or ""))
    cluster = one("clusters", "cluster", str(context.get("cluster") or ""))
    if not cluster:
        raise ValueError(f"{path}: clusters: there is none; say which server to ask")
    return cluster, one("users", "user", str(context.get("user") or ""))


def _file(path: Path, entry: Mapping[str, Any], key: str) -> bytes:
    name = entry.get(key)
    if not name:
        return b""
    try:
        return (path.parent / str(name)).read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: {key}: {name}: {error.strerror}; name a file that can be read") from None


def _pem(path: Path, entry: Mapping[str, Any], key: str) -> bytes:
    inline = entry.get(f"{key}-data")
    try:
        return base64.b64decode(str(inline), validate=True) if inline else _file(path, entry, key)
    except ValueError as error:
        raise ValueError(f"{path}: {key}-data: {error}; it must be base64") from None


def _context(path: Path, cluster: Mapping[str, Any], user: Mapping[str, Any]) -> ssl.SSLContext:
    if cluster.get("insecure-skip-tls-verify"):
        raise ValueError(f"{path}: insecure-skip-tls-verify: TLS is always verified; give certificate-authority")
    try:
        authority = _pem(path, cluster, "certificate-authority").decode("ascii")
        context = ssl.create_default_context(cadata=authority or None)
        certificate, key = _pem(path, user, "client-certificate"), _pem(path, user, "client-key")
        if certificate and key:
            with tempfile.NamedTemporaryFile() as pair:  # 0600; ssl reads keys from files only
                pair.write(certificate + b"\n" + key)
                pair.flush()
                context.load_cert_chain(pair.name)
    except (ssl.SSLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: a certificate or key is not PEM: {error}; replace it") from None
    return context
