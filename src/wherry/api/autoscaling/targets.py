"""The TARGETS cell of a HorizontalPodAutoscaler: current and wanted value of each metric."""

from __future__ import annotations

from typing import Any

from wherry.api.types.autoscaling_v2 import HorizontalPodAutoscaler, MetricTarget, MetricValueStatus

_KINDS = {
    "External": "external",
    "Pods": "pods",
    "Object": "object",
    "Resource": "resource",
    "ContainerResource": "container_resource",
}


def targets(hpa: HorizontalPodAutoscaler) -> str:
    """`cpu: 12%/80%`, two metrics at most; `<none>` without metrics."""
    statuses = hpa.status.current_metrics
    shown = []
    for index, metric in enumerate(hpa.spec.metrics):
        kind = _KINDS.get(metric.type)
        status = statuses[index] if index < len(statuses) else None
        shown.append(
            _target(metric.type, getattr(metric, kind), getattr(status, kind, None)) if kind else "<unknown type>"
        )
    if not shown:
        return "<none>"
    text = ", ".join(shown[:2])
    return f"{text} + {len(shown) - 2} more..." if len(shown) > 2 else text


def _target(kind: str, source: Any, status: Any) -> str:
    current: MetricValueStatus | None = status.current if status is not None else None
    if kind in ("Resource", "ContainerResource"):
        return f"{source.name}: {_resource(source.target, current)}"
    if kind == "Pods" or source.target.average_value is None:
        value = "average_value" if kind == "Pods" else "value"
        return f"{_shown(current, value)}/{getattr(source.target, value)}"
    return f"{_shown(current, 'average_value')}/{source.target.average_value} (avg)"


def _resource(target: MetricTarget, current: MetricValueStatus | None) -> str:
    if target.average_value is not None:
        return f"{_shown(current, 'average_value')}/{target.average_value}"
    wanted = "<auto>" if target.average_utilization is None else f"{target.average_utilization}%"
    used = _shown(current, "average_utilization")
    return f"{used}/{wanted}" if used == "<unknown>" else f"{used}%/{wanted}"


def _shown(current: MetricValueStatus | None, field: str) -> str:
    value = getattr(current, field, None)
    return "<unknown>" if value is None else str(value)
