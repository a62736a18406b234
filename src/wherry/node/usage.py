"""What containers, pods and the node use: /stats/summary as JSON, /metrics/resource as Prometheus text.

CPU is cumulative seconds; a rate needs two looks, which is the reader's business (metrics-server does it).
https://kubernetes.io/docs/reference/instrumentation/node-metrics/
"""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path
from typing import Any

from wherry.machinery.time import time_at
from wherry.node import facts, machine
from wherry.node.api import Serves
from wherry.node.runtime.interface import Stats


async def summary(agent: Serves) -> dict[str, Any]:
    """The body of /stats/summary."""
    now = time_at(agent.clock.now())
    by_pod: dict[tuple[str, str, str], list[Stats]] = defaultdict(list)
    for one in await agent.runtime.stats():
        labels = one.labels
        key = tuple(labels.get(name, "") for name in (facts.POD_NAMESPACE, facts.POD_NAME, facts.POD_UID))
        by_pod[key[0], key[1], key[2]].append(one)
    pods = [
        {
            "podRef": {"name": name, "namespace": namespace, "uid": uid},
            "startTime": now,
            "containers": [_container(one) for one in stats],
            "cpu": _cpu(now, sum(one.cpu_total for one in stats)),
            "memory": _memory(now, stats),
        }
        for (namespace, name, uid), stats in by_pod.items()
    ]
    return {
        "node": {
            "nodeName": agent.config.name,
            "startTime": now,
            "cpu": _cpu(now, node_cpu()),
            "memory": {
                "time": now,
                "availableBytes": machine.memory_available(),
                "workingSetBytes": machine.memory_bytes() - machine.memory_available(),
            },
        },
        "pods": pods,
    }


def _container(one: Stats) -> dict[str, Any]:
    at = time_at(one.at)
    return {
        "name": one.name,
        "startTime": at,
        "cpu": _cpu(at, one.cpu_total),
        "memory": _memory(at, [one]),
        "rootfs": {"time": at, "usedBytes": one.disk_used, "inodesUsed": one.inodes_used},
    }


def _cpu(at: str, total: int) -> dict[str, Any]:
    return {"time": at, "usageCoreNanoSeconds": total}


def _memory(at: str, stats: list[Stats]) -> dict[str, Any]:
    return {
        "time": at,
        "usageBytes": sum(one.memory_usage for one in stats),
        "workingSetBytes": sum(one.memory_working_set for one in stats),
        "rssBytes": sum(one.memory_rss for one in stats),
    }


def node_cpu() -> int:
    """Nanoseconds all processors have worked since boot."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    user, nice, system, _, _, irq, soft, steal = (int(one) for one in fields)
    return (user + nice + system + irq + soft + steal) * (1_000_000_000 // os.sysconf("SC_CLK_TCK"))


async def metrics(agent: Serves) -> str:
    """The body of /metrics/resource."""
    cpu = ["# TYPE container_cpu_usage_seconds_total counter"]
    memory = ["# TYPE container_memory_working_set_bytes gauge"]
    for one in await agent.runtime.stats():
        name, namespace = one.labels.get(facts.POD_NAME, ""), one.labels.get(facts.POD_NAMESPACE, "")
        labels = f'{{container="{one.name}",namespace="{namespace}",pod="{name}"}}'
        stamp = int(one.at * 1000)
        cpu.append(f"container_cpu_usage_seconds_total{labels} {one.cpu_total / 1e9:.9f} {stamp}")
        memory.append(f"container_memory_working_set_bytes{labels} {one.memory_working_set} {stamp}")
    used = machine.memory_bytes() - machine.memory_available()
    node = [
        "# TYPE node_cpu_usage_seconds_total counter",
        f"node_cpu_usage_seconds_total {node_cpu() / 1e9:.9f}",
        "# TYPE node_memory_working_set_bytes gauge",
        f"node_memory_working_set_bytes {used}",
    ]
    return "\n".join([*cpu, *memory, *node]) + "\n"
