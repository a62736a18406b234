"""The observer: what a worker's own call did is never undone by a look that began before it."""

from __future__ import annotations

import asyncio

from wherry.aio.clock import LoopClock
from wherry.node.observer import Observer
from wherry.node.runtime.interface import Container, ContainerConfig, Sandbox, SandboxConfig, State
from wherry.node.runtime.simulated import Simulated

IMAGE = "docker.io/library/busybox:1"


class Slow(Simulated):
    """Lists what there was a while ago."""

    async def sandboxes(self) -> tuple[Sandbox, ...]:
        """See Runtime."""
        found = await super().sandboxes()
        await asyncio.sleep(0.5)
        return found

    async def containers(self, sandbox_id: str = "") -> tuple[Container, ...]:
        """See Runtime."""
        found = await super().containers(sandbox_id)
        await asyncio.sleep(0.5)
        return found


async def test_an_old_look_does_not_undo_what_was_recorded() -> None:
    runtime = Slow(LoopClock(), images=(IMAGE,))
    woken: list[str] = []
    observer = Observer(runtime, woken.append)
    frame = SandboxConfig("p", "default", "u")
    sandbox = await runtime.run_sandbox(frame)
    task = asyncio.get_running_loop().create_task(observer.run())
    await observer.ready.wait()
    assert woken == ["u"]

    observer.look()
    await asyncio.sleep(0.1)
    container = await runtime.create_container(sandbox, ContainerConfig("c", IMAGE), frame)
    await runtime.start_container(container)
    observer.record_container("u", await runtime.container(container), sandbox=sandbox)
    await asyncio.sleep(0.6)
    assert [one.state for one in observer.pod("u").containers] == [State.RUNNING]

    runtime.end(container, 3)
    await asyncio.sleep(2)
    (dead,) = observer.pod("u").containers
    assert (dead.state, dead.exit_code, dead.sandbox) == (State.EXITED, 3, sandbox)
    await runtime.remove_sandbox(sandbox)
    observer.look()
    await asyncio.sleep(2)
    assert observer.uids() == frozenset()
    task.cancel()
