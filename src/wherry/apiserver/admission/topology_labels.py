"""PodTopologyLabels: a pod learns zone and region of the node it is put on, as labels (KEP-4742).

https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#podtopologylabels
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from wherry.api.core.node import NODE
from wherry.api.types.core import Binding, Pod
from wherry.apiserver import strategy
from wherry.apiserver.admission.plugin import Plugin
from wherry.apiserver.context import Context

if TYPE_CHECKING:
    from wherry.apiserver.api import Api

_LABELS: Final = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region")


def _label(api: Api, ctx: Context[Pod], obj: Pod | Binding, old: Pod | None) -> Pod | Binding:
    """Of a Binding: its labels go onto the pod."""
    if isinstance(obj, Pod):
        found = labels_of(api, obj.spec.node_name)
        return strategy.with_meta(obj, labels={**obj.metadata.labels, **found}) if found else obj
    found = labels_of(api, obj.target.name) if obj.target.kind == "Node" else {}
    return strategy.with_meta(obj, labels={**obj.metadata.labels, **found}) if found else obj


def labels_of(api: Api, node: str) -> Mapping[str, str]:
    """Where a node is, as far as it says so."""
    entry = api.find(NODE, "", node) if node else None
    labels = entry.obj.metadata.labels if entry is not None else {}
    return {key: labels[key] for key in _LABELS if key in labels}


PLUGIN = Plugin(
    "PodTopologyLabels",
    mutate=_label,
    operations=frozenset({"CREATE"}),
    resources=frozenset({"pods"}),
    subresources=frozenset({"", "binding"}),
)
