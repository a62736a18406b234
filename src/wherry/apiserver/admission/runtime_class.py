"""RuntimeClass: pods get the overhead and the placement of the runtime they ask for.

https://kubernetes.io/docs/concepts/containers/runtime-class/#pod-overhead
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from wherry.api.node.runtimeclass import RUNTIMECLASS
from wherry.api.types.core import Pod, PodSpec, Toleration
from wherry.api.types.node import RuntimeClass
from wherry.apiserver.admission.namespace_lifecycle import forbidden
from wherry.apiserver.admission.plugin import Plugin
from wherry.apiserver.context import Context
from wherry.machinery.quantity import Quantity, amount

if TYPE_CHECKING:
    from wherry.apiserver.api import Api

_DIFFERS = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"


def _class(api: Api, ctx: Context[Pod], pod: Pod) -> RuntimeClass | None:
    name = pod.spec.runtime_class_name
    if name is None:
        return None
    entry = api.find(RUNTIMECLASS, "", name)
    if entry is None:
        raise forbidden(ctx, f'pod rejected: RuntimeClass "{name}" not found')
    return entry.obj


def _apply(api: Api, ctx: Context[Pod], pod: Pod, old: Pod | None) -> Pod:
    found = _class(api, ctx, pod)
    if found is None:
        return pod
    spec = pod.spec
    if found.overhead is not None:
        if spec.overhead and not same(found.overhead.pod_fixed, spec.overhead):
            raise forbidden(ctx, _DIFFERS)
        spec = replace(spec, overhead=found.overhead.pod_fixed)
    if found.scheduling is not None:
        spec = _placed(ctx, spec, found.scheduling.node_selector, found.scheduling.tolerations)
    return pod if spec is pod.spec else replace(pod, spec=spec)


def _placed(
    ctx: Context[Pod], spec: PodSpec, selector: Mapping[str, str], tolerations: Sequence[Toleration]
) -> PodSpec:  # fmt: skip
    for key, wanted in selector.items():
        given = spec.node_selector.get(key, wanted)
        if given != wanted:
            raise forbidden(
                ctx,
                f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {wanted}; pod.spec.nodeSelector[{key}] = "
                f"{given}",
            )
    merged = merge_tolerations((*spec.tolerations, *tolerations))
    return replace(spec, node_selector={**spec.node_selector, **selector}, tolerations=merged)


def _check(api: Api, ctx: Context[Pod], pod: Pod, old: Pod | None) -> None:
    found = _class(api, ctx, pod)
    if found is not None and found.overhead is not None:
        if not same(found.overhead.pod_fixed, pod.spec.overhead):
            raise forbidden(ctx, _DIFFERS)
    elif pod.spec.overhead:
        raise forbidden(ctx, "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead")


def same(one: Mapping[str, Quantity], other: Mapping[str, Quantity]) -> bool:
    """Whether both are the same amounts, however they are written."""
    return one.keys() == other.keys() and all(amount(one[name]) == amount(other[name]) for name in one)


def merge_tolerations(every: Sequence[Toleration]) -> tuple[Toleration, ...]:
    """The tolerations without those that another one includes; of equal ones the first."""
    merged: list[Toleration] = []
    for index, one in enumerate(every):
        later = (other for other in every[index + 1 :] if other != one)
        if not any(includes(other, one) for other in (*merged, *later)):
            merged.append(one)
    return tuple(merged)


def includes(wide: Toleration, narrow: Toleration) -> bool:
    """Whether `wide` tolerates everything that `narrow` does."""
    if wide == narrow:
        return True
    if narrow.key != wide.key and (wide.key or wide.operator != "Exists"):
        return False
    if wide.effect not in ("", narrow.effect):
        return False
    if wide.effect == "NoExecute" and wide.toleration_seconds is not None:
        seconds = narrow.toleration_seconds
        if seconds is None or seconds > wide.toleration_seconds:
            return False
    if wide.operator in ("", "Equal"):
        return narrow.operator == "Equal" and narrow.value == wide.value
    return wide.operator == "Exists"


PLUGIN = Plugin(
    "RuntimeClass",
    mutate=_apply,
    validate=_check,
    operations=frozenset({"CREATE"}),
    resources=frozenset({"pods"}),
)
