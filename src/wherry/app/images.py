"""Images without a registry: archives loaded into every node's containerd, built with buildah, listed.

Each node has its own containerd, so an image is loaded into each. buildah keeps its layers below the cluster's own
folder, never in the machine's container storage, so `wherry delete` takes them along.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wherry.app.config import Config
from wherry.app.runtimes import runtime_settings
from wherry.app.steps import Failed
from wherry.host import cgroups, files, programs
from wherry.host.processes import ProgramError
from wherry.node import images
from wherry.node.runtime.containerd import Containerd
from wherry.node.runtime.interface import RuntimeFault


@dataclass(frozen=True, slots=True)
class Held:
    """An image on this machine: its names, size in bytes, and the nodes that hold it."""

    id: str
    names: tuple[str, ...]
    size: int
    nodes: tuple[str, ...]


def qualified(name: str) -> str:
    """The full name under which a node looks for an image: `web:1` is `docker.io/library/web:1`."""
    first, slash, _ = name.partition("/")
    if not slash:
        name = f"docker.io/library/{name}"
    elif "." not in first and ":" not in first and first != "localhost":
        name = f"docker.io/{name}"
    last = name.rsplit("/", 1)[1]
    return name if ":" in last or "@" in last else f"{name}:latest"


def load(config: Config, archives: Sequence[Path]) -> tuple[str, ...]:
    """Load Docker or OCI archives into every node; returns the names of the images. Raises Failed."""
    for archive in archives:
        if not archive.is_file():
            raise Failed(f"{archive} is not a file", "give a tar archive made by docker save, podman save or buildah")
    return asyncio.run(_load(config, archives))


async def _load(config: Config, archives: Sequence[Path]) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for archive in archives:
        for node in config.machines():
            of = runtime_settings(config, node)
            if not of.socket.exists():
                raise Failed(f"containerd of node {node.name} does not run", "start the cluster with `wherry up`")
            try:
                names.update(dict.fromkeys(await images.load(of, archive)))
            except ProgramError as error:
                raise Failed(f"{archive} cannot be loaded: {error}", "is it a Docker or OCI image archive?") from error
    return tuple(names)


def build(config: Config, folder: Path, tag: str, *, file: Path | None, arguments: Sequence[str]) -> tuple[str, ...]:
    """Build the Containerfile (or Dockerfile) of a folder and load the image into every node. Raises Failed."""
    buildah = programs.find("buildah")
    if buildah is None:
        raise Failed("buildah is not installed", "apt-get install buildah")
    if not folder.is_dir():
        raise Failed(f"{folder} is not a folder", "give the folder that holds the Containerfile")
    name = qualified(tag)
    store = files.private_folder(config.state / "build")
    base = [
        buildah, "--root", str(store / "storage"), "--runroot", str(files.private_folder(config.run / "build")),
        "--storage-driver", "overlay",
    ]  # fmt: skip
    containerfile = ["--file", str(file)] if file else []
    given = [word for argument in arguments for word in ("--build-arg", argument)]
    command = [*base, "build", *_isolation(), "--layers", "--tag", name, *containerfile, *given, str(folder)]
    _run(command, f"{folder} cannot be built")
    with tempfile.TemporaryDirectory(dir=store) as work:
        archive = Path(work) / "image.tar"
        _run([*base, "push", "--quiet", name, f"docker-archive:{archive}:{name}"], f"{name} cannot be written")
        return load(config, [archive])


def _isolation() -> list[str]:
    """On version 1 control groups buildah's own use of runc fails without systemd: chroot does not need them."""
    return [] if cgroups.version() == 2 else ["--isolation", "chroot"]


def _run(command: Sequence[str], cause: str) -> None:
    done = subprocess.run(command, check=False, env={**os.environ, "BUILDAH_FORMAT": "docker"})
    if done.returncode:
        raise Failed(cause, "see the messages above")


def held(config: Config) -> tuple[Held, ...]:
    """Every image on this machine's nodes, by name. Raises Failed."""
    return asyncio.run(_held(config))


async def _held(config: Config) -> tuple[Held, ...]:
    found: dict[str, Held] = {}
    for node in config.machines():
        socket = runtime_settings(config, node).socket
        if not socket.exists():
            raise Failed(f"containerd of node {node.name} does not run", "start the cluster with `wherry up`")
        runtime = Containerd(str(socket))
        try:
            for image in await runtime.images():
                known = found.get(image.id)
                nodes = (*known.nodes, node.name) if known else (node.name,)
                names = tuple(dict.fromkeys((*(known.names if known else ()), *image.tags)))
                found[image.id] = Held(image.id, names, image.size, nodes)
        except RuntimeFault as error:
            raise Failed(f"node {node.name}: {error}", "see `wherry logs containerd`") from error
        finally:
            await runtime.close()
    return tuple(sorted(found.values(), key=lambda image: image.names))
