"""Causes of trouble, in the words of the objects themselves."""

from typing import Any

import pytest

from wherry.app.config import Config
from wherry.app.status import node_state, pod_state


def pod(**status: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "default", "name": "web"}, "spec": {"nodeName": "n1"}, "status": status}


def waiting(reason: str, message: str, last: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "name": "app",
        "state": {"waiting": {"reason": reason, "message": message}},
        "lastState": {"terminated": last} if last else {},
    }


UNSCHEDULABLE = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/1 nodes are available: 1 Insufficient memory.",
}


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        ({"phase": "Running", "containerStatuses": [{"name": "app", "state": {"running": {}}}]}, ""),
        ({"phase": "Succeeded"}, ""),
        ({"phase": "Pending", "containerStatuses": [waiting("ContainerCreating", "")]}, ""),
        (
            {"phase": "Pending", "conditions": [UNSCHEDULABLE]},
            "Unschedulable: 0/1 nodes are available: 1 Insufficient memory.",
        ),
        (
            {"phase": "Pending", "containerStatuses": [waiting("ErrImagePull", "no such host")]},
            "app: ErrImagePull: no such host",
        ),
        (
            {
                "phase": "Running",
                "containerStatuses": [
                    waiting(
                        "CrashLoopBackOff",
                        "back-off 10s restarting failed container",
                        {"exitCode": 3, "reason": "Error", "message": "first\nno such table"},
                    )
                ],
            },
            "app: CrashLoopBackOff: back-off 10s restarting failed container; it last ended with exit code 3, Error"
            " (no such table)",
        ),
        (
            {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: ephemeral-storage."},
            "Evicted: The node was low on resource: ephemeral-storage.",
        ),
        (
            {
                "phase": "Failed",
                "containerStatuses": [
                    {"name": "job", "state": {"terminated": {"exitCode": 2, "reason": "Error"}}},
                ],
            },
            "Failed: job ended with exit code 2, Error",
        ),
    ],
)
def test_the_cause_of_a_pods_trouble(status: dict[str, Any], cause: str) -> None:
    assert pod_state(pod(**status)).cause == cause


def test_a_pod_on_its_way_out_is_no_trouble() -> None:
    leaving = pod(phase="Pending", conditions=[UNSCHEDULABLE])
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert pod_state(leaving).cause == ""


def test_a_node_without_space_tells_the_remedy() -> None:
    conditions = [
        {"type": "Ready", "status": "True"},
        {"type": "MemoryPressure", "status": "False", "message": "kubelet has sufficient memory available"},
        {"type": "DiskPressure", "status": "True", "message": "kubelet has disk pressure"},
    ]
    cause = node_state(Config(), {"metadata": {"name": "elsewhere"}, "status": {"conditions": conditions}}).cause
    assert cause.startswith("DiskPressure: kubelet has disk pressure; free some space")
    assert "Memory" not in cause
