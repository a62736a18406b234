"""Keeping the node clean: container logs are rotated, unused images go when the disk fills, leftovers of forgotten pods
go.

Looks every ten seconds, at images every five minutes; keeps the weight of the Burstable level of control groups.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from wherry.aio.clock import Clock
from wherry.api.types.core import Pod
from wherry.host import cgroups, mounts
from wherry.node import groups, machine
from wherry.node.config import AgentConfig
from wherry.node.facts import running
from wherry.node.observer import Seen
from wherry.node.runtime.interface import Container, Image, Runtime, RuntimeFault

log = logging.getLogger(__name__)

EVERY = 10.0
IMAGES_EVERY = 300.0
MIN_AGE = 120.0
"""Seconds an image stays at least after it was first seen or last used."""


class Housekeeping:
    """See the module."""

    def __init__(self, config: AgentConfig, runtime: Runtime, clock: Clock) -> None:
        self._config, self._runtime, self._clock = config, runtime, clock
        self.removed: Callable[[str], None] = lambda _: None
        """Told the id of every image that was removed."""
        self._levels: dict[str, cgroups.Limits] = {}
        self._used: dict[str, float] = {}
        """image id -> when it was last in use, or first seen (monotonic)"""

    async def run(self, seen: Callable[[], list[Seen]], pods: Callable[[], list[Pod]]) -> None:
        """Keep house for ever."""
        images_at = self._clock.monotonic() + IMAGES_EVERY
        while True:
            self.weigh(pods())
            await asyncio.sleep(EVERY)
            containers = [one for pod in seen() for one in pod.containers]
            try:
                await self.rotate_logs(one for one in containers if running(one))
                if self._clock.monotonic() >= images_at or self._disk_used() >= self._config.image_high:
                    images_at = self._clock.monotonic() + IMAGES_EVERY
                    await self.remove_images({one.image_id for one in containers})
            except (RuntimeFault, OSError) as error:
                log.info("housekeeping: %s", error)

    def weigh(self, pods: list[Pod]) -> None:
        """Set what all pods together may use, and the weights of the levels of service."""
        if cgroups.driver() == "systemd":
            return
        allocatable = machine.look(self._config).allocatable
        wanted = groups.weights(self._config.cgroups, allocatable["cpu"], allocatable["memory"], pods)
        for group, limits in wanted.items():
            if self._levels.get(group) != limits:
                try:
                    cgroups.create(group, limits)
                except OSError as error:
                    log.info("control group %s: %s", group, error)
                self._levels[group] = limits

    async def rotate_logs(self, containers: Iterable[Container]) -> None:
        """Begin a new file for every log that has grown too large; keep the newest few."""
        for one in containers:
            path = Path(one.log_path)
            if not one.log_path or _size(path) < self._config.log_bytes:
                continue
            old = path.with_name(f"{path.name}.{int(self._clock.now())}")
            os.replace(path, old)
            try:
                await self._runtime.reopen_log(one.id)
            except RuntimeFault:
                os.replace(old, path)
                raise
            kept = _rotated(path)
            _unlink(kept[: max(0, len(kept) - self._config.log_files + 1)])

    def _disk_used(self) -> float:
        usage = shutil.disk_usage(self._config.root)
        return 100.0 * (1 - usage.free / usage.total)

    async def remove_images(self, in_use: set[str], *, everything: bool = False) -> None:
        """When the disk is fuller than `image_high` percent: remove unused images, oldest use first, to `image_low`;
        `everything`: all of them, at once."""
        now = self._clock.monotonic()
        images = await self._runtime.images()
        for image in images:
            if image.id in in_use or image.id not in self._used:
                self._used[image.id] = now
        self._used = {one.id: self._used[one.id] for one in images}
        if not everything and self._disk_used() < self._config.image_high:
            return
        for image in sorted(images, key=lambda one: self._used[one.id]):
            if not everything and self._disk_used() < self._config.image_low:
                return
            if self._removable(image, in_use, now):
                log.info("removing unused image %s", image.tags or image.id)
                await self._runtime.remove_image(image.id)
                self.removed(image.id)

    def _removable(self, image: Image, in_use: set[str], now: float) -> bool:
        ours = image.pinned or any(tag.startswith("wherry.local/") for tag in image.tags)
        return not ours and image.id not in in_use and now - self._used[image.id] >= MIN_AGE

    async def remove_orphans(self, known: set[str]) -> None:
        """Remove folders and control groups of pods that are not among the known uids."""
        for folder in _folders(self._config.pods):
            if folder.name in known:
                continue
            log.info("removing what pod %s left", folder.name)
            for path in mounts.mounted_below(folder / "volumes"):
                await self._runtime.unmount_image(str(path))  # if that is what it is
            mounts.unmount_below(folder)
            if not mounts.mounted_below(folder):
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            for group in groups.everywhere(self._config, folder.name):
                cgroups.remove(group)
        for folder in _folders(self._config.logs):
            if folder.name.rpartition("_")[2] not in known:
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _rotated(path: Path) -> list[Path]:
    """Older files of a log, oldest first."""
    return sorted(path.parent.glob(f"{path.name}.*"))


def _unlink(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _folders(parent: Path) -> list[Path]:
    return [one for one in parent.iterdir() if one.is_dir() and not one.is_symlink()]
