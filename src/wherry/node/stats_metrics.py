"""The agent's Prometheus texts of use: /metrics/resource and /metrics/cadvisor, from a Look. Pure.

Names and labels are what dashboards, metrics-server and adapters of upstream read.
https://kubernetes.io/docs/reference/instrumentation/metrics/ https://github.com/google/cadvisor/blob/master/docs/storage/prometheus.md
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from wherry.machinery.quantity import milli
from wherry.node.metering import ContainerUse, Look, PodUse

Kind = Literal["counter", "gauge", "histogram"]
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def escape(value: str) -> str:
    """A label's value as the text format wants it."""
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def sample(name: str, labels: Mapping[str, str], value: float, at: float | None = None) -> str:
    """One line. `at`: epoch seconds."""
    shown = ",".join(f'{key}="{escape(text)}"' for key, text in labels.items())
    number = str(value)
    stamp = "" if at is None else f" {int(at * 1000)}"
    return f"{name}{{{shown}}} {number}{stamp}" if shown else f"{name} {number}{stamp}"


@dataclass(slots=True)
class Text:
    """Metrics in the making: families in the order of their first sample."""

    _families: dict[str, list[str]] = field(default_factory=dict)

    def add(
        self, kind: Kind, name: str, text: str, value: float, labels: Mapping[str, str] | None = None, *,
        at: float | None = None,
    ) -> None:  # fmt: skip
        """One sample of a family."""
        family = self._families.setdefault(name, [f"# HELP {name} {text}", f"# TYPE {name} {kind}"])
        family.append(sample(name, labels or {}, value, at))

    def __str__(self) -> str:
        return "".join(f"{line}\n" for family in self._families.values() for line in family)


def resource(look: Look) -> str:
    """/metrics/resource."""
    text, at = Text(), look.at
    cpu, memory = "Cumulative cpu time consumed by the %s in core-seconds", "Current working set of the %s in bytes"
    swap = "Current amount of the %s swap usage in bytes. Reported only on non-windows systems"
    start = "Start time of the container since unix epoch in seconds"
    for pod, one in _containers(look):
        meta = pod.pod.metadata
        labels = {"container": one.name, "namespace": meta.namespace, "pod": meta.name}
        text.add("counter", "container_cpu_usage_seconds_total", cpu % "container", one.use.cpu / 1e9, labels, at=at)
        text.add("gauge", "container_memory_working_set_bytes", memory % "container", one.use.working_set, labels,
                 at=at)  # fmt: skip
        text.add("gauge", "container_start_time_seconds", start, one.started, labels)
        text.add("gauge", "container_swap_usage_bytes", swap % "container", one.use.swap, labels, at=at)
    text.add("counter", "node_cpu_usage_seconds_total", cpu % "node", look.node.cpu / 1e9, at=at)
    text.add("gauge", "node_memory_working_set_bytes", memory % "node", look.total - look.available, at=at)
    of_node = "Current swap usage of the node in bytes. Reported only on non-windows systems"
    text.add("gauge", "node_swap_usage_bytes", of_node, look.node.swap, at=at)
    for each in look.pods:
        labels = {"namespace": each.pod.metadata.namespace, "pod": each.pod.metadata.name}
        text.add("counter", "pod_cpu_usage_seconds_total", cpu % "pod", each.use.cpu / 1e9, labels, at=at)
        text.add("gauge", "pod_memory_working_set_bytes", memory % "pod", each.use.working_set, labels, at=at)
        text.add("gauge", "pod_swap_usage_bytes", swap % "pod", each.use.swap, labels, at=at)
    failed = "1 if there was an error while getting container metrics, 0 otherwise"
    text.add("gauge", "resource_scrape_error", failed, 0)
    text.add("gauge", "scrape_error", failed, 0)
    return str(text)


def _containers(look: Look) -> Iterator[tuple[PodUse, ContainerUse]]:
    for pod in look.pods:
        for one in pod.containers:
            yield pod, one


def cadvisor(look: Look, cpus: int) -> str:
    """/metrics/cadvisor: what the usual dashboards show."""
    text, at = Text(), look.at
    for pod, one in _containers(look):
        meta = pod.pod.metadata
        labels = {
            "container": one.name, "id": one.id, "image": one.image, "name": one.id, "namespace": meta.namespace,
            "pod": meta.name,
        }  # fmt: skip
        _use(text, one, labels, at)
        _limits(text, pod, one, labels, at)
    for pod in look.pods:
        meta = pod.pod.metadata
        for link in pod.traffic or ():
            labels = {"interface": link.name, "namespace": meta.namespace, "pod": meta.name}
            for name, word, value in (
                ("receive_bytes", "bytes received", link.received),
                ("receive_errors", "errors encountered while receiving", link.received_errors),
                ("receive_packets", "packets received", link.received_packets),
                ("receive_packets_dropped", "packets dropped while receiving", link.received_dropped),
                ("transmit_bytes", "bytes transmitted", link.sent),
                ("transmit_errors", "errors encountered while transmitting", link.sent_errors),
                ("transmit_packets", "packets transmitted", link.sent_packets),
                ("transmit_packets_dropped", "packets dropped while transmitting", link.sent_dropped),
            ):
                text.add("counter", f"container_network_{name}_total", f"Cumulative count of {word}", value, labels,
                         at=at)  # fmt: skip
    text.add("gauge", "machine_cpu_cores", "Number of logical CPU cores.", cpus)
    text.add("gauge", "machine_memory_bytes", "Amount of memory installed on the machine.", look.total)
    return str(text)


def _use(text: Text, one: ContainerUse, labels: dict[str, str], at: float) -> None:
    use = one.use
    text.add("counter", "container_cpu_usage_seconds_total", "Cumulative cpu time consumed in seconds.",
             use.cpu / 1e9, {**labels, "cpu": "total"}, at=at)  # fmt: skip
    text.add("counter", "container_cpu_cfs_periods_total", "Number of elapsed enforcement period intervals.",
             use.periods, labels, at=at)  # fmt: skip
    text.add("counter", "container_cpu_cfs_throttled_periods_total", "Number of throttled period intervals.",
             use.throttled_periods, labels, at=at)  # fmt: skip
    text.add("counter", "container_cpu_cfs_throttled_seconds_total",
             "Total time duration the container has been throttled.", use.throttled / 1e9, labels, at=at)  # fmt: skip
    for name, words, value in (
        ("container_memory_usage_bytes", "Current memory usage in bytes, including all memory", use.memory),
        ("container_memory_working_set_bytes", "Current working set in bytes.", use.working_set),
        ("container_memory_rss", "Size of RSS in bytes.", use.rss),
        ("container_memory_cache", "Number of bytes of page cache memory.", use.cache),
        ("container_memory_swap", "Container swap usage in bytes.", use.swap),
        ("container_processes", "Number of processes running inside the container.", use.pids),
        ("container_fs_usage_bytes", "Number of bytes that are consumed by the container on this filesystem.",
         one.rootfs.used),
        ("container_start_time_seconds", "Start time of the container since unix epoch in seconds.", one.started),
        ("container_last_seen", "Last time a container was seen by the exporter", int(at)),
    ):  # fmt: skip
        text.add("gauge", name, words, value, labels, at=at)


def _limits(text: Text, pod: PodUse, one: ContainerUse, labels: dict[str, str], at: float) -> None:
    spec = pod.pod.spec
    known = next((each for each in (*spec.containers, *spec.init_containers) if each.name == one.name), None)
    text.add("gauge", "container_spec_memory_limit_bytes", "Memory limit for the container.", one.use.limit, labels,
             at=at)  # fmt: skip
    limit = known.resources.limits.get("cpu") if known else None
    if limit is not None:
        text.add("gauge", "container_spec_cpu_period", "CPU period of the container.", 100000, labels, at=at)
        text.add("gauge", "container_spec_cpu_quota", "CPU quota of the container.", milli(limit) * 100, labels, at=at)
    request = known.resources.requests.get("cpu") if known else None
    if request is not None:
        text.add("gauge", "container_spec_cpu_shares", "CPU share of the container.",
                 max(2, milli(request) * 1024 // 1000), labels, at=at)  # fmt: skip
