"""An HTTP/1.1 server for tests, as a good application is: it keeps connections, and on SIGTERM finishes what it has.

    /usr/bin/python3 /server.py [port]

Every request is answered "<VERSION> <host name>\\n"; one for a path that begins with /work after 20 ms of processor
time. On SIGTERM the listener is closed once what the kernel had accepted is served; an answer on a kept connection then
says `Connection: close`; the process ends when no connection is left. New connections after SIGTERM are refused: the
cluster promises that there are none. Standard library only, few modules: it is packed into an image with just the
modules it imports.
"""

import os
import select
import signal
import socket
import sys
import threading
import time

BODY = f"{os.environ.get('VERSION', '')} {socket.gethostname()}\n".encode()
stopping = threading.Event()
connections: set[threading.Thread] = set()


def work() -> None:
    until = time.thread_time() + 0.02
    while time.thread_time() < until:
        pass


def answer(connection: socket.socket) -> None:
    with connection, connection.makefile("rb") as lines:
        while line := lines.readline():
            close = False
            while (header := lines.readline()) not in (b"\r\n", b""):
                close |= header.lower().startswith(b"connection: close")
            close |= stopping.is_set()
            if line.startswith(b"GET /work"):
                work()
            kept = b"close" if close else b"keep-alive"
            head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: %s\r\n\r\n" % (len(BODY), kept)
            connection.sendall(head + (b"" if line.startswith(b"HEAD") else BODY))
            if close:
                return


def serve(listener: socket.socket, wake: socket.socket) -> None:
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    poll.register(wake, select.POLLIN)
    listener.setblocking(False)
    while True:
        ready = dict(poll.poll())
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            if wake.fileno() in ready:
                return
            continue
        connection.setblocking(True)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        thread = threading.Thread(target=answer, args=(connection,))
        connections.add(thread)
        thread.start()
        connections.difference_update([t for t in connections if not t.is_alive()])


def main() -> None:
    own, other = socket.socketpair()

    def stop(*_: object) -> None:
        stopping.set()
        other.send(b"x")

    signal.signal(signal.SIGTERM, stop)
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    with socket.create_server(("", port), backlog=1024) as listener:
        sys.stdout.write(f"serving on {port}\n")
        sys.stdout.flush()
        serve(listener, own)
    for thread in list(connections):
        thread.join()
    sys.stdout.write("done\n")


if __name__ == "__main__":
    main()
