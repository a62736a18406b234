"""A running API server and a client over real HTTPS."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from tests.support.apiserver import Running, running_apiserver


@dataclass(slots=True)
class Answered:
    """What the server answered."""

    code: int
    body: Any
    headers: Mapping[str, str]

    @property
    def message(self) -> str:
        """The message of a Status."""
        return str(self.body.get("message", ""))


@dataclass(slots=True)
class Http:
    """Requests as the administrator, or as nobody."""

    running: Running
    session: aiohttp.ClientSession

    async def __call__(
        self, method: str, path: str, body: object = None, content: str = "application/json", **headers: str
    ) -> Answered:
        raw_body = body if isinstance(body, (bytes, type(None))) else msgspec.json.encode(body)
        data = None if raw_body is None else io.BytesIO(raw_body)
        sent = {"Content-Type": content, **{k.replace("_", "-"): v for k, v in headers.items()}}
        async with self.session.request(method, self.running.url + path, data=data, headers=sent) as response:
            raw = await response.read()
            try:
                decoded: Any = msgspec.json.decode(raw) if raw else None
            except msgspec.DecodeError:
                decoded = raw
            return Answered(response.status, decoded, response.headers)


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    """A started server."""
    async with running_apiserver(tmp_path) as server:
        yield server


@pytest.fixture
async def http(running: Running) -> AsyncIterator[Http]:
    """The administrator's client; namespace `demo` with its default account is there."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=running.tls())) as session:
        client = Http(running, session)
        assert (await client("POST", "/api/v1/namespaces", {"metadata": {"name": "demo"}})).code == 201
        account = {"metadata": {"name": "default"}}
        assert (await client("POST", "/api/v1/namespaces/demo/serviceaccounts", account)).code == 201
        yield client
