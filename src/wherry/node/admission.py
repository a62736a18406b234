"""Whether this node takes a pod that was given to it: pure; what does not pass ends Failed before anything is made.

Reasons and messages are upstream's: OutOfcpu, OutOfpods, SysctlForbidden, PodOSNotSupported, Evicted ...
https://kubernetes.io/docs/tasks/administer-cluster/sysctl-cluster/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from wherry.api.core.pod_resources import qos_class
from wherry.api.types.core import Pod
from wherry.node import resize
from wherry.node.facts import Problem

SAFE_SYSCTLS: Mapping[str, str] = {
    "kernel.shm_rmid_forced": "ipc",
    "net.ipv4.ip_local_port_range": "net",
    "net.ipv4.tcp_syncookies": "net",
    "net.ipv4.ping_group_range": "net",
    "net.ipv4.ip_unprivileged_port_start": "net",
    "net.ipv4.ip_local_reserved_ports": "net",
    "net.ipv4.tcp_keepalive_time": "net",
    "net.ipv4.tcp_fin_timeout": "net",
    "net.ipv4.tcp_keepalive_intvl": "net",
    "net.ipv4.tcp_keepalive_probes": "net",
    "net.ipv4.tcp_rmem": "net",
    "net.ipv4.tcp_wmem": "net",
    "net.ipv4.tcp_slow_start_after_idle": "net",
    "net.ipv4.tcp_notsent_lowat": "net",
}
"""Name -> the namespace it belongs to. Others are refused."""
CRITICAL = 2_000_000_000
"""Pods of this priority or more are taken even under pressure."""


@dataclass(frozen=True, slots=True)
class Node:
    """What counts when a pod comes. `allocatable` in millicores and bytes; `pressures` are condition types."""

    allocatable: Mapping[str, int]
    max_pods: int
    pressures: tuple[str, ...] = ()
    apparmor: bool = True
    """Whether the kernel has AppArmor."""
    user_namespaces: bool = True
    """Whether the runtime can give pods a user namespace of their own."""
    strict_groups: bool = True
    """Whether the runtime can do supplementalGroupsPolicy Strict."""


def refusal(pod: Pod, others: Iterable[Pod], node: Node) -> Problem | None:
    """Why the node does not take the pod, or None. `others`: pods it has taken already."""
    others = tuple(one for one in others if one.status.phase not in ("Succeeded", "Failed"))
    return _pressure(pod, node) or _kind(pod, node) or _room(pod, others, node) or _ports(pod, others) or _sysctls(pod)


def _pressure(pod: Pod, node: Node) -> Problem | None:
    if not node.pressures or (pod.spec.priority or 0) >= CRITICAL:
        return None
    tolerates = qos_class(pod) != "BestEffort" and set(node.pressures) == {"MemoryPressure"}
    if tolerates:
        return None
    return Problem("Evicted", f"The node had condition: [{' '.join(node.pressures)}]. ")


def _kind(pod: Pod, node: Node) -> Problem | None:
    if pod.spec.os is not None and pod.spec.os.name not in ("", "linux"):
        return Problem("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS")
    if not node.apparmor and _wants_apparmor(pod):
        return Problem("AppArmor", "Cannot enforce AppArmor: AppArmor is not enabled on the host")
    if pod.spec.host_users is False and not node.user_namespaces:
        return Problem("UserNamespacesNotSupported", "the runtime of this node has no user namespaces for pods")
    context = pod.spec.security_context
    if context is not None and context.supplemental_groups_policy == "Strict" and not node.strict_groups:
        text = "SupplementalGroupsPolicy=Strict is not supported in this node"
        return Problem("SupplementalGroupsPolicyNotSupported", text)
    return None


def _wants_apparmor(pod: Pod) -> bool:
    spec = pod.spec
    contexts = [spec.security_context, *(one.security_context for one in (*spec.init_containers, *spec.containers))]
    profiles = (one.app_armor_profile for one in contexts if one is not None)
    return any(one is not None and one.type in ("RuntimeDefault", "Localhost") for one in profiles)


def _room(pod: Pod, others: tuple[Pod, ...], node: Node) -> Problem | None:
    if len(others) >= node.max_pods:
        numbers = f"pods, requested: 1, used: {len(others)}, capacity: {node.max_pods}"
        return Problem("OutOfpods", f"Node didn't have enough resource: {numbers}")
    lacking = resize.short(pod, others, node.allocatable)
    if lacking is None:
        return None
    name, numbers = lacking
    return Problem(f"OutOf{name}", f"Node didn't have enough resource: {numbers}")


def _ports(pod: Pod, others: tuple[Pod, ...]) -> Problem | None:
    """Host ports that another pod of this node has: only pods that no scheduler placed come to that."""
    wanted = list(_host_ports(pod))
    taken = [port for one in others for port in _host_ports(one)] if wanted else []
    if any(_clash(mine, theirs) for mine in wanted for theirs in taken):
        text = "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"
        return Problem("NodePorts", text)
    return None


def _host_ports(pod: Pod) -> Iterator[tuple[str, int, str]]:
    """Protocol, port, address ("" is any)."""
    sidecars = (one for one in pod.spec.init_containers if one.restart_policy == "Always")
    for container in (*pod.spec.containers, *sidecars):
        for port in container.ports:
            if port.host_port:
                yield port.protocol or "TCP", port.host_port, "" if port.host_ip in ("", "0.0.0.0") else port.host_ip


def _clash(mine: tuple[str, int, str], theirs: tuple[str, int, str]) -> bool:
    return mine[:2] == theirs[:2] and (mine[2] == theirs[2] or "" in (mine[2], theirs[2]))


def _sysctls(pod: Pod) -> Problem | None:
    spec = pod.spec
    shared = {"ipc": bool(spec.host_ipc), "net": bool(spec.host_network)}
    for one in spec.security_context.sysctls if spec.security_context else ():
        name = one.name.replace("/", ".")
        group = SAFE_SYSCTLS.get(name)
        if group is None:
            return Problem("SysctlForbidden", f'forbidden sysctl: "{name}" not allowlisted')
        if shared[group]:
            why = f'"{name}" not allowed with host {group} enabled'
            return Problem("SysctlForbidden", f"forbidden sysctl: {why}")
    return None
