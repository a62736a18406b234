"""PodResizeValidator: a pod in its place is not promised more than its node has.

https://kubernetes.io/docs/tasks/configure-pod-container/resize-container-resources/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wherry.api.core.node import NODE
from wherry.api.core.pod_resources import container_totals
from wherry.api.types.core import Node, Pod
from wherry.apiserver.admission.namespace_lifecycle import forbidden
from wherry.apiserver.admission.plugin import Plugin
from wherry.apiserver.context import Context
from wherry.machinery.errors import Cause
from wherry.machinery.quantity import amount

if TYPE_CHECKING:
    from wherry.apiserver.api import Api


def _fits(api: Api, ctx: Context[Pod], pod: Pod, old: Pod) -> None:
    name = pod.spec.node_name
    if not name or pod.spec == old.spec:
        return
    entry = api.find(NODE, "", name)
    if entry is None:
        raise forbidden(ctx, f'node "{name}" not found')
    system = entry.obj.metadata.labels.get("kubernetes.io/os", "linux")
    if system != "linux":
        why = f'pod resize is only supported on linux nodes, node "{name}" is "{system}"'
        raise forbidden(ctx, why, Cause("UnsupportedPlatform", ""))
    lacking = shortage(pod, entry.obj)
    if lacking:
        why = f"node didn't have enough allocatable resources: {lacking}"
        raise forbidden(ctx, why, Cause("NodeCapacity", ""))


def shortage(pod: Pod, node: Node) -> str:
    """What a pod asks for beyond all that its node could give; "" for nothing."""
    asked, has = container_totals(pod.spec, "requests"), node.status.allocatable
    found = []
    for what, unit in (("cpu", 1000), ("memory", 1)):
        wanted = amount(asked[what]) if what in asked else 0
        given = amount(has[what]) if what in has else 0
        if wanted > given:
            found.append(f"{what}, requested: {int(wanted * unit)}, allocatable: {int(given * unit)}")
    return "; ".join(found)


PLUGIN = Plugin(
    "PodResizeValidator",
    validate=_fits,
    operations=frozenset({"UPDATE"}),
    resources=frozenset({"pods"}),
    subresources=frozenset({"resize"}),
)
