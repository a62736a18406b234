"""Exchange: the moment between the end of a container whose definition changed and the start of the one that follows.

A change of a pod's image takes a tenth of a second when the new image is there. Clients that ask in that moment are
told what was true before it, as by other node agents, which write no status until they are through with a pod: Ready
does not flap. An exchange that takes longer (the image has to be fetched, or cannot be) is shown.
"""

from __future__ import annotations

from wherry.api.types.core import Pod
from wherry.node.facts import Facts, changed, exited, running

LONGEST = 1.0
"""Seconds after the end of the old container for which the new one is taken for as good as there."""


def ends(pod: Pod, facts: Facts) -> float | None:
    """Until when (epoch seconds) the pod's status is not to be told; None when no container is being exchanged."""
    until: list[float] = []
    for spec in (*pod.spec.init_containers, *pod.spec.containers):
        newest = facts.history(spec.name)[:2]
        if newest and not running(newest[0]):
            until += [one.finished + LONGEST for one in newest if exited(one) and changed(spec, one)]
    return max(until, default=None)
