"""DefaultTolerationSeconds and Priority: what pods are given beside their own defaults.

https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#defaulttolerationseconds
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from wherry.api.scheduling.priorityclass import PRIORITYCLASS
from wherry.api.types.core import Pod, Toleration
from wherry.api.types.scheduling import PriorityClass
from wherry.apiserver.admission.namespace_lifecycle import forbidden
from wherry.apiserver.admission.plugin import Plugin
from wherry.apiserver.context import Context
from wherry.store.entry import Entry

if TYPE_CHECKING:
    from wherry.apiserver.api import Api

_SECONDS = 300
_TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


def _tolerate(api: Api, ctx: Context[Pod], pod: Pod, old: Pod | None) -> Pod:
    present = pod.spec.tolerations
    added = tuple(
        Toleration(key=key, operator="Exists", effect="NoExecute", toleration_seconds=_SECONDS)
        for key in _TAINTS
        if not any(t.key in (key, "") and t.effect in ("NoExecute", "") for t in present)
    )
    return replace(pod, spec=replace(pod.spec, tolerations=(*present, *added))) if added else pod


def _prioritise(api: Api, ctx: Context[Pod], pod: Pod, old: Pod | None) -> Pod:
    spec = pod.spec
    if old is not None:
        # what was worked out at creation stays, also when a client does not send it back
        priority = old.spec.priority if spec.priority is None else spec.priority
        policy = old.spec.preemption_policy if spec.preemption_policy is None else spec.preemption_policy
        return replace(pod, spec=replace(spec, priority=priority, preemption_policy=policy))
    found: PriorityClass | None = None
    if spec.priority_class_name:
        entry = api.find(PRIORITYCLASS, "", spec.priority_class_name)
        if entry is None:
            raise forbidden(ctx, f"no PriorityClass with name {spec.priority_class_name} was found")
        found = entry.obj
    else:
        found = _default_class(api)
    value = found.value if found is not None else 0
    policy = (found.preemption_policy if found is not None else None) or "PreemptLowerPriority"
    if spec.priority is not None and spec.priority != value:
        raise forbidden(
            ctx,
            f"the integer value of priority ({spec.priority}) must not be provided in pod spec; priority admission "
            f"controller computed {value} from the given PriorityClass name",
        )
    if spec.preemption_policy is not None and spec.preemption_policy != policy:
        raise forbidden(
            ctx,
            f"the string value of PreemptionPolicy ({spec.preemption_policy}) must not be provided in pod spec; "
            f"priority admission controller computed {policy} from the given PriorityClass name",
        )
    name = found.metadata.name if found is not None else ""
    return replace(pod, spec=replace(spec, priority_class_name=name, priority=value, preemption_policy=policy))


def _default_class(api: Api) -> PriorityClass | None:
    """The default class with the lowest value; there should be one at most."""
    entries: list[Entry[PriorityClass]] = api.window(PRIORITYCLASS).list().items
    defaults = [entry.obj for entry in entries if entry.obj.global_default]
    return min(defaults, key=lambda c: c.value, default=None)


def _one_default(api: Api, ctx: Context[PriorityClass], obj: PriorityClass | None, old: PriorityClass | None) -> None:
    if obj is None or not obj.global_default:
        return
    other = _default_class(api)
    if other is not None and other.metadata.name != obj.metadata.name:
        raise forbidden(
            ctx, f"PriorityClass {other.metadata.name} is already marked as default. Only one default can exist"
        )


PLUGINS = (
    Plugin("DefaultTolerationSeconds", mutate=_tolerate, resources=frozenset({"pods"})),
    Plugin("Priority", mutate=_prioritise, resources=frozenset({"pods"})),
    Plugin("PriorityClass", validate=_one_default, resources=frozenset({"priorityclasses.scheduling.k8s.io"})),
)
