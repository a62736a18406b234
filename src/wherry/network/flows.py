"""Flows: which tracked UDP connections lead where their front does not lead any more. Pure.

A UDP client keeps its port, so its datagrams follow the translation of the first one. Whoever takes a target away makes
the kernel forget these connections; who has just been started has not seen which targets went, and compares.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from wherry.host.conntrack import Flow
from wherry.network.services import Entry, Front, Target


def stale(flows: Iterable[Flow], fronts: Mapping[Front, Entry]) -> Iterator[Flow]:
    """Those of fronts whose answers come from none of their targets. A connection to a node port's number counts only
    when it was translated: it may be to that number elsewhere."""
    for flow in flows:
        entry = fronts.get(Front("udp", flow.address, flow.port))
        if entry is None and flow.address != flow.target:
            entry = fronts.get(Front("udp", "", flow.port))
        if entry is not None and Target(flow.target, flow.target_port) not in (*entry.inside, *(entry.outside or ())):
            yield flow
