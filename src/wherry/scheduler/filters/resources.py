"""NodeResourcesFit and NodePorts: what the pod takes up on the node."""

from __future__ import annotations

from wherry.scheduler.filters.verdict import Ask, Refusal
from wherry.scheduler.podinfo import HostPort, Shape
from wherry.scheduler.snapshot import PODS, Mask, Snapshot

_ANY = ("0.0.0.0", "::", "")


def resources(snapshot: Snapshot, ask: Ask) -> list[Refusal]:
    """Requests against what is left. A node that could never hold the pod is hopeless."""
    out = []
    full = snapshot.requested[PODS] + 1 > snapshot.allocatable[PODS]
    if full.any():
        out.append(Refusal(full, "Too many pods", hopeless=False))
    for name, amount in ask.shape.requests.items():
        column = snapshot.column(name)
        never = snapshot.allocatable[column] < amount
        short = snapshot.allocatable[column] - snapshot.requested[column] < amount
        if never.any():
            out.append(Refusal(never, f"Insufficient {name}", hopeless=True))
            short = short & ~never
        if short.any():
            out.append(Refusal(short, f"Insufficient {name}", hopeless=False))
    return out


def room(snapshot: Snapshot, shape: Shape, slots: slice) -> Mask:
    """Where among `slots` the pod's requests fit: `resources` without the reasons."""
    out: Mask = snapshot.requested[PODS, slots] < snapshot.allocatable[PODS, slots]
    for name, amount in shape.requests.items():
        column = snapshot.column(name)
        out &= snapshot.allocatable[column, slots] - snapshot.requested[column, slots] >= amount
    return out


def ports(snapshot: Snapshot, ask: Ask) -> list[Refusal]:
    """Host ports that are taken."""
    wanted = ask.shape.ports
    if not wanted:
        return []
    taken = snapshot.mask()
    for protocol, ip, port in wanted:
        for slot, theirs in snapshot.ports.get((protocol, port), ()):
            taken[slot] |= ip == theirs or ip in _ANY or theirs in _ANY
    return [Refusal(taken, "node(s) didn't have free ports for the requested pod ports", hopeless=False)]


def clash(one: HostPort, other: HostPort) -> bool:
    """Whether two host ports cannot be had together."""
    if one[0] != other[0] or one[2] != other[2]:
        return False
    return one[1] == other[1] or one[1] in _ANY or other[1] in _ANY
