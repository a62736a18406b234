"""Validation of writes to a pod's /status.

https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
"""

from __future__ import annotations

from collections.abc import Sequence

from wherry.api.checks import Errors, parsed_ip
from wherry.api.checks import ip as check_ip
from wherry.api.types.core import Container, ContainerStatus, Pod, PodSpec, PodStatus
from wherry.machinery.names import dns_subdomain, qualified_name
from wherry.machinery.validation import duplicate, forbidden, invalid

_SYSTEM = frozenset({"PodScheduled", "Ready", "Initialized"})
_NOT_NEGATIVE = "must be a non-negative integer"


def validate_status(new: Pod, old: Pod | None) -> Errors:
    """A write to /status: what it says can be, and what has ended stays so where nothing starts it again."""
    status, before = new.status, old.status if old is not None else PodStatus()
    yield from _conditions(status)
    if old is not None:
        yield from _nominated(status.nominated_node_name, old)
        if status.qos_class != before.qos_class:
            yield invalid("status.qosClass", status.qos_class, "field is immutable")
        yield from _transitions(new, old)
    if status.observed_generation < 0:
        yield invalid("status.observedGeneration", status.observed_generation, _NOT_NEGATIVE)
    yield from _claims(new)
    yield from _addresses(status, before)


def _conditions(status: PodStatus) -> Errors:
    for index, condition in enumerate(status.conditions):
        at = f"status.conditions[{index}]"
        if condition.observed_generation < 0:
            yield invalid(f"{at}.observedGeneration", condition.observed_generation, _NOT_NEGATIVE)
        if condition.type not in _SYSTEM:
            for problem in qualified_name(condition.type):
                yield invalid(f"{at}.Type", condition.type, problem)


def _nominated(name: str, old: Pod) -> Errors:
    if not name or name == old.status.nominated_node_name:
        return
    for problem in dns_subdomain(name):
        yield invalid("status.nominatedNodeName", name, problem)
    if old.spec.node_name:
        yield forbidden("status.nominatedNodeName", "may not be set on pods that are already bound to a node")


# --- What has ended ---


def _transitions(new: Pod, old: Pod) -> Errors:
    spec, now, then = old.spec, new.status, old.status
    everyone = (*spec.init_containers, *spec.containers)
    if not any(rule.action == "RestartAllContainers" for one in everyone for rule in one.restart_policy_rules):
        yield from _ended("containerStatuses", now.container_statuses, then.container_statuses, spec, spec.containers)
        yield from _ended(
            "initContainerStatuses", now.init_container_statuses, then.init_container_statuses, spec,
            spec.init_containers,
        )  # fmt: skip
    yield from _ended(
        "ephemeralContainerStatuses", now.ephemeral_container_statuses, then.ephemeral_container_statuses, spec, ()
    )


def _ended(
    field: str, new: Sequence[ContainerStatus], old: Sequence[ContainerStatus], spec: PodSpec,
    containers: Sequence[Container],
) -> Errors:  # fmt: skip
    running = {status.name for status in new if status.state.terminated is None}
    known = {container.name: container for container in containers}
    for index, status in enumerate(old):
        ended = status.state.terminated
        if ended is None or status.name not in running:
            continue
        container = known.get(status.name)
        if container is None or not starts_again(container, spec, ended.exit_code):
            yield forbidden(f"status.{field}[{index}].state", "may not be transitioned to non-terminated state")


def starts_again(container: Container, spec: PodSpec, code: int) -> bool:
    """Whether a container that has ended with this code is started again: its rules, its policy, the pod's policy."""
    policy = container.restart_policy
    if policy is not None:
        for rule in container.restart_policy_rules:
            codes = rule.exit_codes
            if codes is not None and (code in codes.values) is (codes.operator == "In"):
                return True
    policy = policy or spec.restart_policy
    return code != 0 if policy == "OnFailure" else policy != "Never"


# --- Claims and addresses ---


def _claims(pod: Pod) -> Errors:
    known, seen = {claim.name for claim in pod.spec.resource_claims}, set[str]()
    for index, status in enumerate(pod.status.resource_claim_statuses):
        at = f"status.resourceClaimStatuses[{index}]"
        if status.name not in known:
            yield invalid(f"{at}.name", status.name, "must match the name of an entry in `spec.resourceClaims`")
        if status.name in seen:
            yield duplicate(f"{at}.name", status.name)
        seen.add(status.name)
        for problem in dns_subdomain(status.resource_claim_name) if status.resource_claim_name is not None else ():
            yield invalid(f"{at}.resourceClaimName", status.resource_claim_name, problem)


def _addresses(status: PodStatus, old: PodStatus) -> Errors:
    yield from _family("podIP", status.pod_ip, [a.ip for a in status.pod_ips], [a.ip for a in old.pod_ips])
    yield from _family("hostIP", status.host_ip, [a.ip for a in status.host_ips], [a.ip for a in old.host_ips])


def _family(field: str, first: str, all_: Sequence[str], old: Sequence[str]) -> Errors:
    """At most one address of each family, the first of which has a field of its own; old ones may stay as they are."""
    at = f"status.{field}s"
    for index, address in enumerate(all_):
        if address not in old:
            yield from check_ip(f"{at}[{index}]", address)
    versions = [found.version for address in all_ if (found := parsed_ip(address)) is not None]
    if len(all_) > 1 and sorted(versions) != [4, 6]:
        yield invalid(at, [{"ip": address} for address in all_], "may specify no more than one IP for each IP family")
    if all_ and first != all_[0]:
        yield invalid(f"{at}[0].ip", all_[0], f"must be equal to `{field}`")
