"""Fencing: what agents promise and servers rely on, so that a pod that must not run twice never does. Pure.

A server may give a lost node's stateful pod to another node only when the pod cannot be running any more. Nobody can
ask a node that is cut off, so its agent promises beforehand, in its Lease: `SECONDS` after my last renewal that was
answered, my stateful pods are dead, unless I know that the server cannot be replacing them. The server replaces them
`MARGIN` later. How the agent knows: the Lease names a few witnesses (nodes, itself among them in a small cluster).

- The server replaces only while more than half of the witnesses have renewed their Leases all the time.
- The agent spares its pods only while at least half of the witnesses say that they, too, are without an API.

Both cannot be true at once. So pods go on where the API is gone for all, and end where one node is cut off.
docs/adr/0021-stateful-pods-are-replaced-only-when-fenced.md has the argument, and what is not covered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from wherry.api.core.pod_volume_claims import claims_of
from wherry.api.types.coordination import Lease
from wherry.api.types.core import Pod
from wherry.machinery.meta import controller_of

SECONDS = 52.0
"""From the sending of the last renewal that was answered, to the death of the node's stateful pods."""

MARGIN = 8.0
"""What the server waits beyond that: for the killing itself, and for clocks that do not run alike."""

FRESH = 15.0
"""A witness counts for a server that saw its last renewal less than this ago. Agents renew every 10 seconds."""

RENEWAL = 5.0
"""An agent gives a renewal up when it has had no answer for so long."""

AWAY = 35.0
"""A witness says that it has no API when its last answered renewal was sent so long ago. By then it is not FRESH any
more, even if the server has seen one more, whose answer was lost: RENEWAL + 10 + RENEWAL + FRESH."""

MOST = 5
"""Witnesses at most: a cluster of thousands must not ask thousands."""

ANNOTATION = "wherry.io/fencing"
"""Of the Lease: `<renewTime> <seconds> <witness>,<witness>...`. It counts for that very renewal only, so that an agent
that does not know of it takes it back by renewing."""

CONDITION = "wherry.io/Fenced"
"""The Node's condition by which a server says that the node's stateful pods are dead."""


@dataclass(frozen=True, slots=True)
class Promise:
    """What stands in a Lease: after how many seconds without an answer, and who may say that this is no reason."""

    seconds: float
    witnesses: tuple[str, ...]

    def text(self, renewed: str) -> str:
        """As the annotation's value, for the renewal of that renewTime."""
        return f"{renewed} {self.seconds:g} {','.join(self.witnesses)}"


def promise(lease: Lease) -> Promise | None:
    """The promise in a Lease; None when there is none that can be relied on."""
    words = lease.metadata.annotations.get(ANNOTATION, "").split(" ")
    if len(words) != 3 or words[0] != lease.spec.renew_time:
        return None
    names = tuple(name for name in words[2].split(",") if name)
    try:
        seconds = float(words[1])
    except ValueError:
        return None
    return Promise(seconds, names) if names and 0.0 < seconds <= 3600.0 else None


def choose_witnesses(nodes: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Who are the witnesses, of these Ready nodes, each (creation time, name): the oldest. An odd number, so that one
    side of any cut has more than half; of two nodes both, so that neither is ever replaced without a person's word."""
    names = [name for _, name in sorted(nodes)]
    if len(names) == 2:
        return tuple(names)
    return tuple(names[: min(MOST, len(names) - (len(names) + 1) % 2)])


def server_may_replace(fresh: int, witnesses: int) -> bool:
    """Whether a server that sees so many of the witnesses all the time may rely on a promise."""
    return fresh * 2 > witnesses


def agent_may_go_on(away: int, witnesses: int) -> bool:
    """Whether an agent may spare its pods when so many of the witnesses, itself included, are without an API."""
    return witnesses > 0 and away * 2 >= witnesses


def needs_fence(pod: Pod, shared: Callable[[str], bool]) -> bool:
    """Whether the pod must be known dead before another takes its place. `shared`: whether a claim of its namespace, by
    name, is known to be for several nodes. Pods that nobody replaces, or replaces elsewhere, do not: those without a
    controller, a DaemonSet's, a Node's."""
    owner = controller_of(pod)
    if owner is None or owner.kind in ("DaemonSet", "Node"):
        return False
    return owner.kind == "StatefulSet" or not all(shared(name) for name in claims_of(pod))
