"""PodSecurity: pods that violate the standard of their namespace are refused, workloads that would make such are told.

https://kubernetes.io/docs/concepts/security/pod-security-admission/
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from wherry.api.core.namespace import NAMESPACE
from wherry.api.core.pod import POD
from wherry.api.types.apps import DaemonSet, Deployment, ReplicaSet, StatefulSet
from wherry.api.types.batch import CronJob, Job
from wherry.api.types.core import Namespace, Pod, PodSpec, PodTemplate, PodTemplateSpec, ReplicationController
from wherry.apiserver.admission.namespace_lifecycle import forbidden
from wherry.apiserver.admission.plugin import Plugin
from wherry.apiserver.admission.podsecurity.evaluate import details, evaluate, reasons
from wherry.apiserver.admission.podsecurity.finding import Finding
from wherry.apiserver.admission.podsecurity.policy import PREFIX, Policy, Standard, modes, policy_of
from wherry.apiserver.context import Context
from wherry.machinery.meta import controller_of
from wherry.machinery.validation import FieldError, refuse

if TYPE_CHECKING:
    from wherry.apiserver.api import Api

MOST_PODS: Final = 3000
"""Existing pods that are looked at when a namespace gets a stricter standard."""
MOST_SECONDS: Final = 1.0
_SLICE: Final = 20
_WORKLOADS: Final = frozenset({
    "podtemplates", "replicationcontrollers", "replicasets.apps", "deployments.apps", "statefulsets.apps",
    "daemonsets.apps", "jobs.batch", "cronjobs.batch",
})  # fmt: skip


# --- Pods and workloads ---


def _pod(api: Api, ctx: Context[Pod], pod: Pod, old: Pod | None) -> None:
    policy, errors = _policy(api, ctx)
    if policy is None:
        return
    if policy.privileged and not errors:
        ctx.annotations[f"{PREFIX}enforce-policy"] = str(Standard())
        return
    if old is not None and not _significant(pod.spec, old.spec):
        return
    _judge(api, ctx, policy, errors, pod)


def _workload(api: Api, ctx: Context[Any], obj: Any, old: Any) -> None:
    policy, errors = _policy(api, ctx)
    if policy is None or not (errors or policy.warn.strictness or policy.audit.strictness):
        return
    template = _template(obj)
    if template is not None:
        _judge(api, ctx, policy, errors, template)


def _policy(api: Api, ctx: Context[Any]) -> tuple[Policy | None, list[FieldError]]:
    """The policy of the request's namespace; None when somebody is exempt from it."""
    settings = api.pod_security
    exempt = ""
    if ctx.namespace in settings.exempt_namespaces:
        exempt = "namespace"
    elif ctx.user.name in settings.exempt_users:
        exempt = "user"
    if exempt:
        ctx.annotations[f"{PREFIX}exempt"] = exempt
        return None, []
    entry = api.find(NAMESPACE, "", ctx.namespace)
    return policy_of({} if entry is None else entry.obj.metadata.labels, settings.defaults)


def _template(obj: Any) -> PodTemplateSpec | None:
    match obj:
        case PodTemplate():
            found: PodTemplateSpec | None = obj.template
        case CronJob():
            found = obj.spec.job_template.spec.template
        case ReplicationController() | ReplicaSet() | Deployment() | StatefulSet() | DaemonSet() | Job():
            found = obj.spec.template
        case _:
            found = None
    return found


def _significant(new: PodSpec, old: PodSpec) -> bool:
    """Whether an update changes what the checks look at: containers come, or have another image."""
    if len(new.containers) != len(old.containers) or len(new.init_containers) != len(old.init_containers):
        return True
    before = (*old.containers, *old.init_containers)
    if any(a.image != b.image for a, b in zip((*new.containers, *new.init_containers), before, strict=True)):
        return True
    images = {container.name: container.image for container in old.ephemeral_containers}
    return any(images.get(container.name) != container.image for container in new.ephemeral_containers)


def _judge(
    api: Api, ctx: Context[Any], policy: Policy, errors: Sequence[FieldError], pod: Pod | PodTemplateSpec
) -> None:  # fmt: skip
    annotations, spec = pod.metadata.annotations, pod.spec
    if spec.runtime_class_name and spec.runtime_class_name in api.pod_security.exempt_runtime_classes:
        ctx.annotations[f"{PREFIX}exempt"] = "runtimeClass"
        return
    if errors:
        listed = [f"{error.path}: {error.message}" for error in errors]
        text = listed[0] if len(listed) == 1 else f"[{', '.join(listed)}]"
        ctx.annotations[f"{PREFIX}error"] = f"Failed to parse policy: {text}"
    known: dict[Standard, list[Finding]] = {}

    def findings(standard: Standard) -> list[Finding]:
        if standard not in known:
            known[standard] = evaluate(standard, annotations, spec)
        return known[standard]

    if found := findings(policy.audit):
        text = f'would violate PodSecurity "{policy.audit}": {details(found)}'
        ctx.annotations[f"{PREFIX}audit-violations"] = text
    if isinstance(pod, Pod):
        ctx.annotations[f"{PREFIX}enforce-policy"] = str(policy.enforce)
        if found := findings(policy.enforce):
            raise forbidden(ctx, f'violates PodSecurity "{policy.enforce}": {details(found)}')
    if found := findings(policy.warn):
        ctx.warn(f'would violate PodSecurity "{policy.warn}": {details(found)}')


# --- Namespaces ---


async def _namespace(api: Api, ctx: Context[Namespace], new: Namespace, old: Namespace | None) -> None:
    settings = api.pod_security
    labels = new.metadata.labels
    policy, errors = policy_of(labels, settings.defaults)
    before, old_errors = policy_of({} if old is None else old.metadata.labels, settings.defaults)
    if errors and (old is None or errors != old_errors):
        raise refuse("", "Namespace", new.metadata.name, errors)
    if old is not None and not _stricter(policy.enforce, before.enforce):
        return
    if new.metadata.name in settings.exempt_namespaces:
        if not policy.privileged and not policy.same_as(settings.defaults):
            ctx.warn(
                f'namespace "{new.metadata.name}" is exempt from Pod Security, and the policy '
                f"({', '.join(modes(policy, labels))}) will be ignored"
            )
    elif old is not None:
        await _tell(api, ctx, new.metadata.name, policy.enforce)


def _stricter(new: Standard, old: Standard) -> bool:
    """Whether pods that were fine may now violate the standard."""
    if new == old or not new.strictness:
        return False
    return new.minor != old.minor or new.strictness > old.strictness


async def _tell(api: Api, ctx: Context[Namespace], namespace: str, standard: Standard) -> None:
    """Warn about the pods of a namespace that violate its new standard; they stay."""
    pods = prioritised([entry.obj for entry in api.window(POD).list(namespace).items])
    pods = [pod for pod in pods if pod.spec.runtime_class_name not in api.pod_security.exempt_runtime_classes]
    ends = api.clock.monotonic() + MOST_SECONDS
    names: dict[str, list[str]] = {}
    checked = 0
    for pod in pods[:MOST_PODS]:
        if found := evaluate(standard, pod.metadata.annotations, pod.spec):
            names.setdefault(reasons(found), []).append(pod.metadata.name)
        checked += 1
        if checked % _SLICE == 0:
            await asyncio.sleep(0)
            if api.clock.monotonic() > ends:
                break
    if checked < len(pods):
        ctx.warn(f"new PodSecurity enforce level only checked against the first {checked} of {len(pods)} existing pods")
    if names:
        ctx.warn(f'existing pods in namespace "{namespace}" violate the new PodSecurity enforce level "{standard}"')
    for text in sorted(f"{_counted(found)}: {why}" for why, found in names.items()):
        ctx.warn(text)


def prioritised(pods: Sequence[Pod]) -> list[Pod]:
    """One pod of each owner first: the others are like it."""
    seen: set[str] = set()
    first: list[Pod] = []
    rest: list[Pod] = []
    for pod in pods:
        owner = controller_of(pod)
        (rest if owner is not None and owner.uid in seen else first).append(pod)
        if owner is not None:
            seen.add(owner.uid)
    return [*first, *rest]


def _counted(names: Sequence[str]) -> str:
    others = len(names) - 1
    if not others:
        return names[0]
    return f"{min(names)} (and {others} other pod{'s' if others > 1 else ''})"


PLUGINS = (
    Plugin(
        "PodSecurity",
        validate=_pod,
        resources=frozenset({"pods"}),
        subresources=frozenset({"", "ephemeralcontainers", "resize"}),
    ),
    Plugin("PodSecurityWorkloads", validate=_workload, resources=_WORKLOADS),
    Plugin("PodSecurityNamespaces", ask_validate=_namespace, resources=frozenset({"namespaces"})),
)
