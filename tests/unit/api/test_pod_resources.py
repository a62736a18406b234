"""What a pod asks of a node, its quality of service, and small questions about pods, nodes and amounts."""

from __future__ import annotations

from typing import Any

import pytest

from wherry.api.apps.deployment import DEPLOYMENT, surge_and_unavailable
from wherry.api.batch.indexes import format_indexes, parse_indexes
from wherry.api.core.pod import (
    compute_qos,
    grace,
    is_active,
    is_available,
    is_ready,
    pod_limits,
    pod_requests,
    ready_since,
)
from wherry.api.int_or_percent import scaled
from wherry.api.types.core import Pod, PodSpec
from wherry.machinery.codec import from_dict
from wherry.machinery.time import seconds


def spec(**parts: Any) -> PodSpec:
    return from_dict(PodSpec, parts)


def box(requests: dict[str, str] | None = None, limits: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    return {"name": "c", "resources": {"requests": requests or {}, "limits": limits or {}}, **more}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (spec(containers=[box({"cpu": "100m"}), box({"cpu": "1", "memory": "1Ki"})]), {"cpu": 1100, "memory": 1024}),
        # one init container at a time, beside no ordinary one
        (spec(containers=[box({"cpu": "1"})], initContainers=[box({"cpu": "3"}), box({"cpu": "2"})]), {"cpu": 3000}),
        # sidecars run beside what comes after them
        (
            spec(
                containers=[box({"cpu": "1"})],
                initContainers=[box({"cpu": "1"}, restartPolicy="Always"), box({"cpu": "3"})],
            ),
            {"cpu": 4000},
        ),
        (spec(containers=[box({"cpu": "1"})], overhead={"cpu": "250m", "memory": "1"}), {"cpu": 1250, "memory": 1}),
        (spec(containers=[box({"cpu": "1"})], resources={"requests": {"cpu": "5"}}), {"cpu": 5000}),
        (spec(containers=[box({"example.com/gpu": "2"})]), {"example.com/gpu": 2}),
    ],
)
def test_requests(given: PodSpec, wanted: dict[str, int]) -> None:
    assert pod_requests(given) == wanted


def test_limits_have_overhead_only_where_there_is_one() -> None:
    given = spec(containers=[box(limits={"cpu": "1"})], overhead={"cpu": "1", "memory": "1"})
    assert pod_limits(given) == {"cpu": 2000}


BOTH = {"cpu": "1", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("given", "quality"),
    [
        (spec(containers=[box()]), "BestEffort"),
        (spec(containers=[box({"cpu": "0"})]), "BestEffort"),
        (spec(containers=[box(BOTH, BOTH)]), "Guaranteed"),
        (spec(containers=[box(BOTH, BOTH), box()]), "Burstable"),
        (spec(containers=[box(BOTH, BOTH)], initContainers=[box({"cpu": "1"}, BOTH)]), "Burstable"),
        (spec(containers=[box({"cpu": "1"}, {"cpu": "1"})]), "Burstable"),
        (spec(containers=[box({"cpu": "1000m", "memory": "1024Mi"}, BOTH)]), "Guaranteed"),
        (spec(containers=[box()], resources={"requests": BOTH, "limits": BOTH}), "Guaranteed"),
    ],
)
def test_quality_of_service(given: PodSpec, quality: str) -> None:
    assert compute_qos(given) == quality


def pod(**status: Any) -> Pod:
    meta = {"deletionTimestamp": "2026-01-01T00:00:00Z"} if status.pop("deleted", False) else {}
    body = {"nodeName": status.pop("node", "n"), "terminationGracePeriodSeconds": 30}
    return from_dict(Pod, {"metadata": meta, "spec": body, "status": status})


def test_state() -> None:
    since = "2026-01-01T00:00:00Z"
    ready = pod(phase="Running", conditions=[{"type": "Ready", "status": "True", "lastTransitionTime": since}])
    now = seconds(since) + 9
    assert is_active(ready)
    assert is_ready(ready)
    assert ready_since(ready) == seconds(since)
    assert is_available(ready, 9, now)
    assert not is_available(ready, 10, now)
    assert not is_active(pod(phase="Failed"))
    assert not is_active(pod(phase="Running", deleted=True))
    assert ready_since(pod(phase="Running")) is None


def test_grace() -> None:
    assert grace(pod(phase="Running"), None) == 30
    assert grace(pod(phase="Running"), 5) == 5
    assert grace(pod(phase="Running"), 0) == 0
    assert grace(pod(phase="Running"), -3) == 1
    assert grace(pod(phase="Pending", node=""), None) == 0
    assert grace(pod(phase="Succeeded"), None) == 0


def test_shares() -> None:
    assert scaled("25%", 10, round_up=True) == 3
    assert scaled("25%", 10, round_up=False) == 2
    assert scaled(7, 10, round_up=False) == 7
    with pytest.raises(ValueError, match="not a percentage"):
        scaled("many", 10, round_up=True)


@pytest.mark.parametrize(
    ("rolling", "replicas", "wanted"),
    [({}, 10, (3, 2)), ({}, 1, (1, 0)), ({"maxSurge": 0, "maxUnavailable": "10%"}, 3, (0, 1))],
)
def test_rolling_updates_can_always_go_on(rolling: dict[str, Any], replicas: int, wanted: tuple[int, int]) -> None:
    body = {"spec": {"replicas": replicas, "strategy": {"type": "RollingUpdate", "rollingUpdate": rolling}}}
    assert surge_and_unavailable(DEPLOYMENT.default(from_dict(DEPLOYMENT.type, body))) == wanted


def test_indexes() -> None:
    assert parse_indexes("0,2-4,9", 10) == {0, 2, 3, 4, 9}
    assert format_indexes({9, 0, 2, 3, 4}) == "0,2-4,9"
    assert format_indexes({1, 2}) == "1,2"
    assert parse_indexes("", 3) == set()
    with pytest.raises(ValueError, match="non-increasing order, previous: 3, current: 1"):
        parse_indexes("3,1", 10)
