"""pods/binding: put a pod on a node, once. Labels and annotations of the Binding go onto the pod.

https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/binding-v1/
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from wherry.api.core.pod import POD
from wherry.api.types.core import Binding, Pod, PodCondition
from wherry.apiserver.api import Api
from wherry.apiserver.context import Context
from wherry.apiserver.verbs.update import update
from wherry.machinery import codec, conditions
from wherry.machinery.errors import BadRequest, Conflict
from wherry.machinery.names import dns_subdomain
from wherry.machinery.time import Time
from wherry.machinery.validation import FieldError, invalid, not_supported, refuse, required
from wherry.store.entry import Entry


async def bind(api: Api, ctx: Context[Any], body: dict[str, Any]) -> dict[str, Any]:
    """Bind ctx.name to the node in the Binding. Raises Conflict when it is bound or leaving, Invalid, NotFound."""
    binding = await api.admission.mutate(api, ctx, codec.from_dict(Binding, body), None)
    if binding.metadata.name != ctx.name:
        raise BadRequest("name in URL does not match name in Binding object")
    _check(binding)
    await api.admission.validate(api, ctx, binding, None)
    ctx = replace_context(ctx)

    def change(entry: Entry[Pod]) -> Pod:
        return _bound(entry.obj, binding, api.now())

    await update(api, ctx, change)
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


def replace_context(ctx: Context[Any]) -> Context[Pod]:
    """The same request, on the pod itself."""
    return Context(
        ctx.user, POD, ctx.namespace, ctx.name, subresource="binding", operation="UPDATE", dry_run=ctx.dry_run,
        manager=ctx.manager, warnings=ctx.warnings, trusted=True,
    )  # fmt: skip


def _check(binding: Binding) -> None:
    errors: list[FieldError] = []
    if binding.target.kind not in ("", "Node"):
        errors.append(not_supported("target.kind", binding.target.kind, ("Node", "<empty>")))
    if not binding.target.name:
        errors.append(required("target.name"))
    else:
        errors += [invalid("target.name", binding.target.name, why) for why in dns_subdomain(binding.target.name)]
    if errors:
        raise refuse("", "Binding", binding.metadata.name, errors)


def _bound(pod: Pod, binding: Binding, now: Time) -> Pod:
    meta, name = pod.metadata, pod.metadata.name
    wanted = binding.metadata
    if wanted.uid and wanted.uid != meta.uid:
        raise _refused(name, f"Precondition failed: UID in precondition: {wanted.uid}, UID in object meta: {meta.uid}")
    if meta.deletion_timestamp is not None:
        raise _refused(name, f"pod {name} is being deleted, cannot be assigned to a host")
    if pod.spec.node_name:
        raise _refused(name, f'pod {name} is already assigned to node "{pod.spec.node_name}"')
    if pod.spec.scheduling_gates:
        raise _refused(name, f"pod {name} has non-empty .spec.schedulingGates")
    scheduled = PodCondition(type="PodScheduled", status="True", last_transition_time=now)
    return replace(
        pod,
        metadata=replace(
            meta,
            annotations={**meta.annotations, **wanted.annotations},
            labels={**meta.labels, **wanted.labels},
            resource_version=wanted.resource_version or meta.resource_version,
        ),
        spec=replace(pod.spec, node_name=binding.target.name),
        status=replace(pod.status, conditions=conditions.put(pod.status.conditions, scheduled, now)),
    )


def _refused(name: str, why: str) -> Conflict:
    return Conflict(
        f'Operation cannot be fulfilled on pods/binding "{name}": {why}', details={"name": name, "kind": "pods/binding"}
    )
