"""Volumes that are places: emptyDir, hostPath, and what a persistent volume claim is bound to.

`place` answers the folder or file on this machine behind a volume, making it if its kind says so.
https://kubernetes.io/docs/concepts/storage/volumes/
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable
from pathlib import Path

from wherry.api.core.persistentvolume import PERSISTENTVOLUME
from wherry.api.core.persistentvolumeclaim import PERSISTENTVOLUMECLAIM
from wherry.api.types.core import Container, EmptyDirVolumeSource, ImageVolumeSource, Volume
from wherry.host import mounts
from wherry.machinery.errors import NotFound
from wherry.machinery.meta import Key
from wherry.machinery.quantity import whole
from wherry.node.csi import volumes as csi
from wherry.node.csi.driver import outside
from wherry.node.facts import Problem
from wherry.node.hooks.environment import fetch
from wherry.node.hooks.hook import HookFault, Scope
from wherry.node.volumes import local

_CHECKS: dict[str, tuple[Callable[[int], bool], str]] = {
    "Directory": (stat.S_ISDIR, "a directory"),
    "DirectoryOrCreate": (stat.S_ISDIR, "a directory"),
    "File": (stat.S_ISREG, "a file"),
    "FileOrCreate": (stat.S_ISREG, "a file"),
    "Socket": (stat.S_ISSOCK, "a socket"),
    "CharDevice": (stat.S_ISCHR, "a character device"),
    "BlockDevice": (stat.S_ISBLK, "a block device"),
}


async def place(scope: Scope, volume: Volume, own: Path) -> tuple[Path, bool]:
    """(path, whether fsGroup applies). `own` is the volume's folder under the pod's. Raises HookFault, OSError."""
    if volume.empty_dir is not None:
        empty_dir(volume.empty_dir, own)
        return own, True
    if volume.host_path is not None:
        path = outside(scope.config.root, volume.host_path.path)
        return host_path(path, volume.host_path.type or ""), False
    if volume.csi is not None:
        return await csi.mount(scope, csi.inline(scope, volume))
    if volume.image is not None:
        await image_files(scope, volume.name, volume.image, own)
        return own, False
    claim = volume.persistent_volume_claim
    if claim is not None:
        return await persistent(scope, claim.claim_name)
    if volume.ephemeral is not None:
        return await persistent(scope, f"{scope.pod.metadata.name}-{volume.name}")
    raise HookFault(f'volume "{volume.name}": this kind of volume is not supported', event="FailedMount")


def empty_dir(source: EmptyDirVolumeSource, own: Path) -> None:
    """A folder that lives as long as the pod; in memory if asked."""
    if not own.exists():
        own.mkdir(parents=True)
        own.chmod(0o777)
    if source.medium == "Memory" and not mounts.is_mount(own):
        mounts.tmpfs(own, size=whole(source.size_limit) if source.size_limit else 0)
    elif source.medium.startswith("HugePages") and not mounts.is_mount(own):
        mounts.huge(own, source.medium.partition("-")[2], whole(source.size_limit) if source.size_limit else 0)


async def image_files(scope: Scope, name: str, source: ImageVolumeSource, own: Path) -> None:
    """The files of an image, read-only. Raises HookFault when the image cannot be had."""
    if scope.puller is None or mounts.is_mount(own):
        return
    spec = Container(name=name, image=source.reference, image_pull_policy=source.pull_policy)
    found = await scope.puller.get(scope.pod, spec, lambda _, __, ___: None)
    if isinstance(found, Problem):
        raise HookFault(found.message, found.reason, event="FailedMount")
    await asyncio.to_thread(own.mkdir, parents=True, exist_ok=True)
    await scope.puller.runtime.mount_image(found, str(own))


async def release(scope: Scope) -> None:
    """Let go of what volumes hold outside the pod's folder."""
    await csi.release(scope.config, scope.plugins, scope.folder)
    for volume in scope.pod.spec.volumes:
        if volume.image is not None and scope.puller is not None:
            await scope.puller.runtime.unmount_image(str(scope.folder / "volumes" / volume.name))


def host_path(path: str, kind: str) -> Path:
    """A path of the machine, checked against its declared kind. Raises HookFault."""
    found = Path(path)
    if kind == "DirectoryOrCreate" and not found.exists():
        found.mkdir(parents=True, mode=0o755)
    elif kind == "FileOrCreate" and not found.exists():
        found.touch(mode=0o644)
    if kind in _CHECKS:
        check, word = _CHECKS[kind]
        try:
            fits = check(found.stat().st_mode)
        except OSError:
            fits = False
        if not fits:
            raise HookFault(f"hostPath type check failed: {path} is not {word}", event="FailedMount")
    elif not found.exists():
        found.mkdir(parents=True, mode=0o755)  # what container runtimes have always done
    return found


async def persistent(scope: Scope, name: str) -> tuple[Path, bool]:
    """What a claim is bound to. Raises HookFault while it is not bound."""
    claim = await fetch(scope, PERSISTENTVOLUMECLAIM, name, optional=False)
    if claim is None or not claim.spec.volume_name or claim.status.phase != "Bound":
        raise HookFault(f'persistentvolumeclaim "{name}" is not bound', event="FailedMount")
    try:
        volume = await scope.client.get(PERSISTENTVOLUME, Key("", claim.spec.volume_name))
    except NotFound as error:
        raise HookFault(f'persistentvolume "{claim.spec.volume_name}" not found', event="FailedMount") from error
    if volume.spec.local is not None:
        local.prepare(scope.config, volume)
        return _existing(Path(volume.spec.local.path)), True
    if volume.spec.csi is not None:
        return await csi.mount(scope, csi.persistent(volume))
    if volume.spec.host_path is not None:
        return host_path(volume.spec.host_path.path, volume.spec.host_path.type or ""), False
    raise HookFault(f'persistentvolume "{volume.metadata.name}": this kind is not supported', event="FailedMount")


async def give_group(path: Path, group: int, *, only_on_mismatch: bool) -> None:
    """Let a group read and write everything there, and own what is made there later."""
    if only_on_mismatch and _belongs(path, group):
        return
    await asyncio.to_thread(_give_group, path, group)


def _existing(path: Path) -> Path:
    if not path.exists():
        raise HookFault(f'path "{path}" does not exist', event="FailedMount")
    return path


def _belongs(path: Path, group: int) -> bool:
    found = path.stat()
    return found.st_gid == group and found.st_mode & 0o2070 == 0o2070


def _give_group(top: Path, group: int) -> None:
    for folder, _, names in os.walk(top, topdown=False):
        for name in names:
            _give(os.path.join(folder, name), group, 0o660)
        _give(folder, group, 0o2770)


def _give(path: str, group: int, bits: int) -> None:
    found = os.lstat(path)
    os.lchown(path, -1, group)
    if not stat.S_ISLNK(found.st_mode):
        os.chmod(path, stat.S_IMODE(found.st_mode) | bits, follow_symlinks=True)
