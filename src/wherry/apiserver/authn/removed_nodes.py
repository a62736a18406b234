"""Removed nodes: agents' certificates that no longer let anybody in, though they have not expired.

ConfigMap kube-system/wherry-removed-nodes, written by `wherry node remove`: node name -> a time (RFC 3339); client
certificates of that node which begin then or before are refused, and connections that showed one are cut. A machine
that joins again gets a later one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from wherry.api.core.configmap import CONFIGMAP
from wherry.api.types.core import ConfigMap
from wherry.apiserver.authn.objects import Objects
from wherry.machinery.time import seconds
from wherry.store.entry import Event

NAMESPACE, NAME = "kube-system", "wherry-removed-nodes"
SESSION = "wherry.certificate"
"""Where a connection's session holds whose certificate it showed."""

Session = Mapping[Any, Any]
Cut = Callable[[Callable[[Session], bool]], None]
"""Cuts the connections whose session it is true of."""


def removed(objects: Objects, node: str, since: float) -> bool:
    """Whether a node's certificate that begins at `since` (epoch seconds) was taken back."""
    entry = objects.find(CONFIGMAP, NAMESPACE, NAME)
    text = "" if entry is None else entry.obj.data.get(node, "")
    if not text:
        return False
    try:
        return since <= seconds(text)
    except ValueError:
        return True


async def keep_out(objects: Objects, cut: Cut) -> None:
    """Cut the open connections of nodes as they are removed, until cancelled: watches would go on for half an hour."""
    changed, ended = asyncio.Event(), asyncio.Event()

    def told(event: Event[ConfigMap]) -> bool:
        if event.entry.name == NAME:
            changed.set()
        return True

    def end() -> None:
        ended.set()
        changed.set()

    def gone(session: Session) -> bool:
        found = session.get(SESSION)
        return found is not None and bool(found.node) and removed(objects, found.node, found.since)

    window = objects.windows.of(CONFIGMAP)
    watch = window.watch(window.revision, told, namespace=NAMESPACE, ended=end)
    try:
        while not ended.is_set():
            await changed.wait()
            changed.clear()
            cut(gone)
    finally:
        watch.stop()
