"""In which order an agent's parts begin: DNS queries of pods wait for the node's network, and for nothing else."""

from __future__ import annotations

import asyncio

import pytest

from wherry.aio.clock import SystemClock
from wherry.app.assemble_node import Jobs, run_in_order
from wherry.host.containerd import StartError


class Parts:
    """A network, a containerd that takes ten seconds to be found, an agent; `said` with the times."""

    def __init__(self) -> None:
        self.said: list[tuple[str, float]] = []
        self.first: Jobs = (("network", self.network),)
        self.then: Jobs = (("agent", self.agent),)

    def say(self, what: str) -> None:
        self.said.append((what, asyncio.get_running_loop().time()))

    async def network(self) -> None:
        self.say("network")
        try:
            await asyncio.Event().wait()
        finally:
            self.say("network ends")

    async def begin(self) -> None:
        await asyncio.sleep(10)
        self.say("containerd")

    async def fail(self) -> None:
        await asyncio.sleep(10)
        raise StartError("containerd is not installed")

    async def agent(self) -> None:
        self.say("agent")
        await asyncio.Event().wait()


async def test_the_network_does_not_wait_for_containerd() -> None:
    """(Seeded fault: begin, then run everything.)"""
    parts, began = Parts(), asyncio.get_running_loop().time()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(20):
            await run_in_order(parts.first, parts.begin, parts.then, SystemClock())
    times = {what: at - began for what, at in parts.said}
    assert times["network"] < 1
    assert 10 <= times["containerd"] <= times["agent"] < 11
    assert times["network ends"] == pytest.approx(20, abs=0.5)


async def test_what_cannot_be_begun_ends_everything_and_is_told_as_it_is() -> None:
    parts = Parts()
    with pytest.raises(StartError, match="not installed"):
        await run_in_order(parts.first, parts.fail, parts.then, SystemClock())
    assert [what for what, _ in parts.said] == ["network", "network ends"]
