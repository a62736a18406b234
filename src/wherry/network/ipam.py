"""Subnets for nodes: pure arithmetic. Who calls it writes the answer to `Node.spec.podCIDR`, once and for good.

Invariant: subnets handed out never overlap, whatever order nodes come in; a node that has one keeps it.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network

PODS = IPv4Network("10.244.0.0/16")
_NODE_PREFIX = 24


def free_subnet(taken: Iterable[str], pods: IPv4Network = PODS, prefix: int = _NODE_PREFIX) -> IPv4Network | None:
    """The first subnet of `pods` that overlaps none of `taken` (texts; what is no network counts for nothing).
    None when all are in use."""
    used: list[IPv4Network] = []
    for text in taken:
        try:
            used.append(IPv4Network(text))
        except ValueError:
            continue
    exact = {network for network in used if network.prefixlen == prefix}
    odd = [network for network in used if network.prefixlen != prefix]
    for candidate in pods.subnets(new_prefix=prefix):
        if candidate not in exact and not any(candidate.overlaps(network) for network in odd):
            return candidate
    return None
