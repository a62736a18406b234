"""Folders of this node that are persistent volumes: made when first used, removed when the API asks for it.

The other half is `wherry.controllers.localprovisioner`; between them stand annotations of this Node:
`wherry.dev/volumes` says where the folders lie, `remove.volumes.wherry.dev/<volume>` is `asked` by the controller when
a volume has been deleted, and answered with `done` when its folder is gone.
Invariant: only folders directly under `<root>/volumes` whose name is a provisioned volume's are ever removed.
"""

from __future__ import annotations

import asyncio
import logging
import re
import shutil
from pathlib import Path

from wherry.aio.clock import Clock
from wherry.api.core.node import NODE
from wherry.api.types.core import Node, PersistentVolume
from wherry.client.interface import Client, Select
from wherry.machinery.meta import Key
from wherry.node.config import AgentConfig
from wherry.node.hooks.hook import HookFault

log = logging.getLogger(__name__)

PROVISIONED_BY, PROVISIONER = "pv.kubernetes.io/provisioned-by", "wherry.dev/local"
FOLDER, REMOVE = "wherry.dev/volumes", "remove.volumes.wherry.dev/"
ASKED, DONE = "asked", "done"
AGAIN = 20.0
"""Seconds until a folder that could not be removed is tried again."""

_NAME = re.compile(r"pvc-[0-9a-z-]{1,59}", re.ASCII)


def folder(config: AgentConfig) -> Path:
    """Where this node's volumes lie."""
    return config.root / "volumes"


def prepare(config: AgentConfig, volume: PersistentVolume) -> None:
    """Make the folder of a volume that was provisioned for this node. Raises HookFault if it is not ours."""
    if volume.metadata.annotations.get(PROVISIONED_BY) != PROVISIONER or volume.spec.local is None:
        return
    own = folder(config) / volume.metadata.name
    if Path(volume.spec.local.path) != own or not _NAME.fullmatch(volume.metadata.name):
        raise HookFault(f'volume "{volume.metadata.name}" does not lie on this node', event="FailedMount")
    own.parent.mkdir(parents=True, exist_ok=True, mode=0o711)
    if not own.exists():
        own.mkdir()
        own.chmod(0o777)


class LocalVolumes:
    """Says where the folders lie, and removes those that are asked for. Run it beside the agent's other parts."""

    def __init__(self, config: AgentConfig, client: Client, clock: Clock) -> None:
        self._config, self._client, self._clock = config, client, clock
        self._node = Key("", config.name)

    async def run(self) -> None:
        """Follow this Node. Raises APIError or OSError when something has to be tried again from the start."""
        async for event in self._client.watch(NODE, Select(fields=f"metadata.name={self._config.name}")):
            if event.obj is not None and event.type != "DELETED":
                await self._look(event.obj)

    async def _look(self, node: Node) -> None:
        answers: dict[str, str] = {}
        failed: list[str] = []
        where = str(folder(self._config))
        if node.metadata.annotations.get(FOLDER) != where:
            answers[FOLDER] = where
        for annotation, value in node.metadata.annotations.items():
            name = annotation.removeprefix(REMOVE)
            if name != annotation and value == ASKED:
                if await self._remove(name):
                    answers[annotation] = DONE
                else:
                    failed.append(name)
        if answers:
            await self._client.patch(NODE, self._node, {"metadata": {"annotations": answers}})
        if failed:
            await asyncio.sleep(AGAIN)
            raise OSError(f"volumes that could not be removed: {', '.join(failed)}")

    async def _remove(self, name: str) -> bool:
        """Whether the folder is gone."""
        own = folder(self._config) / name
        if not _NAME.fullmatch(name):
            log.warning("asked to remove volume %r, which is no volume of ours", name)
            return False
        if own.is_symlink() or not own.exists():
            return not own.is_symlink()
        log.info("removing the data of volume %s", name)
        try:
            await asyncio.to_thread(shutil.rmtree, own)
        except OSError as error:
            log.warning("volume %s: %s", name, error)
        return not own.exists()
