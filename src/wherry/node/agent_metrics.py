"""The agent about itself: /metrics (pods, volumes, its process), /metrics/probes and /configz. Pure.

https://kubernetes.io/docs/reference/instrumentation/metrics/
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from wherry.api.types.core import Pod
from wherry.node.config import VERSION, AgentConfig
from wherry.node.metering import Look
from wherry.node.stats_metrics import Text

Tally = Mapping[tuple[str, str, str, str, str, str], int]
"""(probe type, result, container, pod, namespace, pod uid) -> how often"""


def metrics(node: str, pods: Iterable[Pod], look: Look, *, started: float, version: str = VERSION) -> str:
    """/metrics. `started`: when the agent started, epoch seconds."""
    text = Text()
    states: Counter[str] = Counter()
    running = 0
    for pod in pods:
        here = Counter(_states(pod))
        states += here
        running += bool(here["running"])
    text.add("gauge", "kubelet_node_name", "The node's name. The count is always 1.", 1, {"node": node})
    text.add("gauge", "kubelet_running_pods", "Number of pods that have a running pod sandbox", running)
    for state in ("created", "exited", "running", "unknown"):
        text.add("gauge", "kubelet_running_containers", "Number of containers currently running", states[state],
                 {"container_state": state})  # fmt: skip
    _volumes(text, look)
    major, minor, *_ = version.removeprefix("v").split(".")
    labels = {"git_version": version, "major": major, "minor": minor, "platform": "linux"}
    text.add("gauge", "kubernetes_build_info", "A metric with a constant '1' value labeled by version.", 1, labels)
    cpu, resident = look.own
    text.add("counter", "process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", cpu / 1e9)
    text.add("gauge", "process_resident_memory_bytes", "Resident memory size in bytes.", resident)
    text.add("gauge", "process_start_time_seconds", "Start time of the process since unix epoch in seconds.", started)
    return str(text)


def _states(pod: Pod) -> Iterable[str]:
    status = pod.status
    for one in (*status.init_container_statuses, *status.container_statuses, *status.ephemeral_container_statuses):
        if one.state.running is not None:
            yield "running"
        elif one.state.terminated is not None:
            yield "exited"


def _volumes(text: Text, look: Look) -> None:
    for pod in look.pods:
        for one in pod.volumes:
            if not one.claim:
                continue
            labels = {"namespace": pod.pod.metadata.namespace, "persistentvolumeclaim": one.claim}
            space = one.space
            for name, words, value in (
                ("available_bytes", "Number of available bytes in the volume", space.available),
                ("capacity_bytes", "Capacity in bytes of the volume", space.capacity),
                ("used_bytes", "Number of used bytes in the volume", space.used),
                ("inodes", "Maximum number of inodes in the volume", space.inodes),
                ("inodes_free", "Number of free inodes in the volume", space.inodes_free),
                ("inodes_used", "Number of used inodes in the volume", space.inodes_used),
            ):
                text.add("gauge", f"kubelet_volume_stats_{name}", words, value, labels)


def probes(tally: Tally) -> str:
    """/metrics/probes."""
    text = Text()
    words = "Cumulative number of a liveness, readiness or startup probe for a container by result."
    for (kind, result, container, pod, namespace, uid), count in sorted(tally.items()):
        labels = {
            "container": container, "namespace": namespace, "pod": pod, "pod_uid": uid, "probe_type": kind,
            "result": result,
        }  # fmt: skip
        text.add("counter", "prober_probe_total", words, count, labels)
    return str(text)


def configz(config: AgentConfig) -> dict[str, Any]:
    """/configz."""
    return {
        "kubeletconfig": {
            "kind": "KubeletConfiguration",
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "port": config.port,
            "maxPods": config.max_pods,
            "podPidsLimit": -1,
            "clusterDomain": config.cluster_domain,
            "clusterDNS": list(config.cluster_dns),
            "resolvConf": str(config.resolv_conf),
            "nodeStatusUpdateFrequency": f"{config.heartbeat:g}s",
            "nodeStatusReportFrequency": f"{config.status_every:g}s",
            "nodeLeaseDurationSeconds": 40,
            "syncFrequency": f"{config.refresh:g}s",
            "imageGCHighThresholdPercent": config.image_high,
            "imageGCLowThresholdPercent": config.image_low,
            "containerLogMaxSize": str(config.log_bytes),
            "containerLogMaxFiles": config.log_files,
            "cgroupRoot": config.cgroups,
            "cgroupsPerQOS": True,
            "evictionHard": dict(config.eviction_hard),
            "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": False}},
            "enableControllerAttachDetach": True,
            "enableDebuggingHandlers": True,
            "failSwapOn": False,
        }
    }
