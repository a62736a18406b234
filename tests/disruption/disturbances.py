"""Disturbances: what is done to the cluster and its application while clients ask. Each ends when all is well again.

A new one is a function and a line in `ROUND`. They go from node to node: `world.node` is another one in every round.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.disruption.application import REPLICAS
from tests.disruption.world import World
from tests.support.manifests import ready
from wherry.host import daemons

BACK = 30.0
"""Seconds until a process must be there again."""
POLL = 0.02


class Disturbance(NamedTuple):
    """What it is called in the report, and how it is done."""

    name: str
    do: Callable[[World], None]


def roll(world: World) -> None:
    """All pods are replaced by a rolling update."""
    world.kubectl("rollout", "restart", "deployment/web")
    _rolled_out(world)


def scale(replicas: int) -> Callable[[World], None]:
    """To so many pods."""

    def do(world: World) -> None:
        world.kubectl("scale", "deployment/web", f"--replicas={replicas}")
        _rolled_out(world)

    return do


def drain(world: World) -> None:
    """A node's pods move elsewhere, then it takes part again."""
    selector = "--pod-selector=app=web"
    world.cluster.kubectl("drain", world.node, "--ignore-daemonsets", selector, "--timeout=90s", timeout=100)
    try:
        _rolled_out(world)
        assert world.node not in {pod["spec"]["nodeName"] for pod in world.pods()}, f"pods are left on {world.node}"
    finally:
        world.cluster.kubectl("uncordon", world.node)


def restart(part: str, number: signal.Signals) -> Callable[[World], None]:
    """The server, or the node's agent or containerd, ends by this signal and comes back."""

    def do(world: World) -> None:
        _end(_pid_file(world, part), number)
        _well(world)

    return do


def roll_while_killing(world: World) -> None:
    """A rolling update in the midst of which every agent, and then the server, is killed."""
    world.kubectl("rollout", "restart", "deployment/web")
    for node in world.cluster.node_names:
        _end(world.cluster.config.run / f"agent-{node}.pid", signal.SIGKILL)
    _end(_pid_file(world, "server"), signal.SIGKILL)
    _well(world)
    _rolled_out(world)


def upgrade(world: World) -> None:
    """Another release takes over, the next time the one before."""
    world.cluster.python = str(world.releases[(world.turn + 1) % len(world.releases)])
    world.cluster.wherry("upgrade", timeout=180)
    _well(world)


def reload_haproxy(world: World) -> None:
    """The node's HAProxy begins anew in place, as after an update of its configuration."""
    master = _haproxy(world)
    before = _children(master.pid)
    assert before, "HAProxy has no worker"
    master.signal(signal.SIGUSR2)
    _until(lambda: bool(_children(master.pid) - before), "HAProxy has no new worker")


def kill_haproxy(world: World) -> None:
    """The node's HAProxy is killed, master and workers at once. The connections that lead through it end with it: that
    is the kernel's doing, and counted apart. Whoever comes afterwards must be served."""
    path = _haproxy_file(world)
    master = _haproxy(world)
    victims = [master.pid, *sorted(_children(master.pid))]
    world.killing(80)
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    _until(lambda: not any(daemons.find(pid) for pid in victims), "HAProxy survives")
    world.killed()
    _until(lambda: daemons.read_pid(path) not in (None, master), "HAProxy has not come back")


ROUND: tuple[Disturbance, ...] = (
    Disturbance("rolling update", roll),
    Disturbance("scale down", scale(REPLICAS // 2)),
    Disturbance("scale up", scale(REPLICAS + 1)),
    Disturbance("back to size", scale(REPLICAS)),
    Disturbance("drain and uncordon", drain),
    Disturbance("agent restarted", restart("agent", signal.SIGTERM)),
    Disturbance("agent killed", restart("agent", signal.SIGKILL)),
    Disturbance("containerd restarted", restart("containerd", signal.SIGTERM)),
    Disturbance("containerd killed", restart("containerd", signal.SIGKILL)),
    Disturbance("server restarted", restart("server", signal.SIGTERM)),
    Disturbance("server killed", restart("server", signal.SIGKILL)),
    Disturbance("rolling update, all killed", roll_while_killing),
    Disturbance("HAProxy reloaded", reload_haproxy),
    Disturbance("HAProxy killed", kill_haproxy),
)
"""In order. All of them once are a round."""
UPGRADE = Disturbance("upgrade", upgrade)
"""The last of a round, where there are two releases."""


def chosen(names: str) -> Sequence[Disturbance]:
    """Those with these names (with commas between), in order; all for "". Raises SystemExit for a name of none."""
    known = (*ROUND, UPGRADE)
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if strange := set(wanted) - {one.name for one in known}:
        raise SystemExit(
            f"no disturbance is called {min(strange)!r}; there are: {', '.join(one.name for one in known)}"
        )
    return [one for one in known if not wanted or one.name in wanted]


def _end(path: Path, number: signal.Signals) -> None:
    """Send this signal to the process of a pid file; wait for the next one."""
    old = daemons.read_pid(path)
    assert old is not None, f"{path.stem} does not run"
    old.signal(number)
    _until(lambda: daemons.read_pid(path) not in (None, old), f"{path.stem} has not come back")


def _rolled_out(world: World) -> None:
    """The Deployment is as it should be, and the pods that had to go have gone."""
    world.kubectl("rollout", "status", "deployment/web", "--timeout=90s", timeout=100)
    _until(lambda: all(map(ready, world.pods())), "pods are left that end or are not Ready", 0.2)


def _well(world: World) -> None:
    world.rest.wait_ready(BACK)
    world.cluster.kubectl("wait", "nodes", "--all", "--for=condition=Ready", "--timeout=60s")


def _pid_file(world: World, part: str) -> Path:
    config = world.cluster.config
    if part == "server":
        return config.run / "server.pid"
    if part == "agent":
        return config.run / f"agent-{world.node}.pid"
    return config.node_run(world.node) / f"{part}.pid"


def _haproxy_file(world: World) -> Path:
    return world.cluster.node_root(world.node) / "ingress" / "haproxy.pid"


def _haproxy(world: World) -> daemons.Process:
    process = daemons.read_pid(_haproxy_file(world))
    assert process is not None, f"there is no HAProxy on {world.node}"
    return process


def _children(pid: int) -> set[int]:
    """The processes that a process has started and that run."""
    listed: Iterable[str] = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {int(child) for child in listed if daemons.find(int(child)) is not None}


def _until(condition: Callable[[], bool], otherwise: str, every: float = POLL) -> None:
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < BACK, f"{otherwise} within {BACK:.0f} s"
        time.sleep(every)
