"""containerd: an own process per node, with its own state folder and socket, never the host's.

Owns: `<root>/config.toml`, `<root>/data`, `<run>/containerd.sock`, `<run>/containerd.pid`, `<root>/containerd.log`. The
process runs detached in its own session, so killing or upgrading the agent never touches it; a later agent finds it
again by its pid file (pid and start time, so that a reused pid is not mistaken for it) and its socket.
`Supervisor.keep()` starts it again when it dies; containers live on under their shims meanwhile. One that runs with
another configuration than this version writes, or whose program has been replaced, is ended and started anew.

Works with containerd 1.6 (configuration version 2) to 2.x (version 3).
https://github.com/containerd/containerd/blob/main/docs/cri/config.md
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import shutil
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wherry.aio.clock import Clock
from wherry.host import cgroups, files, processes

log = logging.getLogger(__name__)

CAP_SYS_RESOURCE = 24
SANDBOX_IMAGE = "wherry.local/pause:1"
"""Name of the pause image that the agent makes and imports itself; no registry serves it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where one node's containerd lives and what it may do. All paths absolute."""

    root: Path
    run: Path
    cni_conf: Path
    cni_bin: Path = Path("/usr/lib/cni")
    netns: str = ""
    """Name of the network namespace it runs in; "" is the caller's own."""
    program: str = "containerd"
    sandbox_image: str = SANDBOX_IMAGE
    restrict_oom: bool = False
    systemd_cgroup: bool = False

    @property
    def socket(self) -> Path:
        """The gRPC socket: CRI, events, images."""
        return self.run / "containerd.sock"

    @property
    def certs(self) -> Path:
        """Per-registry settings: `<certs>/<host[:port]>/hosts.toml`."""
        return self.root / "certs.d"


def toml(tables: Mapping[str, object], path: tuple[str, ...] = ()) -> str:
    """A nested mapping as TOML text; strings, booleans, integers and lists of strings are leaves."""
    lines = [f"{_key(k)} = {json.dumps(v)}" for k, v in tables.items() if not isinstance(v, Mapping)]
    if path and lines:
        lines.insert(0, f"[{'.'.join(_key(part) for part in path)}]")
    text = "\n".join(lines) + "\n" if lines else ""
    for name, value in tables.items():
        if isinstance(value, Mapping):
            text += toml(value, (*path, name))
    return text


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)


def config(settings: Settings, major: int) -> str:
    """The text of config.toml for containerd `major`.x."""
    runc = {
        "runtime_type": "io.containerd.runc.v2",
        "options": {"SystemdCgroup": settings.systemd_cgroup},
    }
    cni = {"bin_dir": str(settings.cni_bin), "conf_dir": str(settings.cni_conf), "max_conf_num": 1}
    common: dict[str, object] = {
        "version": 2 if major < 2 else 3,
        "root": str(settings.root / "data"),
        "state": str(settings.run / "state"),
        "disabled_plugins": [
            "io.containerd.internal.v1.opt",
            "io.containerd.snapshotter.v1.aufs",
            "io.containerd.snapshotter.v1.btrfs",
            "io.containerd.snapshotter.v1.devmapper",
            "io.containerd.snapshotter.v1.zfs",
            "io.containerd.internal.v1.tracing",
            "io.containerd.tracing.processor.v1.otlp",
        ],
        "grpc": {"address": str(settings.socket)},
        "ttrpc": {"address": str(settings.socket) + ".ttrpc"},
    }
    nri = {"io.containerd.nri.v1.nri": {"disable": True}}
    if major < 2:
        return toml(common | {"plugins": {**nri, "io.containerd.grpc.v1.cri": _cri_v2(settings, runc, cni)}})
    return toml(common | {"plugins": {**nri, **_cri_v3(settings, runc, cni)}})


def _cri_v2(settings: Settings, runc: Mapping[str, object], cni: Mapping[str, object]) -> dict[str, object]:
    return {
        "sandbox_image": settings.sandbox_image,
        "restrict_oom_score_adj": settings.restrict_oom,
        "netns_mounts_under_state_dir": True,
        "tolerate_missing_hugetlb_controller": True,
        "enable_unprivileged_ports": True,
        "enable_unprivileged_icmp": True,
        "ignore_image_defined_volumes": False,
        "stream_server_address": "127.0.0.1",
        "stream_server_port": "0",
        "cni": cni,
        "containerd": {"snapshotter": "overlayfs", "default_runtime_name": "runc", "runtimes": {"runc": runc}},
        "registry": {"config_path": str(settings.certs)},
    }


def _cri_v3(settings: Settings, runc: Mapping[str, object], cni: Mapping[str, object]) -> dict[str, object]:
    network = {"bin_dirs": [str(settings.cni_bin)], "conf_dir": str(settings.cni_conf), "max_conf_num": 1}
    return {
        "io.containerd.cri.v1.runtime": {
            "restrict_oom_score_adj": settings.restrict_oom,
            "netns_mounts_under_state_dir": True,
            "tolerate_missing_hugetlb_controller": True,
            "enable_unprivileged_ports": True,
            "enable_unprivileged_icmp": True,
            "cni": network,
            "containerd": {"default_runtime_name": "runc", "runtimes": {"runc": runc}},
        },
        "io.containerd.cri.v1.images": {
            "snapshotter": "overlayfs",
            "pinned_images": {"sandbox": settings.sandbox_image},
            "registry": {"config_path": str(settings.certs)},
        },
        "io.containerd.grpc.v1.cri": {"stream_server_address": "127.0.0.1", "stream_server_port": "0"},
    }


def lacks_sys_resource(status: str) -> bool:
    """Whether the process whose /proc/<pid>/status text is given may not lower oom_score_adj."""
    found = re.search(r"^CapEff:\s*([0-9a-fA-F]+)$", status, re.MULTILINE)
    return found is None or not int(found[1], 16) >> CAP_SYS_RESOURCE & 1


def keep_registries(settings: Settings, registries: Mapping[str, str]) -> bool:
    """Have containerd reach each registry (`host[:port]`) at its URL and nowhere else, and all others by their names,
    from the next pull on. Returns whether anything changed."""
    changed = False
    for host, url in registries.items():
        text = toml({"server": url, "host": {url: {"capabilities": ["pull", "resolve"]}}})
        (settings.certs / host).mkdir(parents=True, exist_ok=True, mode=0o700)
        changed |= files.write_if_changed(settings.certs / host / "hosts.toml", text.encode())
    for folder in settings.certs.glob("*/") if settings.certs.is_dir() else ():
        if folder.name not in registries:
            shutil.rmtree(folder)
            changed = True
    return changed


class StartError(Exception):
    """containerd did not come up; the text says why and what to do."""


class Supervisor:
    """Finds or starts the node's containerd, keeps it running, and stops it when the node is taken down."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._pid_file = settings.run / "containerd.pid"

    @property
    def settings(self) -> Settings:
        """What it was built with."""
        return self._settings

    def running(self) -> int | None:
        """The pid of this node's containerd, if it lives."""
        return processes.recorded(self._pid_file)

    async def start(self, timeout: float = 20.0) -> int:  # noqa: ASYNC109 - waits on a file, not on an awaitable
        """Make sure it runs and its socket accepts connections; answers the pid. Raises StartError."""
        pid = self.running()
        if pid is not None and (why := await self._outdated(pid)):
            log.info("containerd (pid %d) %s; starting it anew", pid, why)
            await self.stop()
            pid = None
        if pid is None:
            pid = await self._spawn()
        until = self._clock.monotonic() + timeout
        while not await _accepts(self._settings.socket):
            if processes.recorded(self._pid_file) is None:
                raise StartError(f"containerd ended while starting: {self._last_words()}")
            if self._clock.monotonic() > until:
                raise StartError(f"containerd does not answer on {self._settings.socket} after {timeout:.0f} s")
            await asyncio.sleep(0.02)
        return pid

    async def keep(self) -> None:
        """Start it, then start it again whenever it dies, for ever."""
        pause = 0.0
        while True:
            await asyncio.sleep(pause)
            try:
                pid = await self.start()
            except StartError as error:
                log.warning("%s", error)
                pause = min(max(pause * 2, 0.5), 30.0)
                continue
            pause = 0.0
            await processes.ended(pid)
            log.warning("containerd (pid %d) ended; starting it again", pid)

    async def stop(self, timeout: float = 10.0) -> None:  # noqa: ASYNC109 - see start
        """End it. Containers are not touched."""
        pid = self.running()
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
            try:
                async with asyncio.timeout(timeout):
                    await processes.ended(pid)
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                await processes.ended(pid)
        self._pid_file.unlink(missing_ok=True)

    async def _outdated(self, pid: int) -> str:
        """Why a containerd that runs is not the one that would be started now; "" when it is."""
        program = shutil.which(self._settings.program)
        if program is None:
            return ""
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{pid}/exe").endswith(" (deleted)"):
                return "runs a program that has been replaced"
        try:
            written = (self._settings.root / "config.toml").read_text()
        except FileNotFoundError:
            return ""
        return "" if written == config(self._settings, await major(program)) else "has another configuration"

    async def _spawn(self) -> int:
        settings = self._settings
        program = shutil.which(settings.program)
        if program is None:
            raise StartError(f"{settings.program} is not installed; install the package containerd")
        for folder in (settings.root, settings.run, settings.certs, settings.cni_conf):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = settings.root / "config.toml"
        path.write_text(config(settings, await major(program)))
        path.chmod(0o600)
        settings.socket.unlink(missing_ok=True)
        argv = [program, "--config", str(path)]
        if settings.netns:
            argv = [shutil.which("nsenter") or "/usr/bin/nsenter", f"--net=/run/netns/{settings.netns}", "--", *argv]
        return processes.spawn(argv, self._pid_file, settings.root / "containerd.log")

    def _last_words(self) -> str:
        lines = (self._settings.root / "containerd.log").read_text(errors="replace").splitlines()
        return lines[-1] if lines else "it left no message"


async def major(program: str) -> int:
    """The major version of a containerd program. Raises StartError."""
    process = await asyncio.create_subprocess_exec(program, "--version", stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    found = re.search(rb"\bv?(\d+)\.\d+", out.split(b" ", 1)[-1])
    if found is None:
        raise StartError(f"{program} --version says {out.decode(errors='replace')!r}")
    return int(found[1])


async def _accepts(socket: Path) -> bool:
    try:
        _, writer = await asyncio.open_unix_connection(str(socket))
    except OSError:
        return False
    writer.close()
    return True


def settings_for(root: Path, run: Path, *, cni_conf: Path, netns: str = "") -> Settings:
    """Settings that fit this machine: what the kernel and our capabilities allow is found out here, not by trying."""
    own = Path("/proc/self/status").read_text()
    return Settings(
        root=root, run=run, cni_conf=cni_conf, netns=netns,
        restrict_oom=lacks_sys_resource(own), systemd_cgroup=cgroups.driver() == "systemd",
    )  # fmt: skip
