"""pods/eviction: delete a pod if its disruption budget allows, and say so in the budget first.

https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from wherry.api.core.pod import POD, is_ready
from wherry.api.policy.poddisruptionbudget import ALLOWED, PODDISRUPTIONBUDGET
from wherry.api.types.core import Pod, PodCondition
from wherry.api.types.policy import Eviction, PodDisruptionBudget, PodDisruptionBudgetStatus
from wherry.apiserver.api import Api
from wherry.apiserver.context import Context, conflict
from wherry.apiserver.verbs.delete import delete
from wherry.apiserver.verbs.update import update
from wherry.machinery import codec, selectors
from wherry.machinery.conditions import get, put
from wherry.machinery.errors import BadRequest, Cause, Forbidden, InternalError, TooManyRequests
from wherry.machinery.meta import Condition, DeleteOptions, Preconditions
from wherry.store.entry import Entry

_MOST_DISRUPTED = 2000
_REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."


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
        _require(found)
        status = found.status
        left = status.disruptions_allowed - 1
        used_up = Condition(
            type=ALLOWED, status="False", reason="InsufficientPods", observed_generation=status.observed_generation
        )
        return replace(
            found,
            status=replace(
                status,
                disruptions_allowed=left,
                disrupted_pods={**status.disrupted_pods, pod.metadata.name: api.now()},
                conditions=status.conditions if left else put(status.conditions, used_up, api.now()),
            ),
        )

    own = Context(
        ctx.user, PODDISRUPTIONBUDGET, budget.namespace, budget.name, subresource="status", dry_run=dry_run,
        manager="kube-apiserver", trusted=True,
    )  # fmt: skip
    await update(api, own, change)


def _require(budget: PodDisruptionBudget) -> None:
    """Raises TooManyRequests or Forbidden where a budget allows no eviction."""
    status, name = budget.status, budget.metadata.name
    if status.observed_generation < budget.metadata.generation:
        raise TooManyRequests(
            _REFUSED, causes=_cause(f"The disruption budget {name} is still being processed by the server."),
            retry_after=10,
        )  # fmt: skip
    currently = f"The disruption budget {name} does not allow evicting pods currently"
    refused = f'poddisruptionbudget.policy "{name}" is forbidden'
    details = {"name": name, "group": "policy", "kind": "poddisruptionbudget"}
    if status.disruptions_allowed < 0:
        why = "pdb disruptions allowed is negative"
        raise Forbidden(f"{refused}: {why}", details=details, causes=_cause(f"{currently}: {why}"))
    if len(status.disrupted_pods) > _MOST_DISRUPTED:
        raise Forbidden(
            f"{refused}: DisruptedPods map too big - too many evictions not confirmed by PDB controller",
            details=details,
            causes=_cause(f"{currently}: too many pending evictions not confirmed by PDB controller"),
        )
    if status.disruptions_allowed == 0:
        raise TooManyRequests(_REFUSED, causes=_cause(_why_none(status, name, currently)))


def _why_none(status: PodDisruptionBudgetStatus, name: str, currently: str) -> str:
    said = get(status.conditions, ALLOWED)
    no = said if said is not None and said.status == "False" and said.message else None
    if no is not None and no.reason == "SyncFailed":
        return f"{currently} because it failed sync: {no.message}"
    if status.current_healthy <= status.desired_healthy:
        return (
            f"The disruption budget {name} needs {status.desired_healthy} healthy pods and has "
            f"{status.current_healthy} currently"
        )
    return f"{currently} ({no.reason}): {no.message}" if no is not None else currently


def _cause(text: str) -> tuple[Cause]:
    return (Cause("DisruptionBudget", text),)
