"""TaintNodesByCondition: a new node takes no pods until it is known to be ready.

https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#taintnodesbycondition
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from wherry.api.types.core import Node, Taint
from wherry.apiserver.admission.plugin import Plugin
from wherry.apiserver.context import Context

if TYPE_CHECKING:
    from wherry.apiserver.api import Api

NOT_READY: Final = "node.kubernetes.io/not-ready"


def _taint(api: Api, ctx: Context[Node], node: Node, old: Node | None) -> Node:
    if any(t.key == NOT_READY and t.effect == "NoSchedule" for t in node.spec.taints):
        return node
    taints = (*node.spec.taints, Taint(key=NOT_READY, effect="NoSchedule"))
    return replace(node, spec=replace(node.spec, taints=taints))


PLUGIN = Plugin(
    "TaintNodesByCondition", mutate=_taint, operations=frozenset({"CREATE"}), resources=frozenset({"nodes"})
)
