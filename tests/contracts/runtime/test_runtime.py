"""What every Runtime must do: the simulated one, and containerd where the machine allows."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.containerd import IMAGE, own_containerd, usable
from wherry.aio.clock import SystemClock
from wherry.node.runtime.interface import ContainerConfig, Runtime, RuntimeFault, SandboxConfig, State
from wherry.node.runtime.simulated import Simulated

pytestmark = pytest.mark.looptime(False)
BUSYBOX = "/bin/busybox"


@pytest.fixture(params=["simulated", pytest.param("containerd", marks=pytest.mark.host)])
async def runtime(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Runtime]:
    if request.param == "simulated":
        yield Simulated(SystemClock(), images=(IMAGE,))
    elif not usable():
        pytest.skip("needs root and containerd")
    else:
        async with own_containerd(tmp_path) as (made, _):
            yield made


async def frame(runtime: Runtime, tmp_path: Path) -> tuple[str, SandboxConfig]:
    """A running sandbox."""
    config = SandboxConfig(
        "p", "default", str(uuid.uuid4()), hostname="p", log_dir=str(tmp_path / "logs"), labels={"a": "b"},
        cgroup_parent=f"/wherry-test-{os.getpid()}",
    )  # fmt: skip
    (tmp_path / "logs").mkdir(exist_ok=True)
    return await runtime.run_sandbox(config), config


async def begin(runtime: Runtime, sandbox: str, config: SandboxConfig, *command: str, attempt: int = 0) -> str:
    """A started container."""
    image = await runtime.image(IMAGE)
    assert image is not None
    wanted = ContainerConfig("c", image.id, attempt=attempt, command=(BUSYBOX, *command), log_path=f"c{attempt}.log",
                             annotations={"x": "y"}, labels={"l": "m"})  # fmt: skip
    container = await runtime.create_container(sandbox, wanted, config)
    assert (await runtime.container(container)).state is State.CREATED
    await runtime.start_container(container)
    return container


async def ended(runtime: Runtime, container: str) -> None:
    """Wait until it has exited."""
    for _ in range(500):
        if (await runtime.container(container)).state is State.EXITED:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("still running")


async def test_the_life_of_a_pod(runtime: Runtime, tmp_path: Path) -> None:
    """One long test: starting a real runtime takes a second."""
    assert (await runtime.health()).ready
    assert (await runtime.version()).name
    sandbox, config = await frame(runtime, tmp_path)
    listed = (await runtime.sandboxes())[0]
    assert (listed.id, listed.uid, listed.ready, listed.labels) == (sandbox, config.uid, True, {"a": "b"})
    assert len((await runtime.sandbox(sandbox)).ips) == 1

    first = await begin(runtime, sandbox, config, "sh", "-c", "exit 3")
    await ended(runtime, first)
    dead = await runtime.container(first)
    assert (dead.exit_code, dead.reason, dead.attempt, dead.detailed) == (3, "Error", 0, True)
    assert min(dead.finished, dead.started) > 0  # a process may end before its start has been noted
    assert dead.log_path == str(tmp_path / "logs" / "c0.log")

    events = runtime.changes()
    heard = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0.2)
    second = await begin(runtime, sandbox, config, "sleep", "1000", attempt=1)
    by_id = {one.id: one for one in await runtime.containers(sandbox)}
    assert {by_id[first].state, by_id[second].state} == {State.EXITED, State.RUNNING}
    assert (by_id[second].annotations["x"], by_id[second].labels["l"], by_id[second].sandbox) == ("y", "m", sandbox)
    assert len(await runtime.stats()) >= 1
    assert (await runtime.exec_sync(second, (BUSYBOX, "sh", "-c", "exit 4"), 5)).exit_code == 4
    with pytest.raises(RuntimeFault) as timed_out:
        await runtime.exec_sync(second, (BUSYBOX, "sleep", "5"), 1)
    assert timed_out.value.code == "deadline_exceeded"

    await runtime.stop_container(second, 0)
    killed = await runtime.container(second)
    assert (killed.state, killed.exit_code) == (State.EXITED, 137)
    await asyncio.wait_for(heard, 5)
    await events.aclose()  # type: ignore[attr-defined] # both are generators

    await runtime.remove_container(first)
    await runtime.remove_container(first)
    with pytest.raises(RuntimeFault) as gone:
        await runtime.container(first)
    assert gone.value.code == "not_found"
    await runtime.stop_sandbox(sandbox)
    assert not (await runtime.sandbox(sandbox)).ready
    await runtime.remove_sandbox(sandbox)
    assert await runtime.sandboxes() == ()
    assert await runtime.containers() == ()


async def test_names_are_unique_per_sandbox_and_attempt(runtime: Runtime, tmp_path: Path) -> None:
    sandbox, config = await frame(runtime, tmp_path)
    await begin(runtime, sandbox, config, "sleep", "1000")
    with pytest.raises(RuntimeFault):
        await begin(runtime, sandbox, config, "sleep", "1000")


async def test_images(runtime: Runtime) -> None:
    held = await runtime.image(IMAGE)
    assert held is not None
    assert IMAGE in held.tags
    assert await runtime.image(held.id) == held
    assert await runtime.image("docker.io/library/missing:1") is None
    with pytest.raises(RuntimeFault):
        await runtime.pull("127.0.0.1:1/missing:1")
