"""How an agent's parts come together: containerd -> runtime -> agent, beside the node's network, over one client."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Network

from wherry.aio.clock import Clock
from wherry.aio.supervise import keep_running
from wherry.app import memory, version
from wherry.app.config import Config, Node
from wherry.app.guard import Guard
from wherry.app.runtimes import runtime_settings
from wherry.app.watchdog import BEAT
from wherry.client.http import Access, HTTPClient
from wherry.host import cgroups, enrolment, resolv
from wherry.host.containerd import Supervisor
from wherry.network.agent import NodeNetwork, Settings
from wherry.network.dns import nobody
from wherry.network.dns_early import Early
from wherry.node import images
from wherry.node.agent import Agent
from wherry.node.api import ROUTES
from wherry.node.config import AgentConfig
from wherry.node.fence import Fence
from wherry.node.hooks.registry import HOOKS
from wherry.node.peers import Peers
from wherry.node.rotation import Kept, Rotation
from wherry.node.runtime.containerd import Containerd
from wherry.node.runtime.interface import Runtime
from wherry.node.streaming.routes import STREAMING_ROUTES

log = logging.getLogger(__name__)


Jobs = tuple[tuple[str, Callable[[], Awaitable[None]]], ...]


@dataclass(slots=True)
class NodeParts:
    """An agent process: its parts, and what runs in it for ever: `first` at once, `jobs` after `begin`. The node's
    network is first: pods' DNS queries wait for it."""

    agent: Agent
    network: NodeNetwork
    runtime: Containerd
    client: HTTPClient
    first: Jobs
    begin: Callable[[], Awaitable[None]]
    jobs: Jobs
    clock: Clock

    async def run(self) -> None:
        """Until cancelled. Raises what `begin` raises."""
        await run_in_order(self.first, self.begin, self.jobs, self.clock)

    async def close(self) -> None:
        """Let go of the runtime and the API; containers go on."""
        await self.runtime.close()
        await self.client.close()


async def run_in_order(first: Jobs, begin: Callable[[], Awaitable[None]], then: Jobs, clock: Clock) -> None:
    """Keep `first` running, meanwhile do `begin`, after it keep `then` running, too. Until cancelled; raises what
    `begin` raises."""
    trouble: Exception | None = None
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(keep_running(name, job, clock), name=name) for name, job in first]
        try:
            await begin()
        except Exception as error:  # noqa: BLE001 - raised below: a group would wrap it
            trouble = error
            for task in running:
                task.cancel()
        else:
            for name, job in then:
                group.create_task(keep_running(name, job, clock), name=name)
    if trouble is not None:
        raise trouble


async def node(config: Config, node: Node, address: str, clock: Clock, early: Early | None = None) -> NodeParts:
    """Put a node's parts together. To begin is to start or find its containerd: raises containerd.StartError. `early`
    answers DNS queries until the node's own server does."""
    root = config.node_root(node.name)
    keys = root / "pki"
    settings = runtime_settings(config, node)
    supervisor = Supervisor(settings, clock)
    own = config.node_pair(node.name, "client")
    access = Access(config.api_url(node), keys / "ca.crt", own.certificate, own.key)
    client = HTTPClient(access, clock, user_agent=f"wherry-agent/{node.name}")
    runtime = Containerd(str(settings.socket))
    begun = asyncio.Event()
    running = partial(addresses, runtime, begun)
    before = early.end if early is not None else nobody
    network = NodeNetwork(client, clock, network_settings(config, node), running=running, before=before)
    await asyncio.to_thread(network.prepare)
    told = agent_config(config, node, address)
    watchdog = config.run / BEAT if config.watched else None
    peers = Peers(own.certificate, own.key, keys / "ca.crt")
    agent = Agent(
        told,
        client,
        runtime,
        clock,
        drained=network.drained,
        hooks=(*HOOKS, Guard(network)),
        routes=ROUTES + STREAMING_ROUTES,
        fence=Fence(told, client, nodes=network.nodes, ask=peers, watchdog=watchdog),
    )

    async def begin() -> None:
        await supervisor.start()
        await images.ensure_pause(settings)
        memory.settle()
        begun.set()

    first: Jobs = (("network", network.run),)
    jobs: Jobs = (("containerd", supervisor.keep), ("agent", agent.run), ("memory", memory.keep_small))
    if config.join:
        jobs = (*jobs, ("certificates", rotation(config, node, address, client, clock).run))
    return NodeParts(agent, network, runtime, client, first, begin, jobs, clock)


def rotation(config: Config, node: Node, address: str, client: HTTPClient, clock: Clock) -> Rotation:
    """What renews the certificates of a node whose server is elsewhere; the server itself renews those beside it."""

    kept = (
        Kept(config.node_pair(node.name, "client").certificate, enrolment.CLIENT),
        Kept(config.node_pair(node.name, "server").certificate, enrolment.SERVING, lambda: (node.name, address)),
    )
    return Rotation(client, clock, node.name, kept)


async def addresses(runtime: Runtime, begun: asyncio.Event) -> dict[str, str]:
    """Where the pods of a node are, by uid, once its containerd is there. Raises RuntimeFault."""
    await begun.wait()
    present = [one for one in await runtime.sandboxes() if one.ready]
    found = await asyncio.gather(*(runtime.sandbox(one.id) for one in present))
    return {one.uid: one.ips[0] for one in found if one.ips}


def network_settings(config: Config, node: Node) -> Settings:
    """A node's network."""
    return Settings(
        node=node.name,
        root=config.node_root(node.name),
        pods=IPv4Network(config.pod_cidr),
        services=IPv4Network(config.service_cidr),
        dns=config.dns_address,
        domain=config.cluster_domain,
        own_namespace=bool(node.netns),
    )


def agent_config(config: Config, node: Node, address: str) -> AgentConfig:
    """What the agent is told."""
    keys = config.node_root(node.name) / "pki"
    serving = config.node_pair(node.name, "server")
    return AgentConfig(
        name=node.name,
        root=config.node_root(node.name),
        run=config.node_run(node.name),
        addresses=(address,),
        hostname=node.name,
        version=version.reported(),
        cluster_dns=(config.dns_address,),
        cluster_domain=config.cluster_domain,
        resolv_conf=resolv.host_file(),
        port=config.agent_port,
        cgroup_root=config.cgroup(node.name) if cgroups.driver() == "cgroupfs" else "",
        tls_cert=serving.certificate,
        tls_key=serving.key,
        client_ca=keys / "ca.crt",
    )
