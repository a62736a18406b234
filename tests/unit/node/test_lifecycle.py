"""The pod's state machine: what it asks for in each situation, and what it says of it."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from tests.unit.node.pods import NOW, container, deleted, facts, made, pod, sandbox
from wherry.api.types.core import Pod
from wherry.machinery.time import time_at
from wherry.node import lifecycle
from wherry.node.facts import (
    CreateSandbox,
    Drain,
    Facts,
    Finish,
    GetImage,
    Instruction,
    Kill,
    MountVolumes,
    Probed,
    Problem,
    RemoveContainer,
    RunHook,
    Say,
    Start,
    StopSandbox,
)
from wherry.node.lifecycle import decide
from wherry.node.runtime.interface import State

IMAGE = {("c", 0): "i", ("init", 0): "i", ("side", 0): "i", ("a", 0): "i", ("b", 0): "i"}
SIDE = container("side", restartPolicy="Always")
INIT = container("init")


def todo(one: Pod, given: Facts, now: float = NOW) -> list[Instruction]:
    """The instructions, events left out."""
    return [step for step in decide(one, given, now).instructions if not isinstance(step, Say)]


def killed(one: Pod, given: Facts) -> list[str]:
    """Names of the containers to be killed."""
    return [step.name for step in todo(one, given) if isinstance(step, Kill)]


def test_a_new_pod_gets_frame_volumes_and_image_at_once() -> None:
    assert todo(pod(), Facts()) == [MountVolumes(), CreateSandbox(0), GetImage("c", 0)]


def test_it_starts_when_everything_is_there() -> None:
    assert todo(pod(), facts(images=IMAGE)) == [Start("c", "main", 0, 0, "i")]
    assert todo(pod(), facts(images=IMAGE, volumes_ready=False)) == [MountVolumes()]
    assert todo(pod(), facts(images=IMAGE, sandboxes=())) == [CreateSandbox(0)]


def test_nothing_to_do_while_it_runs() -> None:
    decision = decide(pod(), facts(made("c")), NOW)
    assert decision.instructions == ()
    assert decision.wake_at is None
    assert decision.status.phase == "Running"


def test_work_in_flight_is_not_asked_for_again() -> None:
    busy = Facts(busy=frozenset({"sandbox", "volumes", "image c"}))
    assert todo(pod(), busy) == []


def test_init_containers_run_in_order_then_the_main_ones() -> None:
    one = pod("c", init=(INIT, container("init2")))
    assert todo(one, facts(images=IMAGE)) == [Start("init", "init", 0, 0, "i")]
    assert todo(one, facts(made("init"))) == []
    done = made("init", State.EXITED)
    assert todo(one, facts(done)) == [GetImage("init2", 0)]
    assert todo(one, facts(done, made("init2", State.EXITED))) == [GetImage("c", 0)]
    assert decide(one, facts(done), NOW).status.phase == "Pending"


def test_a_failed_init_container_ends_a_pod_that_never_restarts() -> None:
    one = pod("c", init=(INIT,), restartPolicy="Never")
    failed = facts(made("init", State.EXITED, exit_code=1))
    decision = decide(one, failed, NOW)
    assert decision.status.phase == "Failed"
    assert decision.instructions == (StopSandbox("s0"),)
    again = decide(pod("c", init=(INIT,)), failed, NOW)
    assert again.instructions == (GetImage("init", 1),)
    assert again.status.phase == "Pending"


def test_a_sidecar_starts_before_the_main_containers_and_is_restarted() -> None:
    one = pod("c", init=(SIDE,))
    assert todo(one, facts(images=IMAGE)) == [Start("side", "sidecar", 0, 0, "i")]
    assert todo(one, facts(made("side"))) == [GetImage("c", 0)]
    assert todo(one, facts(made("side", State.EXITED, exit_code=1), made("c"))) == [GetImage("side", 1)]


def test_a_sidecar_with_a_startup_probe_holds_the_main_containers_back() -> None:
    one = pod("c", init=({**SIDE, "startupProbe": {"exec": {"command": ["x"]}}},))
    side = made("side")
    assert todo(one, facts(side)) == []
    assert todo(one, facts(side, probes={side.id: Probed(started=True, ready=False)})) == [GetImage("c", 0)]


def test_when_the_main_containers_end_sidecars_are_ended_in_reverse_order() -> None:
    one = pod("c", init=(SIDE, container("side2", restartPolicy="Always")), restartPolicy="Never")
    over = made("c", State.EXITED)
    assert killed(one, facts(made("side"), made("side2"), over)) == ["side2"]
    gone = made("side2", State.EXITED, exit_code=143)
    assert killed(one, facts(made("side"), gone, over)) == ["side"]
    last = decide(one, facts(made("side", State.EXITED, exit_code=143), gone, over), NOW)
    assert last.status.phase == "Succeeded"
    assert last.instructions == (StopSandbox("s0"),)


@pytest.mark.parametrize(
    ("policy", "code", "phase", "restarts"),
    [
        ("Always", 0, "Running", True), ("Always", 1, "Running", True),
        ("OnFailure", 0, "Succeeded", False), ("OnFailure", 1, "Running", True),
        ("Never", 0, "Succeeded", False), ("Never", 1, "Failed", False),
    ],
)  # fmt: skip
def test_restart_policy(policy: str, code: int, phase: str, restarts: bool) -> None:
    decision = decide(pod(restartPolicy=policy), facts(made("c", State.EXITED, exit_code=code)), NOW)
    assert decision.status.phase == phase
    assert (GetImage("c", 1) in decision.instructions) == restarts


@pytest.mark.parametrize(("step", "wait"), [(0, 0), (1, 10), (2, 20), (3, 40), (4, 80), (5, 160), (6, 300), (60, 300)])
def test_back_off(step: int, wait: int) -> None:
    """The first restart is at once; then 10 s, doubling to 300 s."""
    dead = made("c", State.EXITED, attempt=step, exit_code=1, step=step)
    if wait:
        waiting = decide(pod(), facts(dead), NOW + wait - 0.5)
        assert waiting.wake_at == NOW + wait
        assert waiting.status.container_statuses[0].state.waiting is not None
        state = waiting.status.container_statuses[0]
        assert state.state.waiting is not None
        assert state.state.waiting.reason == "CrashLoopBackOff"
        assert state.last_state.terminated is not None
        assert state.restart_count == step
    assert todo(pod(), facts(dead), NOW + wait) == [GetImage("c", step + 1)]


def test_the_text_of_a_crash_loop() -> None:
    dead = made("c", State.EXITED, attempt=4, exit_code=1, step=4)
    waiting = decide(pod(), facts(dead), NOW).status.container_statuses[0].state.waiting
    assert waiting is not None
    assert waiting.message == "back-off 1m20s restarting failed container=c pod=p_default(u)"


def test_a_long_run_forgives() -> None:
    dead = made("c", State.EXITED, attempt=9, exit_code=1, step=9, started=NOW - 700, finished=NOW)
    assert todo(pod(), facts(dead)) == [GetImage("c", 10)]
    started = decide(pod(), facts(dead, images={("c", 10): "i"}), NOW).instructions[0]
    assert started == Start("c", "main", 10, 1, "i")


def test_a_failed_liveness_probe_kills_with_its_own_grace() -> None:
    probe = {"exec": {"command": ["x"]}, "terminationGracePeriodSeconds": 5}
    one = pod(containers=[container("c", livenessProbe=probe)])
    running = made("c")
    given = facts(running, probes={running.id: Probed(started=True, ready=False, failed="liveness")})
    assert todo(one, given) == [Kill("c", "c-0", 5.0, "Container c failed liveness probe, will be restarted")]


def test_a_changed_image_restarts_only_that_container() -> None:
    one = pod(containers=[container("a", image="busybox:2"), container("b")])
    assert todo(one, facts(made("a"), made("b"))) == [
        Kill("a", "a-0", 30.0, "Container a definition changed, will be restarted")
    ]


def test_a_container_of_an_unknown_agent_version_is_left_alone() -> None:
    strange = replace(made("c"), annotations={"wherry.io/container-hash": "v9:abc"})
    assert todo(pod(containers=[container("c", image="other")]), facts(strange)) == []


def test_post_start_holds_the_next_container_back() -> None:
    hook = {"postStart": {"exec": {"command": ["x"]}}}
    one = pod(containers=[container("a", lifecycle=hook), container("b")])
    first = made("a")
    waiting = facts(first, awaiting_hook=frozenset({"a-0"}))
    assert todo(one, waiting) == [RunHook("a", "a-0")]
    assert decide(one, waiting, NOW).status.container_statuses[0].ready is False
    assert todo(one, facts(first, hooks={"a-0": True})) == [GetImage("b", 0)]
    assert todo(one, facts(first, hooks={"a-0": False}))[0] == Kill("a", "a-0", 30.0, "FailedPostStartHook")


def test_a_dead_sandbox_is_replaced_and_init_containers_run_again() -> None:
    one = pod("c", init=(INIT,))
    old = sandbox(ready=False)
    left = (made("c", State.EXITED, exit_code=137), made("init", State.EXITED))
    steps = todo(one, facts(*left, sandboxes=(old,)))
    assert CreateSandbox(1) in steps
    assert GetImage("init", 1) in steps
    assert todo(one, facts(made("c"), sandboxes=(old,)))[0] == StopSandbox("s0")


# --- the end


def test_deletion_drains_then_kills_then_removes() -> None:
    one = deleted(pod("c", init=(SIDE,)))
    alive = (made("c"), made("side"))
    assert todo(one, facts(*alive)) == [Drain()]
    drained = facts(*alive, drained=True, stopping_since=NOW)
    assert todo(one, drained, NOW + 1) == [Kill("c", "c-0", 29.0, "Stopping container c")]
    ended = made("c", State.EXITED, exit_code=143)
    assert todo(one, facts(ended, made("side"), drained=True, stopping_since=NOW), NOW + 40) == [
        Kill("side", "side-0", 2.0, "Stopping container side")
    ]
    stopped = (ended, made("side", State.EXITED))
    assert todo(one, facts(*stopped, drained=True)) == [StopSandbox("s0")]
    assert todo(one, facts(*stopped, drained=True, sandboxes=(sandbox(ready=False),))) == [Finish(delete=True)]


def test_deletion_waits_for_work_in_flight() -> None:
    one = deleted(pod())
    for kind in ("sandbox", "start c", "volumes"):
        assert todo(one, Facts(busy=frozenset({kind}))) == []
    assert todo(one, Facts()) == [Finish(delete=True)]


def test_a_killed_pod_ends_failed_or_succeeded() -> None:
    off = {"drained": True, "sandboxes": (sandbox(ready=False),)}
    assert decide(deleted(pod()), facts(made("c", State.EXITED, exit_code=143), **off), NOW).status.phase == "Failed"
    assert decide(deleted(pod()), facts(made("c", State.EXITED), **off), NOW).status.phase == "Succeeded"


def test_active_deadline() -> None:
    one = pod(activeDeadlineSeconds=60)
    one = msgspec.structs.replace(one, status=msgspec.structs.replace(one.status, start_time=time_at(NOW)))
    assert decide(one, facts(made("c")), NOW + 1).wake_at == NOW + 60
    late = decide(one, facts(made("c"), drained=True), NOW + 61)
    assert [type(step) for step in late.instructions] == [Kill]
    dead = facts(made("c", State.EXITED, exit_code=137), sandboxes=(sandbox(ready=False),))
    over = decide(one, dead, NOW + 62)
    assert (over.status.phase, over.status.reason) == ("Failed", "DeadlineExceeded")
    assert over.instructions == (Finish(delete=False),)


def test_a_rejected_pod_fails_without_running() -> None:
    decision = decide(pod(), Facts(rejected=Problem("OutOfcpu", "Node didn't have enough resource: cpu")), NOW)
    assert (decision.status.phase, decision.status.reason) == ("Failed", "OutOfcpu")
    assert decision.instructions == (Finish(delete=False),)


def test_dead_containers_older_than_the_last_are_removed() -> None:
    history = [made("c", State.EXITED, attempt=n, exit_code=1) for n in range(3)]
    assert RemoveContainer("c-0") in todo(pod(), facts(made("c", attempt=3), *history))
    assert RemoveContainer("c-1") in todo(pod(), facts(made("c", attempt=3), *history))
    assert RemoveContainer("c-2") not in todo(pod(), facts(made("c", attempt=3), *history))


def test_delay_is_exported_for_the_documentation() -> None:
    assert [lifecycle.delay(n) for n in range(8)] == [0, 10, 20, 40, 80, 160, 300, 300]
