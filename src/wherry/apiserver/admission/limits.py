"""LimitRanger: containers without requests or limits get the namespace's defaults; what is out of range is refused.

https://kubernetes.io/docs/concepts/policy/limit-range/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from wherry.api.core.limitrange import LIMITRANGE
from wherry.api.core.pod_resources import container_totals
from wherry.api.types.core import Container, LimitRangeItem, PersistentVolumeClaim, Pod
from wherry.apiserver import strategy
from wherry.apiserver.admission.namespace_lifecycle import forbidden
from wherry.apiserver.admission.plugin import Plugin
from wherry.apiserver.context import Context
from wherry.machinery.quantity import Quantity, amount, compare

if TYPE_CHECKING:
    from wherry.apiserver.api import Api


_ANNOTATION: Final = "kubernetes.io/limit-ranger"


def _items(api: Api, namespace: str) -> list[LimitRangeItem]:
    window = api.window(LIMITRANGE)
    return [item for entry in window.list(namespace).items for item in entry.obj.spec.limits] if len(window) else []


def _default(api: Api, ctx: Context[Any], obj: Any, old: Any) -> Any:
    if not isinstance(obj, Pod) or old is not None:
        return obj
    for item in _items(api, ctx.namespace):
        if item.type == "Container":
            spec = obj.spec
            spec = replace(
                spec,
                containers=tuple(_filled(c, item) for c in spec.containers),
                init_containers=tuple(_filled(c, item) for c in spec.init_containers),
            )
            said = [*_said("container", obj.spec.containers, spec.containers),
                    *_said("init container", obj.spec.init_containers, spec.init_containers)]  # fmt: skip
            obj = replace(obj, spec=spec)
            if said:
                text = f"LimitRanger plugin set: {'; '.join(said)}"
                obj = strategy.with_meta(obj, annotations={**obj.metadata.annotations, _ANNOTATION: text})
    return obj


def _said(what: str, before: Sequence[Container], after: Sequence[Container]) -> Iterator[str]:
    """`cpu, memory request for container a`: what has been filled in, for people."""
    for old, new in zip(before, after, strict=True):
        for side, had, has in (
            ("request", old.resources.requests, new.resources.requests),
            ("limit", old.resources.limits, new.resources.limits),
        ):
            added = sorted(name for name in has if name not in had)
            if added:
                yield f"{', '.join(added)} {side} for {what} {new.name}"


def _filled(container: Container, item: LimitRangeItem) -> Container:
    present = container.resources
    limits = {**item.default, **present.limits}
    # a request that is not given follows the limit that is
    requests = {**item.default_request, **present.limits, **present.requests}
    requests = {k: v for k, v in requests.items() if k in present.requests or k in present.limits
                or k in item.default_request}  # fmt: skip
    if limits == dict(present.limits) and requests == dict(present.requests):
        return container
    return replace(container, resources=replace(present, limits=limits, requests=requests))


def _validate(api: Api, ctx: Context[Any], obj: Any, old: Any) -> None:
    if isinstance(obj, Pod) and old is not None and ctx.subresource == "":
        return  # its containers cannot change there
    problems = [problem for item in _items(api, ctx.namespace) for problem in _problems(obj, item)]
    if problems:
        raise forbidden(ctx, problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]")


def _problems(obj: Any, item: LimitRangeItem) -> Iterator[str]:
    if isinstance(obj, Pod):
        if item.type == "Container":
            for container in (*obj.spec.init_containers, *obj.spec.containers):
                resources = container.resources
                yield from _check(item, resources.requests, resources.limits)
        elif item.type == "Pod":
            yield from _check(item, container_totals(obj.spec, "requests"), container_totals(obj.spec, "limits"))
    elif isinstance(obj, PersistentVolumeClaim) and item.type == "PersistentVolumeClaim":
        requests = obj.spec.resources.requests
        for name, least in item.min.items():
            if name in requests and compare(requests[name], least) < 0:
                yield f"minimum {name} usage per {item.type} is {least}, but request is {requests[name]}"
        for name, most in item.max.items():
            if name in requests and compare(requests[name], most) > 0:
                yield f"maximum {name} usage per {item.type} is {most}, but request is {requests[name]}"


def _check(
    item: LimitRangeItem, requests: Mapping[str, Quantity], limits: Mapping[str, Quantity]
) -> Iterator[str]:  # fmt: skip
    where = f"usage per {item.type}"
    yield from _check_ratio(item, requests, limits)
    for name, least in item.min.items():
        asked = requests.get(name)
        if asked is None:
            yield f"minimum {name} {where} is {least}.  No request is specified"
        elif compare(asked, least) < 0:
            yield f"minimum {name} {where} is {least}, but request is {asked}"
    for name, most in item.max.items():
        limit, asked = limits.get(name), requests.get(name)
        if limit is None:
            yield f"maximum {name} {where} is {most}.  No limit is specified"
        elif compare(limit, most) > 0:
            yield f"maximum {name} {where} is {most}, but limit is {limit}"
        elif asked is not None and compare(asked, most) > 0:
            yield f"maximum {name} {where} is {most}, but request is {asked}"


def _check_ratio(
    item: LimitRangeItem, requests: Mapping[str, Quantity], limits: Mapping[str, Quantity]
) -> Iterator[str]:  # fmt: skip
    for name, ratio in item.max_limit_request_ratio.items():
        limit, asked = limits.get(name), requests.get(name)
        head = f"{name} max limit to request ratio per {item.type} is {ratio}, but"
        if limit is None or asked is None or not amount(asked):
            yield f"{head} no request is specified or request is 0"
        elif amount(limit) > amount(ratio) * amount(asked):
            yield f"{head} provided ratio is {float(amount(limit) / amount(asked)):f}"


PLUGIN = Plugin(
    "LimitRanger",
    mutate=_default,
    validate=_validate,
    resources=frozenset({"pods", "persistentvolumeclaims"}),
    subresources=frozenset({"", "resize"}),
)
