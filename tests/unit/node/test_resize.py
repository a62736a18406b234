"""Resizing in place: what fits, what restarts, what conditions tell."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from tests.unit.node.pods import NOW, container, facts, made, pod
from wherry.api.types.core import Pod, ResourceRequirements
from wherry.node import lifecycle, resize
from wherry.node.facts import Kill, Problem, Resize, Start
from wherry.node.runtime.interface import Container, State

ROOM = {"cpu": 1000, "memory": 1 << 30}


def sized(cpu: str, **more: Any) -> Pod:
    """A pod with one container that asks for so much."""
    return pod(containers=[container("c", resources={"requests": {"cpu": cpu}}, **more)])


def of_size(one: Container, cpu: str) -> Container:
    """A container that was made with so much."""
    text = resize.annotation(sized(cpu).spec.containers[0])
    return replace(one, annotations={**one.annotations, resize.SIZE: text})


def other(cpu: str, uid: str, phase: str = "Running") -> Pod:
    """Another pod of the node."""
    one = sized(cpu)
    return msgspec.structs.replace(
        one,
        metadata=msgspec.structs.replace(one.metadata, uid=uid),
        status=msgspec.structs.replace(one.status, phase=phase),
    )


def test_a_size_fits_is_deferred_or_infeasible() -> None:
    others = [other("300m", "a"), other("900m", "over", "Succeeded"), other("800m", "u")]
    assert resize.verdict(sized("700m"), others, ROOM) is None
    found = resize.verdict(sized("701m"), others, ROOM)
    assert found == resize.Pending(
        "Deferred", "Node didn't have enough resource: cpu, requested: 701, used: 300, capacity: 1000"
    )
    found = resize.verdict(sized("1001m"), (), ROOM)
    assert found == resize.Pending(
        "Infeasible", "Node didn't have enough capacity: cpu, requested: 1001, capacity: 1000"
    )


def test_a_running_container_is_updated_or_killed_and_restarted_at_once() -> None:
    alive = of_size(made("c"), "100m")
    assert Resize("c", alive.id) in lifecycle.decide(sized("200m"), facts(alive), NOW).instructions
    assert not lifecycle.decide(sized("0.1"), facts(alive), NOW).instructions
    size = {alive.id: ResourceRequirements(requests=sized("200m").spec.containers[0].resources.requests)}
    assert not lifecycle.decide(sized("200m"), facts(alive, actuated=size), NOW).instructions

    policy = [{"resourceName": "cpu", "restartPolicy": "RestartContainer"}]
    strict = sized("200m", resizePolicy=policy)
    (kill,) = lifecycle.decide(strict, facts(alive), NOW).instructions
    assert isinstance(kill, Kill)
    assert kill.message == "Container c resize requires restart"
    dead = of_size(made("c", State.EXITED, attempt=3, exit_code=137), "100m")
    found = lifecycle.decide(strict, facts(dead, images={("c", 4): "i"}), NOW).instructions
    assert any(isinstance(one, Start) for one in found)
    waits = lifecycle.decide(strict, facts(of_size(dead, "200m"), images={("c", 4): "i"}), NOW).instructions
    assert not any(isinstance(one, Start) for one in waits)


def test_conditions_last_only_as_long_as_they_are_true() -> None:
    alive = of_size(made("c"), "100m")
    status = lifecycle.decide(sized("200m"), facts(alive, pending=Problem("Deferred", "full")), NOW).status
    found = {one.type: one for one in status.conditions}
    assert (found["PodResizePending"].reason, found["PodResizePending"].message) == ("Deferred", "full")
    assert found["PodResizeInProgress"].status == "True"
    assert status.container_statuses[0].resources is not None
    assert status.container_statuses[0].resources.requests["cpu"] == "100m"
    assert status.container_statuses[0].allocated_resources["cpu"] == "200m"
    after = msgspec.structs.replace(sized("0.1"), status=status)
    kinds = {one.type for one in lifecycle.decide(after, facts(alive), NOW).status.conditions}
    assert not kinds & {"PodResizePending", "PodResizeInProgress"}


def test_an_agent_that_comes_back_knows_what_was_set_aside() -> None:
    alive = of_size(made("c"), "100m")
    before = lifecycle.decide(sized("100m"), facts(alive), NOW).status
    found = resize.allocated(msgspec.structs.replace(sized("300m"), status=before))
    assert found["c"].requests["cpu"] == "100m"
    assert resize.allocated(sized("300m"))["c"].requests["cpu"] == "300m"
