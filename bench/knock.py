"""Knocks at addresses until they answer: reads `<ip> <port>` lines, prints when (CLOCK_MONOTONIC) a connection stood.

A process of its own, as it must be in the cluster's network namespace. Try follows try within a few milliseconds.
"""

from __future__ import annotations

import socket
import sys
import time


def main() -> None:
    """Until the end of standard input."""
    for line in sys.stdin:
        host, port = line.split()
        print(knock(host, int(port)), flush=True)


def knock(host: str, port: int) -> float:
    """The moment of the first connection."""
    while True:
        try:
            socket.create_connection((host, port), timeout=0.02).close()
        except OSError:
            time.sleep(0.002)
        else:
            return time.monotonic()


if __name__ == "__main__":
    main()
