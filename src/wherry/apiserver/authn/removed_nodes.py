"""Removed nodes: agents' certificates that no longer let anybody in, though they have not expired.

ConfigMap kube-system/wherry-removed-nodes, written by `wherry node remove`: node name -> a time (RFC 3339); client
certificates of that node which begin then or before are refused. A machine that joins again gets a later one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wherry.api.core.configmap import CONFIGMAP
from wherry.machinery.time import seconds

if TYPE_CHECKING:
    from wherry.apiserver.api import Api

NAMESPACE, NAME = "kube-system", "wherry-removed-nodes"


def removed(api: Api, node: str, since: float) -> bool:
    """Whether a node's certificate that begins at `since` (epoch seconds) was taken back."""
    entry = api.find(CONFIGMAP, NAMESPACE, NAME)
    text = "" if entry is None else entry.obj.data.get(node, "")
    if not text:
        return False
    try:
        return since <= seconds(text)
    except ValueError:
        return True
