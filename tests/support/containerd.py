"""A containerd of a test's own, in a network namespace of its own, with a busybox image. Needs root."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

from wherry.aio.clock import SystemClock
from wherry.host import cgroups, mounts, processes
from wherry.host import containerd as host
from wherry.node import images
from wherry.node.runtime.containerd import Containerd

IMAGE = "docker.io/library/busybox:1"


def namespace() -> str:
    """The name of this test process's network namespace."""
    return f"wherry-test-{os.getpid()}"


def usable() -> bool:
    """Whether this machine can run it."""
    return os.getuid() == 0 and Path("/usr/bin/containerd").exists()


@contextlib.asynccontextmanager
async def own_containerd(folder: Path) -> AsyncIterator[tuple[Containerd, host.Supervisor]]:
    """An own containerd in an own network namespace, with a busybox image."""
    name = namespace()
    cni = folder / "cni"
    cni.mkdir()
    bridge = {
        "type": "bridge", "bridge": "cni0", "isGateway": True,
        "ipam": {"type": "host-local", "dataDir": str(folder / "ipam"), "ranges": [[{"subnet": "10.77.0.0/24"}]]},
    }  # fmt: skip
    (cni / "10-test.conflist").write_text(json.dumps({"cniVersion": "1.0.0", "name": "test", "plugins": [bridge]}))
    await processes.run(["ip", "netns", "add", name])
    await processes.run(["ip", "-n", name, "link", "set", "lo", "up"])
    settings = host.settings_for(folder / "root", folder / "run", cni_conf=cni, netns=name)
    supervisor = host.Supervisor(settings, SystemClock())
    try:
        await supervisor.start()
        await images.ensure_pause(settings)
        await images.load(settings, _busybox(folder / "busybox.tar"))
        runtime = Containerd(str(settings.socket))
        yield runtime, supervisor
        for one in await runtime.sandboxes():
            await runtime.remove_sandbox(one.id)
        await runtime.close()
    finally:
        await supervisor.stop()
        mounts.unmount_below(folder)
        cgroups.remove(f"/{name}")
        await processes.run(["ip", "netns", "delete", name])


def _busybox(path: Path) -> Path:
    program = Path("/bin/busybox").read_bytes()
    path.write_bytes(images.archive(IMAGE, {"/bin/busybox": program, "/bin/sh": program}, ("/bin/sh",)))
    return path
