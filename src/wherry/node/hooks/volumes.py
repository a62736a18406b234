"""Volumes of a pod, and their mounts into containers.

Layout: `<pod>/volumes/<name>` is the volume's own folder, or a link to where it really is; `<pod>/subpaths/...` are
bind mounts of parts of volumes. Files from API objects are looked at again every `AgentConfig.refresh` seconds and
replaced at once. Secrets and tokens are kept in memory file systems, never on disk.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from wherry.api.types.core import Volume, VolumeMount
from wherry.host import mounts
from wherry.node.csi import volumes as csi
from wherry.node.hooks.environment import expand
from wherry.node.hooks.hook import Hook, HookFault, Scope, Starting
from wherry.node.runtime.interface import ContainerConfig, Device, Mount, RuntimeFault
from wherry.node.volumes import atomic, payload, places
from wherry.node.volumes.podcertificates import Credentials

_PROPAGATION = {"HostToContainer": "host_to_container", "Bidirectional": "bidirectional"}


class Volumes(Hook):
    """Owns everything below the pod's `volumes` and `subpaths`."""

    def __init__(self) -> None:
        self._tokens: payload.Tokens = {}
        self._credentials: Credentials = {}

    async def prepare(self, scope: Scope) -> None:
        """Make every volume."""
        spec = scope.pod.spec
        everyone = (*spec.init_containers, *spec.containers)
        used = {mount.name for one in everyone for mount in one.volume_mounts}
        used |= {device.name for one in everyone for device in one.volume_devices}
        await asyncio.gather(*(self._make(scope, one) for one in scope.pod.spec.volumes if one.name in used))

    async def refresh(self, scope: Scope) -> None:
        """Bring files from API objects up to date."""
        for volume in scope.pod.spec.volumes:
            folder = scope.folder / "volumes" / volume.name
            if folder.is_symlink():
                if csi.FOLDER in folder.readlink().parts:
                    await places.place(scope, volume, folder)  # for drivers that want to be asked again
            elif folder.is_dir():
                await self._fill(scope, volume, folder)

    async def _make(self, scope: Scope, volume: Volume) -> None:
        own = scope.folder / "volumes" / volume.name
        try:
            if await self._fill(scope, volume, own):
                return
            path, grouped = await places.place(scope, volume, own)
            if path != own and not own.is_symlink():
                own.parent.mkdir(parents=True, exist_ok=True)
                own.symlink_to(path)
            group = _group(scope)
            if grouped and group is not None:
                context = scope.pod.spec.security_context
                sparing = context is not None and context.fs_group_change_policy == "OnRootMismatch"
                await places.give_group(path, group, only_on_mismatch=sparing)
        except (HookFault, OSError, ValueError, RuntimeFault) as error:
            reason = error.reason if isinstance(error, HookFault) and volume.image is not None else "ContainerCreating"
            raise HookFault(
                f'MountVolume.SetUp failed for volume "{volume.name}" : {error}', reason, "FailedMount"
            ) from error

    async def _fill(self, scope: Scope, volume: Volume, own: Path) -> bool:
        """Write the files of a volume made of API objects; answers whether it is one."""
        files = await payload.files(scope, volume, self._tokens, self._credentials)
        if files is None:
            return False
        _folder(own, in_memory=volume.config_map is None)
        atomic.write(own, files, _group(scope))
        return True

    async def container(self, scope: Scope, starting: Starting, config: ContainerConfig) -> ContainerConfig:
        """The container's mounts, in the order given."""
        values = dict(config.env)
        found = [
            _mount(scope, starting.spec.name, index, mount, values)
            for index, mount in enumerate(starting.spec.volume_mounts)
        ]
        devices = [
            Device(one.device_path, str(_source(scope, one.name).resolve())) for one in starting.spec.volume_devices
        ]
        return replace(config, mounts=(*config.mounts, *found), devices=(*config.devices, *devices))

    async def clear(self, scope: Scope) -> None:
        """Take all mounts away. What volumes really hold elsewhere is not touched."""
        await places.release(scope)
        mounts.unmount_below(scope.folder)
        uid = scope.pod.metadata.uid
        for key in [key for key in self._tokens if key[0] == uid]:
            del self._tokens[key]
        for place in [place for place in self._credentials if place[0] == uid]:
            del self._credentials[place]


def _folder(own: Path, *, in_memory: bool) -> None:
    """The folder that files from API objects are written to."""
    if not own.exists():
        own.mkdir(parents=True)
        own.chmod(0o777)
    if in_memory and not mounts.is_mount(own):
        mounts.tmpfs(own)


def _group(scope: Scope) -> int | None:
    context = scope.pod.spec.security_context
    return context.fs_group if context is not None else None


def _mount(scope: Scope, container: str, index: int, mount: VolumeMount, values: dict[str, str]) -> Mount:
    source = _source(scope, mount.name)
    part = expand(mount.sub_path_expr, values) if mount.sub_path_expr else mount.sub_path
    if part:
        source = _part(scope, source, part, f"{mount.name}/{container}/{index}")
    if not source.exists():
        raise HookFault(f'volume "{mount.name}" is not there', "CreateContainerError")
    path = mount.mount_path if mount.mount_path.startswith("/") else f"/{mount.mount_path}"
    propagation = _PROPAGATION.get(mount.mount_propagation or "", "private")
    if propagation == "bidirectional" and source.is_relative_to(scope.config.root):
        mounts.ensure_shared(source, scope.config.root)
    readonly = mount.read_only or _image(scope, mount.name)
    return Mount(path, str(source), readonly=readonly, propagation=propagation)  # type: ignore[arg-type] # from the table above


def _source(scope: Scope, name: str) -> Path:
    own = scope.folder / "volumes" / name
    return own.readlink() if own.is_symlink() else own


def _image(scope: Scope, name: str) -> bool:
    return any(one.name == name and one.image is not None for one in scope.pod.spec.volumes)


def _part(scope: Scope, source: Path, part: str, name: str) -> Path:
    """Bind a part of a volume to a place of its own, whatever links the volume holds."""
    target = scope.folder / "subpaths" / name
    if mounts.is_mount(target):
        mounts.unmount(target)  # an earlier run's: what the volume holds there may be another file by now
    if part.startswith("/") or "$(" in part:
        raise HookFault(f'subPath "{part}" must be a relative path', "CreateContainerConfigError")
    try:
        mounts.bind_beneath(source, part, target)
    except OSError as error:
        raise HookFault(f'failed to prepare subPath for volumeMount "{name}": {error}') from error
    return target
