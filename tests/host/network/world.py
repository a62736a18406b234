"""A node in a network namespace of its own, with pods wired by the real plugins, and a client outside.

`World.run` runs a coroutine on a fresh loop in a thread that is in the node's namespace. Everything is removed by
`World.close`: namespaces, their links and the processes started here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, TypeVar

from wherry.api.core.node import NODE
from wherry.api.core.service import SERVICE
from wherry.api.discovery.endpointslice import ENDPOINTSLICE
from wherry.api.types.core import Node, NodeAddress, NodeSpec, NodeStatus, ObjectReference, Service, ServicePort
from wherry.api.types.core import ServiceSpec as Spec
from wherry.api.types.discovery import Endpoint, EndpointConditions, EndpointPort, EndpointSlice
from wherry.client.interface import ALL, Event, Listing, Select
from wherry.host import links, netns
from wherry.machinery.errors import NotFound
from wherry.machinery.meta import Key, Object, ObjectMeta, key_of
from wherry.machinery.resource import Resource
from wherry.network import cni

R = TypeVar("R")
SUBNET = IPv4Network("10.244.1.0/24")
OUTSIDE = "192.168.77.1"
NODE_ADDRESS = "192.168.77.2"

SERVER = """
import socket, socketserver, sys, threading
name = sys.argv[1].encode()
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while line := self.request.recv(1000):
            self.request.sendall(name + b" " + self.client_address[0].encode() + b"\\n")
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
tcp = Server(("0.0.0.0", 8080), Echo)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("0.0.0.0", 8081))
def datagrams():
    while True:
        _, sender = udp.recvfrom(1000)
        udp.sendto(name + b" " + sender[0].encode(), sender)
threading.Thread(target=datagrams, daemon=True).start()
print("listening", flush=True)
tcp.serve_forever()
"""

ASK = """
import socket, sys
protocol, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
with socket.socket(socket.AF_INET, kind) as s:
    s.settimeout(2)
    try:
        s.connect((host, port))
        s.send(b"?")
        print(s.recv(1000).decode().strip())
    except OSError as error:
        print(type(error).__name__)
"""


class Feed:
    """A client whose watches deliver what the test puts."""

    def __init__(self) -> None:
        self._objects: dict[Resource[Any], dict[Key, Object]] = {}
        self._queues: dict[Resource[Any], list[asyncio.Queue[Event[Any]]]] = {}
        self.revision = 10

    def put(self, resource: Resource[Any], obj: Object) -> None:
        self.revision += 1
        known = self._objects.setdefault(resource, {})
        kind = "MODIFIED" if key_of(obj) in known else "ADDED"
        known[key_of(obj)] = obj
        self._send(resource, Event(kind, resource, obj, self.revision))  # type: ignore[arg-type]  # one of two literals

    def drop(self, resource: Resource[Any], key: Key) -> None:
        self.revision += 1
        self._send(resource, Event("DELETED", resource, self._objects[resource].pop(key), self.revision))

    async def get(self, resource: Resource[Any], key: Key) -> Any:
        found = self._objects.get(resource, {}).get(key)
        if found is None:
            raise NotFound(f"{resource} {key}")
        return found

    async def list(self, resource: Resource[Any], select: Select = ALL) -> Listing[Any]:
        return Listing(tuple(self._objects.get(resource, {}).values()), self.revision)

    def _send(self, resource: Resource[Any], event: Event[Any]) -> None:
        for other, queues in self._queues.items():
            for queue in queues:
                queue.put_nowait(event if other is resource else Event("BOOKMARK", other, None, self.revision))

    async def watch(
        self, resource: Resource[Any], select: Select = ALL, since: int | None = None
    ) -> AsyncIterator[Event[Any]]:
        queue: asyncio.Queue[Event[Any]] = asyncio.Queue()
        self._queues.setdefault(resource, []).append(queue)
        for obj in list(self._objects.get(resource, {}).values()):
            yield Event("ADDED", resource, obj, self.revision)
        yield Event("SYNCED", resource, None, self.revision)
        while True:
            yield await queue.get()


@dataclass
class Pod:
    """A pod: a namespace with one server."""

    name: str
    netns: str
    address: str
    server: subprocess.Popen[str]
    environment: dict[str, str]


@dataclass
class World:
    """Node, pods, outside."""

    prefix: str
    folder: Path
    pods: list[Pod] = field(default_factory=list)
    spaces: list[str] = field(default_factory=list)

    @property
    def node(self) -> str:
        return f"{self.prefix}-node"

    @property
    def outside(self) -> str:
        return f"{self.prefix}-out"

    def open(self) -> None:
        for name in (self.node, self.outside):
            self.spaces.append(name)
            netns.create(name)
        links.ip(["link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", self.outside], self.node)
        for name, address in ((self.node, NODE_ADDRESS), (self.outside, OUTSIDE)):
            links.ip(["address", "add", f"{address}/24", "dev", "eth0"], name)
            links.ip(["link", "set", "eth0", "up"], name)
        for _ in range(3):
            self.add_pod()

    def close(self) -> None:
        for pod in self.pods:
            pod.server.kill()
            pod.server.wait()
            if pod.server.stdout:
                pod.server.stdout.close()
        for name in self.spaces:
            netns.delete(name)

    def add_pod(self) -> Pod:
        name = f"p{len(self.pods)}"
        space = f"{self.prefix}-{name}"
        self.spaces.append(space)
        netns.create(space)
        address, environment = self._wire(space)
        command = netns.argv(space, [sys.executable, "-c", SERVER, name])
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert server.stdout is not None
        assert server.stdout.readline().strip() == "listening"
        pod = Pod(name, space, address, server, environment)
        self.pods.append(pod)
        return pod

    def _wire(self, space: str) -> tuple[str, dict[str, str]]:
        plugins = cni.plugin_folder()
        assert plugins is not None
        conf = json.loads(cni.conflist(SUBNET, 1400, self.folder / "leases"))
        plugin = {"cniVersion": conf["cniVersion"], "name": conf["name"], **conf["plugins"][0]}
        environment = {
            **os.environ, "CNI_COMMAND": "ADD", "CNI_CONTAINERID": space, "CNI_NETNS": str(netns.path(space)),
            "CNI_IFNAME": "eth0", "CNI_PATH": str(plugins),
        }  # fmt: skip
        command = netns.argv(self.node, [str(plugins / plugin["type"])])
        done = subprocess.run(
            command, input=json.dumps(plugin), env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)["ips"][0]["address"].split("/")[0], environment

    def ask(self, space: str, protocol: str, host: str, port: int) -> str:
        """What a server answers ("pod client-address"), or the name of the error."""
        command = netns.argv(space, [sys.executable, "-c", ASK, protocol, host, str(port)])
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    async def asked(self, space: str, protocol: str, host: str, port: int) -> str:
        return await asyncio.to_thread(self.ask, space, protocol, host, port)

    def run(self, main: Callable[[], Awaitable[R]], space: str = "") -> R:
        """Run `main()` on a loop of its own in the node's namespace (or `space`)."""
        box: list[R] = []
        failure: list[BaseException] = []

        async def whole() -> R:
            async with asyncio.timeout(60):
                return await main()

        def body() -> None:
            try:
                with netns.entered(space or self.node):
                    box.append(asyncio.run(whole()))
            except BaseException as error:  # noqa: BLE001 - raised again in the test's thread
                failure.append(error)

        thread = threading.Thread(target=body)
        thread.start()
        thread.join()
        if failure:
            raise failure[0]
        return box[0]


@contextlib.contextmanager
def world(prefix: str) -> Iterator[World]:
    """A fresh world, removed afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        place = World(prefix, Path(folder))
        try:
            place.open()
            yield place
        finally:
            place.close()


def hooks(table: str) -> dict[str, str]:
    """The kernel's own numbers of a table and of its chains with a hook: other ones when they were made anew."""
    argv = ["nft", "-a", "-t", "list", "table", "ip", table]
    listing = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    return dict(
        re.findall(r"^(table ip \w+) \{ # handle (\d+)$", listing, re.MULTILINE)
        + re.findall(r"chain (\w+) \{ # handle (\d+)\n\t\ttype ", listing)
    )


def node(name: str = "n1", subnet: str = str(SUBNET), address: str = NODE_ADDRESS) -> Node:
    return Node(
        metadata=ObjectMeta(name=name),
        spec=NodeSpec(pod_cidr=subnet, pod_cidrs=(subnet,)),
        status=NodeStatus(addresses=(NodeAddress(type="InternalIP", address=address),)),
    )


def service(name: str, ip: str, **spec: Any) -> Service:
    ports = spec.pop("ports", (ServicePort(name="http", port=80, protocol="TCP", node_port=spec.pop("node_port", 0)),))
    return Service(
        metadata=ObjectMeta(name=name, namespace="d"),
        spec=Spec(cluster_ip=ip, cluster_ips=(ip,), ports=ports, type=spec.pop("type", "ClusterIP"), **spec),
    )


def slice_of(name: str, pods: list[Pod], **conditions: bool) -> EndpointSlice:
    endpoints = tuple(
        Endpoint(
            addresses=(pod.address,),
            conditions=EndpointConditions(**conditions),
            node_name="n1",
            target_ref=ObjectReference(kind="Pod", name=pod.name, namespace="d", uid=pod.name),
        )
        for pod in pods
    )
    return EndpointSlice(
        metadata=ObjectMeta(name=f"{name}-1", namespace="d", labels={"kubernetes.io/service-name": name}),
        address_type="IPv4",
        endpoints=endpoints,
        ports=(
            EndpointPort(name="http", port=8080, protocol="TCP"),
            EndpointPort(name="udp", port=8081, protocol="UDP"),
        ),
    )


RESOURCES: tuple[Resource[Any], ...] = (SERVICE, ENDPOINTSLICE, NODE)
