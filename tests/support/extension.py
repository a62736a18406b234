"""A small API server of somebody else's, for tests of aggregation: real TLS, believes the front proxy and nobody else.

It serves wardle.example.com/v1alpha1 `flunders` from memory, with watches, and notes every request it gets.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from tests.support.behind_proxy import behind_proxy

GROUP, VERSION = "wardle.example.com", "v1alpha1"
ROOT = f"/apis/{GROUP}/{VERSION}"
RESOURCES = [
    {"name": "flunders", "singularName": "flunder", "namespaced": True, "kind": "Flunder", "shortNames": ["fl"],
     "verbs": ["create", "delete", "get", "list", "watch"]},
    {"name": "flunders/status", "singularName": "", "namespaced": True, "kind": "Flunder", "verbs": ["get"]},
]  # fmt: skip
DOCUMENTS: dict[str, object] = {
    ROOT: {
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": f"{GROUP}/{VERSION}", "resources": RESOURCES,
    },
    "/openapi/v2": {
        "swagger": "2.0",
        "paths": {
            f"{ROOT}/flunders": {
                "get": {"responses": {"200": {"schema": {"$ref": "#/definitions/Flunder"}}}},
                "parameters": [{"$ref": "#/parameters/pretty-1"}],
            },
        },
        "parameters": {"pretty-1": {"name": "pretty", "in": "query", "type": "string"}},
        "definitions": {"Flunder": {"type": "object", "description": "a flunder"}},
    },
    "/openapi/v3": {"paths": {f"apis/{GROUP}/{VERSION}": {"serverRelativeURL": f"/openapi/v3{ROOT}?hash=1"}}},
    f"/openapi/v3{ROOT}": {"openapi": "3.0.0", "paths": {}, "components": {"schemas": {"Flunder": {}}}},
}  # fmt: skip


async def _away(_: web.Request) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": "http://169.254.169.254/latest"})


async def _refuse(_: web.Request) -> web.StreamResponse:
    return web.Response(status=400, text="no upgrade here")


async def _echo(request: web.Request) -> web.StreamResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(f"echo {message.data}")
    return socket


ODD = {"away": _away, "refuse": _refuse, "echo": _echo}


@dataclass(slots=True)
class Seen:
    """One request as it came."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    client: str

    def all(self, name: str) -> list[str]:
        """Every value of a header, in any spelling that some server might take for it."""
        plain = name.lower().replace("_", "-")
        return [value for key, value in self.headers if key.lower().replace("_", "-") == plain]


@dataclass
class Extension:
    """`broken`: answers 500 to everything. `watched` and `idle` say whether somebody watches."""

    port: int = 0
    broken: bool = False
    seen: list[Seen] = field(default_factory=list)
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    watchers: list[asyncio.Queue[dict[str, Any]]] = field(default_factory=list)
    watched: asyncio.Event = field(default_factory=asyncio.Event)
    idle: asyncio.Event = field(default_factory=asyncio.Event)

    def requests(self) -> list[Seen]:
        """What was asked on somebody's behalf; probes left out."""
        return [
            one
            for one in self.seen
            if one.all("x-remote-user") not in (["system:kube-aggregator"], ["system:aggregator"])
        ]

    async def handle(self, request: Any) -> web.StreamResponse:
        """Everything."""
        certificate = request.transport.get_extra_info("peercert") if request.transport else {}
        names = [pair[1] for part in certificate.get("subject", ()) for pair in part]
        headers = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in request.raw_headers]
        self.seen.append(Seen(request.method, request.raw_path, headers, names[-1] if names else ""))
        if self.broken:
            return web.Response(status=500, text="broken")
        if request.path in DOCUMENTS:
            return _json(DOCUMENTS[request.path])
        name = request.path.rpartition("/")[2]
        if name in ODD:
            return await ODD[name](request)
        if request.method == "POST":
            return self._create(msgspec.json.decode(await request.read()))
        if request.query.get("watch"):
            return await self._watch(request)
        return self._read(name)

    def _read(self, name: str) -> web.Response:
        if name == "flunders":
            return _json({"kind": "FlunderList", "metadata": {}, "items": list(self.objects.values())})
        found = self.objects.get(name)
        return _json(found) if found else _json({"kind": "Status", "status": "Failure", "code": 404}, 404)

    def _create(self, body: dict[str, Any]) -> web.Response:
        self.objects[body["metadata"]["name"]] = body
        for queue in self.watchers:
            queue.put_nowait({"type": "ADDED", "object": body})
        return _json(body, 201)

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.watchers.append(queue)
        self.watched.set()
        try:
            while True:
                await response.write(msgspec.json.encode(await queue.get()) + b"\n")
        finally:
            self.watchers.remove(queue)
            self.idle.set()


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")


@asynccontextmanager
async def extension(certificate: Path, key: Path, proxies: Path) -> AsyncIterator[Extension]:
    """Serve on a free port of localhost; clients must have a certificate of `proxies`."""
    server = Extension()
    async with behind_proxy(server.handle, certificate, key, proxies) as server.port:
        yield server
