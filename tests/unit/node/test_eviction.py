"""Shortage: which thresholds are met, who goes, in which words."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.unit.node.pods import container, facts, made, pod
from wherry.api.types.core import Pod
from wherry.host.consumption import Space, Use
from wherry.node import eviction, lifecycle
from wherry.node.config import EVICTION_HARD
from wherry.node.eviction import Signal
from wherry.node.facts import Kill, Problem
from wherry.node.metering import ContainerUse, Disk, PodUse, VolumeUse

MIB = 1 << 20


def used(name: str, memory: int, *, request: str = "", disk: int = 0, volumes: tuple[VolumeUse, ...] = (),
         **spec: Any) -> PodUse:  # fmt: skip
    """A pod that uses so many MiB of memory, and so many of disk."""
    if "podVolumes" in spec:
        spec["volumes"] = spec.pop("podVolumes")
    given = spec.pop("resources", {"requests": {"memory": request}} if request else {})
    one = pod(containers=[container("c", resources=given)], **spec)
    one = msgspec.structs.replace(one, metadata=msgspec.structs.replace(one.metadata, name=name, uid=name))
    use = Use(working_set=memory * MIB, pids=memory)
    part = ContainerUse("c", "id", "", 0.0, 0, use, None, Disk(disk * MIB, disk), Disk(0, 0))
    return PodUse(one, use, None, (part,), None, volumes)


def space(used: int, available: int = 50) -> Space:
    """A file system of 100 bytes, or what a volume takes."""
    return Space(100, available, used, 100, available, used)


def test_thresholds_are_amounts_or_percentages() -> None:
    found = eviction.signals(Signal(90 * MIB, 1000 * MIB), space(0, 14), space(0, 14), Signal(5, 10))
    met = eviction.shortages(found, EVICTION_HARD)
    assert [(one.signal, one.threshold, one.available) for one in met] == [
        ("memory.available", 100 * MIB, 90 * MIB), ("imagefs.available", 15, 14),
    ]  # fmt: skip
    assert not eviction.shortages(found, {"memory.available": "90Mi", "imagefs.available": "14%"})


def test_who_uses_more_than_asked_for_goes_first_then_priority_then_the_excess() -> None:
    short = eviction.Shortage("memory.available", "memory", 100 * MIB, 90 * MIB)

    def first(*pods: PodUse) -> str:
        found = eviction.victim(short, pods)
        return found.pod.metadata.name if found else ""

    within, over = used("within", 500, request="600Mi"), used("over", 20, request="10Mi")
    assert first(within, over) == "over"
    assert first(used("low", 20, priority=1), used("high", 900, priority=5)) == "low"
    assert first(used("a", 20), used("b", 30)) == "b"
    assert first(used("system", 900, priority=2_000_001_000)) == ""
    static = used("static", 900)
    meta = msgspec.structs.replace(static.pod.metadata, annotations={"kubernetes.io/config.source": "file"})
    gone = PodUse(msgspec.structs.replace(static.pod, metadata=meta), static.use, None, (), None, ())
    assert first(gone) == ""
    found = eviction.victim(short, (over,))
    assert found is not None
    assert found.message == (
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 90Mi. "
        "Container c was using 20Mi, request is 10Mi, has larger consumption of memory. "
    )


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (used("p", 1, disk=2, resources={"limits": {"ephemeral-storage": "1Mi"}}),
         "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. "),
        (used("p", 1, disk=1, resources={"limits": {"ephemeral-storage": "1Mi"}}), ""),
        (used("p", 1, volumes=(VolumeUse("v", "", space(60)),),
              podVolumes=[{"name": "v", "emptyDir": {"sizeLimit": "50"}}]),
         'Usage of EmptyDir volume "v" exceeds the limit "50". '),
    ],
)  # fmt: skip
def test_limits_on_local_storage(one: PodUse, message: str) -> None:
    found = eviction.over_limit(one)
    assert (found.message if found else "") == message


def test_an_evicted_pod_is_ended_soon_and_says_why() -> None:
    def after(problem: Problem) -> Pod:
        decision = lifecycle.decide(pod(), facts(made("c"), rejected=problem), 1_700_000_100.0)
        (kill,) = (one for one in decision.instructions if isinstance(one, Kill))
        assert kill.grace == 1.0
        return msgspec.structs.replace(pod(), status=decision.status)

    status = after(Problem("Evicted", "low", grace=1.0)).status
    assert (status.reason, status.message) == ("Evicted", "low")
    (found,) = (one for one in status.conditions if one.type == "DisruptionTarget")
    assert (found.status, found.reason) == ("True", "TerminationByKubelet")
