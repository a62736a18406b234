"""`wherry down`: stop agents and server, then end the containers with their grace, then containerd. Data stays.

The agents go first, so that nobody starts again what is being stopped; the containers then get SIGTERM and their time
through CRI. Nothing is removed from the store: `wherry up` finds the same objects, and the agents start their pods
again in new sandboxes.
"""

from __future__ import annotations

import asyncio
import logging
import signal

from wherry.aio.clock import SystemClock
from wherry.app import keeper, tree
from wherry.app.assemble_node import network_settings
from wherry.app.config import Config, Node
from wherry.app.runtimes import runtime_settings
from wherry.app.steps import Steps
from wherry.host import containerd, links, netns, nft
from wherry.network import nodes
from wherry.network.agent import release, remove
from wherry.network.rules import nft as rules
from wherry.node.runtime.containerd import Containerd
from wherry.node.runtime.interface import RuntimeFault, State

log = logging.getLogger(__name__)


def down(config: Config, steps: Steps, grace: int) -> bool:
    """Stop everything; containers get `grace` seconds. Returns whether anything ran."""
    with steps.step("stop the server and agents") as step:
        step.changed = keeper.choose(config.run, config.logs / "supervisor.log").stop()
    with steps.step("end the containers") as step:
        count = asyncio.run(_end_containers(config, grace))
        step.detail, step.changed = f"containers: {count}", count > 0
    with steps.step("stop containerd") as step:
        step.changed = _stop_containerd(config)
    with steps.step("unmount volumes") as step:
        count = tree.unmount((config.state, config.run))
        step.detail, step.changed = f"mounts: {count}", count > 0
    with steps.step("take down networks") as step:
        step.changed = take_down_networks(config)
    return any(step.changed for step in steps.taken)


async def _end_containers(config: Config, grace: int) -> int:
    """Through each node's containerd, which is started for it where it does not run but has left shims."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_end_on(config, node, grace)) for node in config.machines()]
    return sum(task.result() for task in tasks)


async def _end_on(config: Config, node: Node, grace: int) -> int:
    if not tree.shims(config.node_run(node.name)):
        return 0
    supervisor = containerd.Supervisor(runtime_settings(config, node), SystemClock())
    try:
        await supervisor.start()
    except containerd.StartError as error:
        log.warning("%s; its containers are killed", error)
        return 0
    runtime = Containerd(str(supervisor.settings.socket))
    try:
        running = [one for one in await runtime.containers() if one.state is State.RUNNING]
        await asyncio.gather(*(_stop(runtime, one.id, grace) for one in running))
        sandboxes = [one.id for one in await runtime.sandboxes()]
        await asyncio.gather(*(_stop_sandbox(runtime, one) for one in sandboxes))
    except RuntimeFault as error:
        log.warning("%s; containers that are left are killed", error)
        return 0
    finally:
        await runtime.close()
    return len(running)


async def _stop(runtime: Containerd, container: str, grace: int) -> None:
    try:
        await runtime.stop_container(container, grace)
    except RuntimeFault as error:
        log.warning("container %s: %s", container, error)


async def _stop_sandbox(runtime: Containerd, sandbox: str) -> None:
    try:
        await runtime.stop_sandbox(sandbox)
    except RuntimeFault as error:
        log.warning("sandbox %s: %s", sandbox, error)


def _stop_containerd(config: Config) -> bool:
    """containerd, and whatever shim or container process is left after it; returns whether there was any."""
    found = False
    for node in config.machines():
        supervisor = containerd.Supervisor(runtime_settings(config, node), SystemClock())
        if supervisor.running() is not None:
            found = True
            asyncio.run(supervisor.stop())
        for shim in tree.shims(config.node_run(node.name)):
            found = True
            shim.signal(signal.SIGKILL)
            shim.wait(5)
    found |= tree.kill_groups(tree.groups(config.cgroup())) > 0
    return found


def take_down_networks(config: Config) -> bool:
    """Packet rules, addresses, routes and node namespaces; returns whether there were any."""
    found = _has_rules()
    remove(network_settings(config, config.machines()[0]))
    for node in config.machines():
        release(network_settings(config, node))
        if node.netns and netns.exists(node.netns):
            found = True
            nodes.remove(node.name, node.netns)
    if links.show_or_nothing(["link", "show", "dev", nodes.BRIDGE]):
        found = True
        nodes.remove_all(())
    return found


def _has_rules() -> bool:
    """Whether our table is there."""
    return f"table ip {rules.TABLE}\n" in nft.run("list tables\n")
