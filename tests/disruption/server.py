"""The application that is disturbed: HTTP/1.1 with WebSockets on TCP 8080, DNS on UDP 5353. One thread, no framework.

GET /name/N answers "N <host name>\\n" at once, /slow/N after three seconds, /ws speaks WebSocket and sends messages
back. A DNS query is answered with one address record. Any other program would do the same on SIGTERM (it is what Go's
http.Server.Shutdown does): listeners and idle connections are closed at once, requests that have come are answered with
`Connection: close`, WebSockets get a close frame, and the process ends when no connection is left. It waits for
nothing: that nobody comes any more when SIGTERM arrives is the cluster's promise.

Few modules: it is packed into an image with just those it imports (`tests/support/image.py`).
"""

import binascii
import hashlib
import heapq
import select
import signal
import socket
import sys
import time

SLOW = 3.0
FAREWELL = 5.0
"""Seconds a client of a WebSocket has to answer a close frame."""
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
NAME = socket.gethostname().encode()


class Peer:
    """A connection. `busy`: a request is being worked on; `socketed`: it speaks WebSocket; `leaving`: it has had its
    close frame."""

    def __init__(self, wire: socket.socket) -> None:
        self.wire = wire
        self.inbox = bytearray()
        self.busy = self.socketed = self.leaving = self.closed = False


class Server:
    """Everything, on one epoll."""

    def __init__(self, address: str = "", port: int = 8080, dns: int = 5353) -> None:
        self._epoll = select.epoll()
        self._peers: dict[int, Peer] = {}
        self._due: list[tuple[float, int, Peer, bytes]] = []
        self._number = 0
        self._stopping = False
        self._listener = socket.create_server((address, port), backlog=1024)
        self._datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._datagrams.bind((address, dns))
        self._wake, self._wakes = socket.socketpair()
        for one in (self._listener, self._datagrams, self._wake):
            one.setblocking(False)
            self._epoll.register(one, select.EPOLLIN)

    def stop(self, *_: object) -> None:
        """End soon: what SIGTERM does."""
        self._wakes.send(b"x")

    def run(self) -> None:
        """Until told to stop and nobody is left."""
        special = {
            self._listener.fileno(): self._accept,
            self._datagrams.fileno(): self._resolve,
            self._wake.fileno(): self._leave,
        }
        while not self._stopping or self._peers:
            wait = max(0.0, self._due[0][0] - time.monotonic()) if self._due else -1
            for number, _ in self._epoll.poll(wait):
                peer = self._peers.get(number)
                if peer is not None:
                    self._read(peer)
                elif number in special:
                    special[number]()
            while self._due and self._due[0][0] <= time.monotonic():
                _, _, peer, body = heapq.heappop(self._due)
                self._finish(peer, body)

    def _accept(self) -> None:
        for _ in range(64):
            try:
                wire, _ = self._listener.accept()
            except OSError:
                return
            wire.setblocking(False)
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._peers[wire.fileno()] = Peer(wire)
            self._epoll.register(wire, select.EPOLLIN)

    def _resolve(self) -> None:
        for _ in range(64):
            try:
                query, client = self._datagrams.recvfrom(1500)
                self._datagrams.sendto(reply(query), client)
            except OSError:
                return

    def _leave(self) -> None:
        self._stopping = True
        self._epoll.unregister(self._wake)
        self._epoll.unregister(self._listener)
        self._epoll.unregister(self._datagrams)
        self._listener.close()
        self._datagrams.close()
        for peer in list(self._peers.values()):
            if peer.socketed:
                peer.leaving = True
                self._send(peer, b"\x88\x02\x03\xe9")  # 1001: going away
                self._later(FAREWELL, peer, b"")
            elif not peer.busy:
                self._close(peer)

    def _read(self, peer: Peer) -> None:
        try:
            data = peer.wire.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close(peer)
            return
        peer.inbox += data
        if peer.socketed:
            self._frames(peer)
        else:
            self._request(peer)

    def _request(self, peer: Peer) -> None:
        end = peer.inbox.find(b"\r\n\r\n")
        if end < 0 or peer.busy:
            return
        head = bytes(peer.inbox[:end])
        del peer.inbox[: end + 4]
        path = head.split(b" ", 2)[1]
        if b"\r\nsec-websocket-key:" in head.lower():
            self._upgrade(peer, head)
            return
        peer.busy = True
        number = path.rsplit(b"/", 1)[-1]
        body = b"%b %b\n" % (number, NAME)
        last = b"\r\nconnection: close" in head.lower()
        if path.startswith(b"/slow/"):
            self._later(SLOW, peer, body + (b"\0" if last else b""))
        else:
            self._finish(peer, body + (b"\0" if last else b""))

    def _later(self, seconds: float, peer: Peer, body: bytes) -> None:
        self._number += 1
        heapq.heappush(self._due, (time.monotonic() + seconds, self._number, peer, body))

    def _finish(self, peer: Peer, body: bytes) -> None:
        """Answer; a zero byte at the end of `body` says that the client wants the connection closed."""
        if peer.closed:
            return
        if peer.socketed:
            self._close(peer)
            return
        last = body.endswith(b"\0") or self._stopping
        text = body.removesuffix(b"\0")
        kept = b"close" if last else b"keep-alive"
        peer.busy = False
        self._send(peer, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: %b\r\n\r\n%b" % (len(text), kept, text))
        if last:
            self._close(peer)
        else:
            self._request(peer)

    def _upgrade(self, peer: Peer, head: bytes) -> None:
        fields = (line.split(b":", 1) for line in head.split(b"\r\n")[1:])
        key = next(value.strip() for name, value in fields if name.lower() == b"sec-websocket-key")
        accept = binascii.b2a_base64(hashlib.sha1(key + MAGIC, usedforsecurity=False).digest(), newline=False)
        lines = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        peer.socketed = True
        self._send(peer, lines + b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept)
        self._frames(peer)

    def _frames(self, peer: Peer) -> None:
        """Send short masked frames back unmasked."""
        while not peer.closed and len(peer.inbox) >= 6 and len(peer.inbox) >= 6 + (peer.inbox[1] & 127):
            size = peer.inbox[1] & 127
            kind, mask = peer.inbox[0] & 15, peer.inbox[2:6]
            data = bytes(byte ^ mask[n % 4] for n, byte in enumerate(peer.inbox[6 : 6 + size]))
            del peer.inbox[: 6 + size]
            if kind == 8:
                if not peer.leaving:
                    self._send(peer, b"\x88%c" % size + data)
                self._close(peer)
            elif not peer.leaving:
                self._send(peer, b"%c%c" % (0x80 | kind, size) + data)

    def _send(self, peer: Peer, data: bytes) -> None:
        """All answers are far smaller than what the kernel takes at once; a client that reads nothing is left."""
        if peer.closed:
            return
        try:
            peer.wire.sendall(data)
        except OSError:
            self._close(peer)

    def _close(self, peer: Peer) -> None:
        if not peer.closed:
            peer.closed = True
            self._peers.pop(peer.wire.fileno(), None)
            self._epoll.unregister(peer.wire)
            peer.wire.close()


def reply(query: bytes) -> bytes:
    """The same question, with one answer: 192.0.2.1 for 0 seconds."""
    answer = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04\xc0\x00\x02\x01"
    return query[:2] + b"\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00" + query[12:] + answer


def main() -> None:
    server = Server(sys.argv[1] if len(sys.argv) > 1 else "")
    signal.signal(signal.SIGTERM, server.stop)
    sys.stdout.write("serving\n")
    sys.stdout.flush()
    server.run()
    sys.stdout.write("done\n")


if __name__ == "__main__":
    main()
