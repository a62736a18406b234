"""An agent's /metrics/resource as numbers, and the use between two of them. Pure.

https://kubernetes.io/docs/reference/instrumentation/node-metrics/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

_LINE = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)(?: (\d+))?")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_PLAIN = re.compile(r"\\(.)")


class Counted(NamedTuple):
    """Processor seconds used so far, bytes in use, and when that was (epoch seconds)."""

    cpu: float
    memory: int
    at: float


class Used(NamedTuple):
    """Cores used on average over `window` seconds up to `at`, and bytes in use."""

    cores: float
    memory: int
    at: float
    window: float


Container = tuple[str, str, str]
"""Namespace, pod, container."""


@dataclass(slots=True)
class Scrape:
    """One answer of one agent."""

    node: Counted | None = None
    containers: dict[Container, Counted] = field(default_factory=dict)


def read(text: str) -> Scrape:
    """Understand the text; lines of other families are passed over."""
    cpu: dict[Container, tuple[float, float]] = {}
    memory: dict[Container, float] = {}
    node_cpu: tuple[float, float] | None = None
    node_memory = 0.0
    for name, labels, value, at in _samples(text):
        who = (labels.get("namespace", ""), labels.get("pod", ""), labels.get("container", ""))
        match name:
            case "container_cpu_usage_seconds_total":
                cpu[who] = (value, at)
            case "container_memory_working_set_bytes":
                memory[who] = value
            case "node_cpu_usage_seconds_total":
                node_cpu = (value, at)
            case "node_memory_working_set_bytes":
                node_memory = value
            case _:
                continue
    scrape = Scrape()
    if node_cpu is not None:
        scrape.node = Counted(node_cpu[0], int(node_memory), node_cpu[1])
    scrape.containers = {who: Counted(used, int(memory[who]), at) for who, (used, at) in cpu.items() if who in memory}
    return scrape


def _samples(text: str) -> Iterator[tuple[str, Mapping[str, str], float, float]]:
    for line in text.splitlines():
        found = _LINE.fullmatch(line)
        if found is None:
            continue
        labels = {name: _PLAIN.sub(_unescaped, value) for name, value in _LABEL.findall(found[2] or "")}
        try:
            yield found[1], labels, float(found[3]), int(found[4] or 0) / 1000
        except ValueError:
            continue


def _unescaped(found: re.Match[str]) -> str:
    return "\n" if found[1] == "n" else found[1]


def between(before: Counted | None, after: Counted | None) -> Used | None:
    """The use between two moments; None when there are not two, or the counter was reset."""
    if before is None or after is None or after.at <= before.at or after.cpu < before.cpu:
        return None
    window = after.at - before.at
    return Used((after.cpu - before.cpu) / window, after.memory, after.at, window)
