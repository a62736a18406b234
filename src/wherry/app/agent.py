"""The agent process: one node of this machine.

Enters the node's network namespace before anything else, so that every socket and every thread belongs to it. SIGTERM
or SIGINT ends the process within a second; containers go on, and so do packet rules. When the machine's address
changes, the process ends and is started again with the new one: its state comes back from CRI and the API.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys

import uvloop

from wherry.aio.clock import Clock, SystemClock
from wherry.app import addresses, memory
from wherry.app import assemble_node as assemble
from wherry.app import logging as logs
from wherry.app.config import Config, Node
from wherry.app.namespaces import make_namespace
from wherry.host import files, netns
from wherry.host.containerd import StartError
from wherry.network.dns_early import Early

log = logging.getLogger(__name__)
LOOK = 10.0
"""Seconds between looks at the machine's address."""


def main(config: Config, node: Node, *, verbose: bool, early: Early | None = None) -> None:
    """Run until told to stop; exits with 1 when the node cannot be started."""
    memory.begin()
    logs.set_up(verbose=verbose)
    files.private_folder(config.node_run(node.name))
    make_namespace(node)
    with netns.entered(node.netns) if node.netns else contextlib.nullcontext():
        sys.exit(uvloop.run(serve(config, node, SystemClock(), early)))


async def serve(config: Config, node: Node, clock: Clock, early: Early | None = None) -> int:
    """The exit status."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    address = node.address or await _address(config)
    stopped = loop.create_task(stop.wait())
    worker = loop.create_task(_work(config, node, address, clock, early))
    moved = loop.create_task(_moved(config, node, address))
    await asyncio.wait([stopped, worker, moved], return_when=asyncio.FIRST_COMPLETED)
    status = 0
    if worker.done() and isinstance(worker.exception(), StartError):
        status = 1
        log.error("%s", worker.exception())
    elif worker.done():
        status = 1
        log.error("node %s cannot go on", node.name, exc_info=worker.exception())
    for task in (stopped, worker, moved):
        task.cancel()
    await asyncio.gather(stopped, worker, moved, return_exceptions=True)
    log.info("stopped; containers go on")
    return status


async def _work(config: Config, node: Node, address: str, clock: Clock, early: Early | None) -> None:
    parts = await assemble.node(config, node, address, clock, early)
    try:
        await parts.run()
    finally:
        await parts.close()


async def _address(config: Config) -> str:
    found = await asyncio.to_thread(addresses.towards, config)
    return str(found or config.bridge_address)


async def _moved(config: Config, node: Node, address: str) -> None:
    """Return when the machine has another address than the node was started with."""
    while True:
        await asyncio.sleep(LOOK)
        if not node.address and (now := await _address(config)) != address:
            log.warning("this machine's address is now %s, it was %s; starting over", now, address)
            return
