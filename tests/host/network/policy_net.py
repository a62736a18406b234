"""Two nodes and their pods as network namespaces, without containers, and every connection between them in one go.

Pods are wired as the plugin `ptp` does it: each by a link of its own, with the node as its router. All sockets are made
in this process, each in its namespace; a probe counts as through when its connection is there or its packet arrives.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from tests.support.policy_cluster import HOSTS, NODES, OUTSIDE, PORTS, Probe
from tests.support.policy_twin import End
from wherry.host import links, netns, nft

R = TypeVar("R")
SCTP = 132
ALL = (*HOSTS.values(), OUTSIDE)
PATIENCE = 1.5
"""Seconds until a packet that should come is given up."""
QUIET = 0.06
"""Seconds to wait for packets that should not come."""


@dataclass
class Listening:
    """What stands open in one namespace."""

    tcp: list[socket.socket]
    udp: list[socket.socket]
    sctp: socket.socket

    def close(self) -> None:
        """All of it."""
        for one in (*self.tcp, *self.udp, self.sctp):
            one.close()


@dataclass
class Net:
    """The namespaces. `at(node, work)` runs `work` in a node's namespace, always in the same thread."""

    prefix: str
    spaces: dict[str, str] = field(default_factory=dict)
    """Namespace by address."""
    workers: dict[str, ThreadPoolExecutor] = field(default_factory=dict)
    listening: dict[str, Listening] = field(default_factory=dict)
    stays: dict[str, contextlib.AbstractContextManager[None]] = field(default_factory=dict)
    """Each worker's stay in its namespace, ended by the worker itself: forgotten ones end in whatever thread collects
    garbage, and move that one."""
    number: int = 0

    def open(self, pods: Sequence[End]) -> None:
        wire = self._space("wire", "")
        links.ip(["link", "add", "br0", "type", "bridge"], wire)
        links.ip(["link", "set", "br0", "up"], wire)
        for number, end in enumerate(ALL):
            space = self._space(end.node or "out", end.address)
            links.ip(["link", "add", f"w{number}", "type", "veth", "peer", "name", "eth0", "netns", space], wire)
            links.ip(["link", "set", f"w{number}", "master", "br0", "up"], wire)
            links.ip(["address", "add", f"{end.address}/24", "dev", "eth0"], space)
            links.ip(["link", "set", "eth0", "up"], space)
            for node in NODES:
                if node != end.node:
                    links.ip(["route", "add", f"10.244.{node[1]}.0/24", "via", HOSTS[node].address], space)
        for node in NODES:
            self.workers[node] = ThreadPoolExecutor(1, initializer=self._enter, initargs=(HOSTS[node].address,))
            self.at(node, lambda: links.switch("ipv4/ip_forward", "1"))
        for number, pod in enumerate(pods):
            self._wire(pod, number)
        for address, space in self.spaces.items():
            if address:
                with netns.entered(space):
                    self.listening[address] = _listen()

    def _enter(self, address: str) -> None:
        self.stays[address] = stay = netns.entered(self.spaces[address])
        stay.__enter__()

    def _space(self, name: str, address: str) -> str:
        space = f"{self.prefix}-{name}"
        self.spaces[address] = space
        netns.create(space)
        return space

    def _wire(self, pod: End, number: int) -> None:
        node, space = self.spaces[HOSTS[pod.node].address], self._space(f"p{number}", pod.address)
        gateway = f"10.244.{pod.node[1]}.1"
        links.ip(["link", "add", f"veth{number}", "type", "veth", "peer", "name", "eth0", "netns", space], node)
        links.ip(["address", "add", f"{gateway}/32", "dev", f"veth{number}"], node)
        links.ip(["link", "set", f"veth{number}", "up"], node)
        links.ip(["route", "add", pod.address, "dev", f"veth{number}"], node)
        links.ip(["address", "add", f"{pod.address}/32", "dev", "eth0"], space)
        links.ip(["link", "set", "eth0", "up"], space)
        links.ip(["route", "add", gateway, "dev", "eth0"], space)
        links.ip(["route", "add", "default", "via", gateway], space)

    def close(self) -> None:
        for listening in self.listening.values():
            listening.close()
        for node, worker in self.workers.items():
            worker.submit(self.stays.pop(HOSTS[node].address).__exit__, None, None, None).result(30)
            worker.shutdown()
        for space in self.spaces.values():
            netns.delete(space)

    def at(self, node: str, work: Callable[[], R]) -> R:
        """What `work()` gives there."""
        return self.workers[node].submit(work).result(30)

    def put(self, node: str, text: str) -> None:
        """A transaction of packet rules."""
        self.at(node, lambda: nft.run(text))

    def try_all(self, probes: Sequence[Probe], expected: set[int], via: str = "") -> set[int]:
        """Try all at once; the indexes of those that went through. `via`: to this address instead of the target's own.
        Returns when all `expected` have and for a while no other has."""
        with contextlib.ExitStack() as stack:
            attempt = _Attempt(self, stack, via)
            by_source: dict[str, list[int]] = {}
            for index, probe in enumerate(probes):
                by_source.setdefault(probe[0].address, []).append(index)
            for address, indexes in by_source.items():
                with netns.entered(self.spaces[address]):
                    for index in indexes:
                        self.number += 1
                        attempt.send(index, probes[index], self.number)
            return attempt.collect(expected)

    def forge(self, sender: End, claimed: End, target: End) -> bool:
        """Whether a datagram from `sender` with the address of `claimed` as its source gets to `target`."""
        self.number += 1
        body = struct.pack("!HHHHI", 4000, PORTS[0], 12, 0, self.number)
        addresses = socket.inet_aton(claimed.address) + socket.inet_aton(target.address)
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, 64, socket.IPPROTO_UDP, 0) + addresses
        with netns.entered(self.spaces[sender.address]):
            raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        with raw:
            raw.sendto(head + body, (target.address, 0))
        receiver = self.listening[target.address].udp[0]
        receiver.settimeout(QUIET * 3)
        try:
            return receiver.recv(100) == struct.pack("!I", self.number)
        except TimeoutError:
            return False


class _Attempt:
    """One round of probes."""

    def __init__(self, net: Net, stack: contextlib.ExitStack, via: str) -> None:
        self.net, self.stack, self.via = net, stack, via
        self.through: set[int] = set()
        self.numbers: dict[int, int] = {}
        self.selector = stack.enter_context(selectors.DefaultSelector())
        for listening in net.listening.values():
            for one in (*listening.tcp, *listening.udp, listening.sctp):
                self.selector.register(one, selectors.EVENT_READ, one)
        self.raw: dict[str, socket.socket] = {}

    def send(self, index: int, probe: Probe, number: int) -> None:
        """In the source's namespace."""
        source, target, protocol, port = probe
        address = self.via or target.address
        self.numbers[number] = index
        if protocol == "TCP":
            one = self.stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            one.setblocking(False)
            one.connect_ex((address, port))
            self.selector.register(one, selectors.EVENT_WRITE, index)
        elif protocol == "UDP":
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
                one.sendto(struct.pack("!I", number), (address, port))
        else:
            raw = self.raw.get(source.address)
            if raw is None:
                raw = self.raw[source.address] = self.stack.enter_context(_raw())
            raw.sendto(_init(number, port), (address, 0))

    def collect(self, expected: set[int]) -> set[int]:
        """What went through."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            missing = bool(expected - self.through)
            events = self.selector.select(0.3 if missing else QUIET)
            if not events and not missing:
                break
            for key, _ in events:
                self._take(key)
        return self.through

    def _take(self, key: selectors.SelectorKey) -> None:
        one, mark = key.fileobj, key.data
        assert isinstance(one, socket.socket)
        if isinstance(mark, int):
            self.selector.unregister(one)
            if one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                self.through.add(mark)
        elif one.type == socket.SOCK_STREAM:
            one.accept()[0].close()
        else:
            data = one.recv(2000)
            number = struct.unpack("!I", data[:4] if one.type == socket.SOCK_DGRAM else data[36:40])[0]
            if number in self.numbers:
                self.through.add(self.numbers[number])


def _listen() -> Listening:
    """In the namespace the thread is in: every port of TCP and UDP, and every packet of SCTP, which not each kernel
    has sockets for."""
    streams, datagrams = [], []
    for port in PORTS:
        stream = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        stream.bind(("0.0.0.0", port))
        stream.listen(500)
        datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagram.bind(("0.0.0.0", port))
        streams.append(stream)
        datagrams.append(datagram)
    return Listening(streams, datagrams, _raw())


def _raw() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_RAW, SCTP)


def _init(number: int, port: int) -> bytes:
    """An SCTP INIT; its initiate tag is the number of the probe."""
    source = 1024 + number % 60000
    chunk = struct.pack("!BBHIIHHI", 1, 0, 20, number, 65536, 1, 1, number)
    head = struct.pack("!HHI", source, port, 0)
    checksum = _crc32c(head + b"\0\0\0\0" + chunk)
    return head + struct.pack("<I", checksum) + chunk


def _crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


@contextlib.contextmanager
def net(prefix: str, pods: Sequence[End]) -> Iterator[Net]:
    """Namespaces for these pods, removed afterwards."""
    made = Net(prefix)
    try:
        made.open(pods)
        yield made
    finally:
        made.close()
