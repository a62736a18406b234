"""A real HAProxy that serves Gateways and routes, with servers behind it that tell what they were asked."""

from __future__ import annotations

import http.client
import http.server
import json
import socket
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from wherry.aio.clock import SystemClock
from wherry.api.gateway.addresses import NOTE, OWN
from wherry.api.gateway.kinds import Gateway, GatewayClass, GatewayClassSpec, HTTPRoute
from wherry.api.gateway.world import CONTROLLER, World
from wherry.api.networking.ingress_claims import Place
from wherry.api.types.core import Service, ServicePort, ServiceSpec
from wherry.api.types.networking import Ingress
from wherry.host import files, users
from wherry.host.haproxy import Haproxy
from wherry.host.selfsigned import self_signed
from wherry.machinery.codec import from_dict
from wherry.machinery.meta import Key, ObjectMeta, OwnerReference
from wherry.network.ingress import mirrors
from wherry.network.ingress.backends import Backend, Endpoint
from wherry.network.ingress.config import Shape, render
from wherry.network.ingress.gateways import asked
from wherry.network.ingress.maps import FILES, NO_RULES, Desk, Wanted, commands, text
from wherry.network.ingress.routes import Picture

Json = dict[str, Any]
NAMES = ("one", "two", "three")
SEEN: dict[str, list[tuple[str, str, dict[str, str], bytes]]] = {}
"""What each server was asked: method, path, headers, body."""
OWN_ADDRESS = "127.0.0.2"


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        name = self.server.server_name  # type: ignore[attr-defined]  # set below
        headers = {key.lower(): value for key, value in self.headers.items()}
        sent = self.rfile.read(int(headers.get("content-length", 0)))
        SEEN.setdefault(name, []).append((self.command, self.path, headers, sent))
        body = json.dumps({"name": name, "path": self.path, "method": self.command, "headers": headers}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Server", name)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET

    def log_message(self, *args: object) -> None:
        """Nothing."""


class Echoing(http.server.ThreadingHTTPServer):
    """A proxy that breaks off a kept connection is no error of it."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Tell of everything else."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def backends() -> Iterator[dict[str, int]]:
    """Servers by name, with their ports."""
    servers = {}
    for name in NAMES:
        servers[name] = Echoing(("127.0.0.1", 0), Echo)
        servers[name].server_name = name
        threading.Thread(target=servers[name].serve_forever, daemon=True).start()
    yield {name: server.server_port for name, server in servers.items()}
    for server in servers.values():
        server.shutdown()
        server.server_close()


def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found: int = listener.getsockname()[1]
        return found


class Entry:
    """HAProxy with what Gateways ask; the parts that the real entry puts together."""

    def __init__(self, folder: Path, ports: dict[str, int]) -> None:
        self.shape = Shape(folder, http=port(), https=port(), user=users.first("haproxy", "nobody"))
        self.haproxy = Haproxy(folder)
        self.ports = ports
        self.desk = Desk()
        self.shown = Wanted({name: {} for name in FILES}, {}, NO_RULES)
        self.began = 0
        self.ingress: dict[Place, Backend] = {}
        self.owners: dict[Place, Ingress] = {}
        self.problems: dict[Key, list[str]] = {}

    async def show(self, *routes: Json, listeners: list[Json] | None = None) -> None:
        """Gateway `g` on the nodes' addresses; `own` on 127.0.0.2, with the same listeners."""
        listeners = listeners or [{"name": "http", "port": self.shape.http, "protocol": "HTTP"}]
        gateways = {
            Key("d", name): from_dict(
                Gateway,
                {
                    "metadata": {"name": name, "namespace": "d", "uid": name},
                    "spec": {"gatewayClassName": of, "listeners": listeners},
                },
            )
            for name, of in (("g", "w"), ("own", "o"))
        }
        spec = GatewayClassSpec(controller_name=CONTROLLER)
        owner = OwnerReference(kind="Gateway", name="own", uid="own", controller=True)
        address = Service(
            metadata=ObjectMeta(name="own-o", namespace="d", owner_references=(owner,)),
            spec=ServiceSpec(cluster_ip=OWN_ADDRESS),
        )
        served = [from_dict(HTTPRoute, one) for one in routes]
        world = World(
            classes={
                "w": GatewayClass(spec=spec),
                "o": GatewayClass(metadata=ObjectMeta(name="o", annotations={NOTE: OWN}), spec=spec),
            },
            gateways=gateways,
            routes={Key("d", one.metadata.name): one for one in served},
            services={
                Key("d", name): Service(
                    metadata=ObjectMeta(name=name, namespace="d"), spec=ServiceSpec(ports=(ServicePort(port=80),))
                )
                for name in (*NAMES, "empty")
            }
            | {Key("d", "own-o"): address},
        )
        found, picture = asked(world), Picture(routes=self.ingress, owners=self.owners)
        for backend in (*found.backends, *self.ingress.values()):
            name = backend.service.name
            picture.endpoints[backend] = (Endpoint("127.0.0.1", self.ports[name]),) if name in self.ports else ()
        found.add_to(picture)
        self.problems = picture.problems
        wanted = self.desk.wanted(picture, {})
        if not self.began or wanted.ruled != self.shown.ruled or self.desk.grown:
            await self.begin(wanted)
        else:
            paths = {name: str(self.shape.map(name)) for name in FILES}
            await self.haproxy.tell(commands(self.shown, wanted, paths))
        self.shown = wanted

    async def begin(self, wanted: Wanted) -> None:
        for name in FILES:
            files.write_if_changed(self.shape.map(name), text(wanted.maps[name]).encode())
        default = self.shape.folder / "default.pem"
        if not default.exists():
            files.write_if_changed(default, self_signed("wherry", SystemClock()))
        files.write_if_changed(self.shape.folder / mirrors.FILE, mirrors.script(self.shape.folder).encode())
        files.write_if_changed(self.shape.certificates, f"{default}\n".encode())
        written = render(self.shape, self.desk.size, wanted.servers, wanted.ruled)
        files.write_if_changed(self.shape.file, written.encode())
        await (self.haproxy.reload() if self.began else self.haproxy.start())
        self.began += 1
        self.desk.grown = False

    def ask(
        self,
        path: str = "/",
        host: str = "a.test",
        method: str = "GET",
        at: str = "127.0.0.1",
        body: str = "",
        **headers: str,
    ) -> tuple[int, Json, Json]:
        """Status, what was echoed, and the answer's headers."""
        connection = http.client.HTTPConnection(at, self.shape.http, timeout=10)
        try:
            connection.putrequest(method, path, skip_host=True)
            sent = {"Host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
            for name, value in sent.items():
                connection.putheader(name, value)
            if body:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body.encode() or None)
            answer = connection.getresponse()
            text = answer.read()
            echoed = json.loads(text) if answer.headers.get("X-Server") or text.startswith(b"{") else {}
            return answer.status, echoed, {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()

    def who(
        self, path: str = "/", host: str = "a.test", method: str = "GET", at: str = "127.0.0.1", **headers: str
    ) -> object:
        """The name of the server that answered, else the status."""
        status, echoed, _ = self.ask(path, host, method, at, **headers)
        return echoed.get("name", status)


@pytest.fixture
async def entry(tmp_path: Path, backends: dict[str, int]) -> AsyncIterator[Entry]:
    made = Entry(tmp_path, backends)
    yield made
    await made.haproxy.stop()


def route(name: str, *rules: Json, age: int = 0, **spec: Any) -> Json:
    meta = {"name": name, "namespace": "d", "creationTimestamp": f"2026-01-01T00:00:{age:02}Z"}
    return {"metadata": meta, "spec": {"parentRefs": [{"name": "g"}], "rules": list(rules), **spec}}


def rule(to: str | None, *matches: Json, filters: list[Json] | None = None, **more: Any) -> Json:
    refs = {} if to is None else {"backendRefs": [{"name": to, "port": 80}]}
    return {**refs, **({"matches": list(matches)} if matches else {}), "filters": filters or [], **more}


def path(value: str, kind: str = "PathPrefix") -> Json:
    return {"path": {"type": kind, "value": value}}
