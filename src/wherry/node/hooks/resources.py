"""Limits: the pod's control group and each container's share of CPU, memory and the kernel's mercy.

https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from wherry.api.core.pod_resources import pod_limits, pod_requests, qos_class
from wherry.api.types.core import Container as Spec
from wherry.api.types.core import Pod, PodSpec
from wherry.host import cgroups
from wherry.machinery.quantity import Quantity, from_bytes, milli, whole
from wherry.node import groups
from wherry.node.hooks.hook import Hook, Machine, Scope, Starting
from wherry.node.runtime.interface import ContainerConfig, Resources, SandboxConfig

PERIOD = 100_000
MIN_QUOTA = 1_000


def quota(millicores: int) -> int:
    """Microseconds per period of a limit; 0 is unlimited."""
    return max(MIN_QUOTA, millicores * PERIOD // 1000) if millicores else 0


def oom_score(pod: Pod, spec: Spec, memory: int) -> int:
    """oom_score_adj: the less of its request a burstable container could use, the sooner it goes."""
    kind = qos_class(pod)
    if kind == "Guaranteed":
        return -997
    if kind == "BestEffort":
        return 1000
    request = whole(spec.resources.requests.get("memory", "0"))
    return min(999, max(3, 1000 - 1000 * request // max(memory, 1)))


def limits(pod: Pod, spec: Spec, machine: Machine) -> Resources:
    """What one container may use."""
    request, limit = spec.resources.requests, spec.resources.limits
    cpu_limit = milli(limit.get("cpu", "0"))
    unified: Mapping[str, str] = {"memory.oom.group": "1"} if machine.cgroup_version == 2 else {}
    return Resources(
        cpu_period=PERIOD,
        cpu_quota=quota(cpu_limit),
        cpu_shares=groups.shares(milli(request["cpu"]) if "cpu" in request else cpu_limit),
        memory=whole(limit.get("memory", "0")),
        oom_score_adj=oom_score(pod, spec, machine.memory),
        huge_pages=huge_pages(limit),
        unified=unified,
    )


def huge_pages(limits: Mapping[str, Quantity]) -> tuple[tuple[str, int], ...]:
    """Limits on huge pages by the kernel's names: none of a size that is not asked for."""
    found = []
    for size, name in ((2 << 20, "2MB"), (1 << 30, "1GB")):
        if (Path("/sys/kernel/mm/hugepages") / f"hugepages-{size // 1024}kB").exists():
            found.append((name, whole(limits.get(f"hugepages-{from_bytes(size)}", "0"))))
    return tuple(found)


def sums(spec: PodSpec) -> cgroups.Limits:
    """What the pod's own group allows: limits only where every container has one, or the pod itself."""
    request, limit = pod_requests(spec), pod_limits(spec)
    own = spec.resources.limits if spec.resources else {}
    everyone = (*spec.containers, *(one for one in spec.init_containers if one.restart_policy == "Always"))

    def limited(name: str) -> bool:
        return name in own or all(name in one.resources.limits for one in everyone)

    return cgroups.Limits(
        cpu_shares=groups.shares(request.get("cpu", 0)),
        cpu_quota=quota(limit.get("cpu", 0)) if limited("cpu") else 0,
        memory=limit.get("memory", 0) if limited("memory") else 0,
    )


class Limits(Hook):
    """Owns the pod's control group."""

    def sandbox(self, scope: Scope, config: SandboxConfig) -> SandboxConfig:
        """Make the group with the pod's sums before anything runs in it; name it as everything's parent."""
        parent = groups.parent(scope.config, scope.pod)
        if parent.startswith("/"):
            cgroups.create(parent, sums(scope.pod.spec))
        return replace(config, cgroup_parent=parent)

    async def container(self, scope: Scope, starting: Starting, config: ContainerConfig) -> ContainerConfig:
        """The container's own limits."""
        return replace(config, resources=limits(scope.pod, starting.spec, scope.machine))

    async def clear(self, scope: Scope) -> None:
        """Remove the group."""
        for group in groups.everywhere(scope.config, scope.pod.metadata.uid):
            cgroups.remove(group)
