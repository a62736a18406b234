"""Who asks what, which way, how often: about 1,600 requests a second at full pace. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

NEW, KEPT, SLOW, SOCKET, DNS = "new connection", "kept connection", "3 s request", "WebSocket", "UDP DNS"
POD, SERVICE, NODE_PORT, INGRESS, CLUSTER_DNS = "pod address", "Service", "node port", "Ingress", "cluster DNS"
OUTSIDE_PORT, OUTSIDE_INGRESS = "node port from outside", "Ingress from outside"


def udp(way: str) -> str:
    """A way as datagrams take it."""
    return f"{way} (UDP)"


class Group(NamedTuple):
    """`clients` of one kind on one way, each with one request every `interval` seconds."""

    kind: str
    way: str
    clients: int
    interval: float

    @property
    def rate(self) -> float:
        """Requests a second, while answers come at once."""
        return self.clients / max(self.interval, 3.0 if self.kind == SLOW else 0.0)


def _web(ways: Iterable[str], share: float) -> Iterable[Group]:
    for way in ways:
        yield Group(NEW, way, round(16 * share), 0.18)
        yield Group(KEPT, way, round(32 * share), 0.16)
        yield Group(SLOW, way, round(16 * share), 3.0)
        yield Group(SOCKET, way, round(16 * share), 1.0)


INSIDE: tuple[Group, ...] = (
    *_web((POD, SERVICE, NODE_PORT, INGRESS), 1.0),
    *(Group(DNS, udp(way), 8, 0.14) for way in (POD, SERVICE, NODE_PORT, CLUSTER_DNS)),
)
"""From a pod."""
OUTSIDE: tuple[Group, ...] = tuple(_web((OUTSIDE_PORT, OUTSIDE_INGRESS), 0.5))
"""From beyond the cluster."""


def rate(groups: Iterable[Group]) -> float:
    """Requests a second of them all."""
    return sum(group.rate for group in groups)


def paced(groups: Iterable[Group], factor: float) -> list[Group]:
    """The same clients, each asking `factor` times as often; slow ones cannot."""
    return [group if group.kind == SLOW else group._replace(interval=group.interval / factor) for group in groups]
