"""Where the control groups of this node's pods lie: one level per quality of service, below it one group per pod.

`<root>/..`           where that is not the machine's: the weight of all pods among the machine's other work
`<root>`              all pods, no more memory than the node promises to them
`<root>/burstable`    Burstable pods, with the CPU weight of what they ask for together
`<root>/besteffort`   BestEffort pods, with the least weight there is
`<root>/pod<uid>`     a Guaranteed pod; the others lie in their level
Where systemd owns the tree a pod has a slice of its own below wherry.slice, and runc makes it.
https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/
"""

from __future__ import annotations

from collections.abc import Iterable

from wherry.api.core.pod_resources import pod_requests, qos_class
from wherry.api.types.core import Pod
from wherry.host import cgroups
from wherry.node.config import AgentConfig

LEVELS = {"Burstable": "/burstable", "BestEffort": "/besteffort"}
MIN_SHARES, MAX_SHARES = 2, 262_144


def shares(millicores: int) -> int:
    """cpu.shares of a request."""
    return max(MIN_SHARES, min(MAX_SHARES, millicores * 1024 // 1000)) if millicores else MIN_SHARES


def slice_name(uid: str) -> str:
    """A pod's slice below wherry.slice. A dash would mean another level."""
    return f"wherry-pod{uid.replace('-', '_')}.slice"


def parent(config: AgentConfig, pod: Pod) -> str:
    """What CRI is told as the parent of a pod's groups: a path, or a slice's name."""
    if cgroups.driver() == "systemd":
        return slice_name(pod.metadata.uid)
    return f"{config.cgroups}{LEVELS.get(qos_class(pod), '')}/pod{pod.metadata.uid}"


def of_pod(config: AgentConfig, pod: Pod) -> str:
    """A pod's group as a path below the root of the hierarchy."""
    found = parent(config, pod)
    return found if found.startswith("/") else f"/wherry.slice/{found}"


def of_container(config: AgentConfig, pod: Pod, container: str) -> str:
    """The group of one of its containers, or of its sandbox, by id."""
    name = f"cri-containerd-{container}.scope" if cgroups.driver() == "systemd" else container
    return f"{of_pod(config, pod)}/{name}"


def everywhere(config: AgentConfig, uid: str) -> tuple[str, ...]:
    """Every path where a pod that is not known any more may have its group."""
    return tuple(f"{config.cgroups}{level}/pod{uid}" for level in ("", *LEVELS.values()))


def weights(top: str, cpu: int, memory: int, pods: Iterable[Pod]) -> dict[str, cgroups.Limits]:
    """What each group above the pods' own has, by path: all pods the weight of `cpu` millicores and `memory` bytes, the
    levels their weights. A group around all pods competes with the machine's other work: it weighs as they do."""
    around = top.rpartition("/")[0]
    return {
        **({around: cgroups.Limits(shares(cpu))} if around else {}),
        top: cgroups.Limits(shares(cpu), memory=memory),
        f"{top}{LEVELS['Burstable']}": cgroups.Limits(burstable_shares(pods)),
        f"{top}{LEVELS['BestEffort']}": cgroups.Limits(MIN_SHARES),
    }


def burstable_shares(pods: Iterable[Pod]) -> int:
    """The weight of the Burstable level: what its pods that are not over ask for together."""
    alive = (pod for pod in pods if pod.status.phase not in ("Succeeded", "Failed"))
    return shares(sum(pod_requests(pod.spec).get("cpu", 0) for pod in alive if qos_class(pod) == "Burstable"))
