"""pods/eviction: delete a pod if its disruption budget allows, and say so in the budget first.

https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from wherry.api.core.pod import POD, is_ready
from wherry.api.policy.poddisruptionbudget import PODDISRUPTIONBUDGET
from wherry.api.types.core import Pod, PodCondition
from wherry.api.types.policy import Eviction, PodDisruptionBudget
from wherry.apiserver.api import Api
from wherry.apiserver.context import Context, conflict
from wherry.apiserver.verbs.delete import delete
from wherry.apiserver.verbs.update import update
from wherry.machinery import codec, selectors
from wherry.machinery.conditions import put
from wherry.machinery.errors import BadRequest, Cause, InternalError, TooManyRequests
from wherry.machinery.meta import DeleteOptions, Preconditions
from wherry.store.entry import Entry

_MOST_DISRUPTED = 2000


async def evict(api: Api, ctx: Context[Any], body: dict[str, Any]) -> dict[str, Any]:
    """Evict ctx.name. Raises TooManyRequests when a budget forbids it, NotFound, Conflict."""
    eviction = await api.admission.mutate(api, ctx, codec.from_dict(Eviction, body), None)
    if eviction.metadata.name not in ("", ctx.name):
        raise BadRequest("name in URL does not match name in Eviction object")
    await api.admission.validate(api, ctx, eviction, None)
    options = eviction.delete_options or DeleteOptions()
    entry = api.get(POD, ctx.namespace, ctx.name)
    pod = entry.obj
    dry_run = ctx.dry_run or bool(options.dry_run)
    if not _exempt(pod):
        budget = _budget(api, pod)
        if budget is not None and not _unhealthy_may_go(pod, budget.obj):
            await _spend(api, ctx, pod, budget, dry_run=dry_run)
    if options.preconditions is None:
        # the very pod that was judged, not one that has taken its name since
        options = replace(options, preconditions=Preconditions(uid=pod.metadata.uid))
    if not dry_run and pod.metadata.deletion_timestamp is None:
        options = await _tell(api, ctx, options)
    each = Context(
        ctx.user, POD, ctx.namespace, ctx.name, operation="DELETE", dry_run=dry_run, manager=ctx.manager, trusted=True
    )  # fmt: skip
    await delete(api, each, replace(options, dry_run=()))
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


async def _tell(api: Api, ctx: Context[Any], options: DeleteOptions) -> DeleteOptions:
    """Say in the pod's status that it is being evicted, so that its owner knows it for no failure of its own.

    A resourceVersion in the preconditions is checked here, and moves on with this write.
    """
    wanted = options.preconditions or Preconditions()

    def change(entry: Entry[Pod]) -> Pod:
        pod = entry.obj
        if wanted.uid not in (None, entry.uid) or wanted.resource_version not in (None, str(entry.revision)):
            raise conflict(POD, ctx.name)
        evicted = PodCondition(
            type="DisruptionTarget", status="True", reason="EvictionByEvictionAPI", message="Eviction API: evicting",
            observed_generation=pod.metadata.generation,
        )  # fmt: skip
        return replace(pod, status=replace(pod.status, conditions=put(pod.status.conditions, evicted, api.now())))

    own = Context(ctx.user, POD, ctx.namespace, ctx.name, subresource="status", manager=ctx.manager, trusted=True)
    entry = await update(api, own, change)
    if wanted.resource_version is not None:
        wanted = replace(wanted, resource_version=str(entry.revision))
    return replace(options, preconditions=wanted)


def _exempt(pod: Pod) -> bool:
    """Pods that hold no budget: finished, not started, or leaving already."""
    return pod.status.phase in ("Succeeded", "Failed", "Pending") or pod.metadata.deletion_timestamp is not None


def _budget(api: Api, pod: Pod) -> Entry[PodDisruptionBudget] | None:
    found = [
        entry
        for entry in api.window(PODDISRUPTIONBUDGET).list(pod.metadata.namespace).items
        if selectors.matches(entry.obj.spec.selector, pod.metadata.labels)
    ]
    if len(found) > 1:
        raise InternalError(
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        )
    return found[0] if found else None


def _unhealthy_may_go(pod: Pod, budget: PodDisruptionBudget) -> bool:
    """Whether a pod that is not ready may leave without spending the budget."""
    if is_ready(pod):
        return False
    if budget.spec.unhealthy_pod_eviction_policy == "AlwaysAllow":
        return True
    return budget.status.current_healthy >= budget.status.desired_healthy > 0


async def _spend(
    api: Api, ctx: Context[Any], pod: Pod, budget: Entry[PodDisruptionBudget], *, dry_run: bool
) -> None:  # fmt: skip
    def change(entry: Entry[PodDisruptionBudget]) -> PodDisruptionBudget:
        found = entry.obj
        status = found.status
        if status.observed_generation < found.metadata.generation:
            raise TooManyRequests(
                "Cannot evict pod as it would violate the pod's disruption budget.",
                causes=[Cause("DisruptionBudget", f"The disruption budget {entry.name} is still being processed by "
                              "the server.")],
                retry_after=10,
            )  # fmt: skip
        if status.disruptions_allowed <= 0:
            raise TooManyRequests(
                "Cannot evict pod as it would violate the pod's disruption budget.",
                causes=[Cause("DisruptionBudget", f"The disruption budget {entry.name} needs {status.desired_healthy} "
                              f"healthy pods and has {status.current_healthy} currently")],
            )  # fmt: skip
        if len(status.disrupted_pods) > _MOST_DISRUPTED:
            raise TooManyRequests("DisruptedPods map too big - too many evictions not confirmed by PDB controller")
        disrupted = {**status.disrupted_pods, pod.metadata.name: api.now()}
        return replace(
            found,
            status=replace(status, disruptions_allowed=status.disruptions_allowed - 1, disrupted_pods=disrupted),
        )

    own = Context(
        ctx.user, PODDISRUPTIONBUDGET, budget.namespace, budget.name, subresource="status", dry_run=dry_run,
        manager=ctx.manager, trusted=True,
    )  # fmt: skip
    await update(api, own, change)
