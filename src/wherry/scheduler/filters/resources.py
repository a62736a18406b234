"""NodeResourcesFit and NodePorts: what the pod takes up on the node."""

from __future__ import annotations

from wherry.scheduler.filters.verdict import Ask, Refusal
from wherry.scheduler.snapshot import PODS, Snapshot

_ANY = ("0.0.0.0", "::", "")


def resources(snapshot: Snapshot, ask: Ask) -> list[Refusal]:
    """Requests against what is left. A node that could never hold the pod is hopeless."""
    out = []
    full = snapshot.requested[PODS] + 1 > snapshot.allocatable[PODS]
    if full.any():
        out.append(Refusal(full, "Too many pods", hopeless=False))
    for name, amount in ask.info.requests.items():
        if amount <= 0:
            continue
        column = snapshot.column(name)
        never = snapshot.allocatable[column] < amount
        short = snapshot.allocatable[column] - snapshot.requested[column] < amount
        if never.any():
            out.append(Refusal(never, f"Insufficient {name}", hopeless=True))
            short = short & ~never
        if short.any():
            out.append(Refusal(short, f"Insufficient {name}", hopeless=False))
    return out


def ports(snapshot: Snapshot, ask: Ask) -> list[Refusal]:
    """Host ports that are taken."""
    wanted = ask.info.ports
    if not wanted:
        return []
    taken = snapshot.mask()
    for slot in snapshot.index.values():
        taken[slot] = any(
            clash(mine, theirs) for info in snapshot.pods[slot].values() for theirs in info.ports for mine in wanted
        )
    return [Refusal(taken, "node(s) didn't have free ports for the requested pod ports", hopeless=False)]


def clash(one: tuple[str, str, int], other: tuple[str, str, int]) -> bool:
    """Whether two host ports (protocol, ip, port) cannot be had together."""
    if one[0] != other[0] or one[2] != other[2]:
        return False
    return one[1] == other[1] or one[1] in _ANY or other[1] in _ANY
