"""Every column of every kind prints something for an object with nothing set; pods say what kubectl says."""

from __future__ import annotations

from typing import Any

import pytest

from wherry.api.core.pod import POD
from wherry.api.core.pod_columns import summary
from wherry.api.registry import RESOURCES
from wherry.api.types.core import (
    Container,
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
    Pod,
    PodCondition,
    PodSpec,
    PodStatus,
)
from wherry.machinery.meta import ObjectMeta
from wherry.machinery.resource import Resource
from wherry.machinery.table import definitions, row
from wherry.machinery.time import Time, seconds, time_at

NOW = seconds("2026-01-01T00:10:00Z")
RUNNING = ContainerState(running=ContainerStateRunning())
READY = PodCondition(type="Ready", status="True")


@pytest.mark.parametrize("resource", RESOURCES, ids=str)
def test_cells_match_the_headers_of_an_empty_object(resource: Resource[Any]) -> None:
    assert len(row(resource, resource.type(), NOW)["cells"]) == len(definitions(resource))


def ended(code: int, reason: str = "", at: str = "") -> ContainerState:
    return ContainerState(
        terminated=ContainerStateTerminated(exit_code=code, reason=reason, finished_at=Time(at) if at else None)
    )


def waiting(reason: str) -> ContainerState:
    return ContainerState(waiting=ContainerStateWaiting(reason=reason))


def pod(*statuses: ContainerStatus, init: tuple[ContainerStatus, ...] = (), **changes: Any) -> Pod:
    spec = PodSpec(
        containers=tuple(Container(name=s.name) for s in statuses) or (Container(name="c"),),
        init_containers=tuple(
            Container(name=s.name, restart_policy="Always" if "side" in s.name else None) for s in init
        ),
    )
    status = PodStatus(container_statuses=statuses, init_container_statuses=init, phase=changes.pop("phase", "Running"),
                       conditions=changes.pop("conditions", ()))  # fmt: skip
    return Pod(metadata=ObjectMeta(name="p", **changes), spec=spec, status=status)


def c(
    state: ContainerState, *, name: str = "c", ready: bool = False, restarts: int = 0, **more: Any
) -> ContainerStatus:
    return ContainerStatus(name=name, state=state, ready=ready, restart_count=restarts, **more)


@pytest.mark.parametrize(
    ("given", "ready", "status"),
    [
        (pod(phase="Pending"), "0/1", "Pending"),
        (pod(c(RUNNING, ready=True)), "1/1", "Running"),
        (pod(c(waiting("ImagePullBackOff"))), "0/1", "ImagePullBackOff"),
        (pod(c(waiting("CrashLoopBackOff"), restarts=3)), "0/1", "CrashLoopBackOff"),
        (pod(c(ended(1, "Error")), phase="Failed"), "0/1", "Error"),
        (pod(c(ended(0, "Completed")), phase="Succeeded"), "0/1", "Completed"),
        (pod(c(ended(3)), phase="Failed"), "0/1", "ExitCode:3"),
        (pod(c(RUNNING, ready=True), c(ended(0, "Completed"), name="d")), "1/2", "NotReady"),
        (pod(c(ended(0, "Completed")), c(RUNNING, name="d", ready=True), conditions=(READY,)), "1/2", "Running"),
        (pod(c(waiting("PodInitializing")), init=(c(RUNNING, name="i"),), phase="Pending"), "0/1", "Init:0/1"),
        (pod(c(waiting("PodInitializing")), init=(c(ended(2, "Error"), name="i"),)), "0/1", "Init:Error"),
        (pod(c(waiting("x")), init=(c(waiting("CrashLoopBackOff"), name="i"),)), "0/1", "Init:CrashLoopBackOff"),
        (pod(c(RUNNING, ready=True), init=(c(RUNNING, name="side", ready=True, started=True),)), "2/2", "Running"),
        (pod(c(RUNNING, ready=True), deletion_timestamp=time_at(NOW)), "1/1", "Terminating"),
        (pod(conditions=(PodCondition(type="PodScheduled", status="False", reason="SchedulingGated"),)), "0/1",
         "SchedulingGated"),
    ],
)  # fmt: skip
def test_pod_in_one_word(given: Pod, ready: str, status: str) -> None:
    found = summary(given)
    assert (f"{found.ready}/{found.total}", found.status) == (ready, status)


def test_restarts_say_when_the_last_one_was() -> None:
    crashed = c(RUNNING, ready=True, restarts=3, last_state=ended(1, "Error", "2026-01-01T00:05:00Z"))
    assert row(POD, pod(crashed), NOW)["cells"][3] == "3 (5m ago)"
    assert row(POD, pod(c(RUNNING)), NOW)["cells"][3] == "0"
