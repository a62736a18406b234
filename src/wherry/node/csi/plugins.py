"""Plugins: which storage drivers this node has. They register by a socket in `<root>/plugins_registry`.

Writes CSINode (this node's) and the node's topology labels; looks at the folder every second. A driver whose socket
goes away is taken out of CSINode again. Upstream registers the same way, so node-driver-registrar works unchanged.
https://github.com/kubernetes/enhancements/tree/master/keps/sig-node/3721-plugin-watcher
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wherry.api.core.node import NODE
from wherry.api.storage.csinode import CSINODE
from wherry.api.types.storage import CSINode, CSINodeDriver, CSINodeSpec, VolumeNodeResources
from wherry.client.interface import Client
from wherry.machinery.codec import to_dict
from wherry.machinery.errors import AlreadyExists, APIError, NotFound
from wherry.machinery.meta import Key, ObjectMeta, OwnerReference
from wherry.node.config import AgentConfig
from wherry.node.csi import wire
from wherry.node.csi.driver import Driver, DriverFault, invoke, outside

log = logging.getLogger(__name__)

EVERY = 1.0
AGAIN = 10.0
"""Seconds until a plugin that could not be registered is asked again."""


@dataclass(slots=True)
class Plugins:
    """See the module."""

    config: AgentConfig
    client: Client
    _drivers: dict[str, Driver] = field(default_factory=dict)
    _sockets: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Registration socket -> (inode, driver's name; "" for a plugin of another type or one that failed)"""
    _wait: dict[str, float] = field(default_factory=dict)

    def get(self, name: str) -> Driver | None:
        """A registered driver."""
        return self._drivers.get(name)

    @property
    def folder(self) -> Path:
        """Where plugins put their registration sockets."""
        return self.config.root / "plugins_registry"

    async def run(self) -> None:
        """Look for ever."""
        await asyncio.to_thread(self.folder.mkdir, parents=True, exist_ok=True)
        await asyncio.to_thread((self.config.root / "plugins").mkdir, parents=True, exist_ok=True)
        with contextlib.suppress(APIError, OSError):  # made later, with the first driver
            await self._make()
        while True:
            await self.look()
            await asyncio.sleep(EVERY)

    async def look(self) -> None:
        """Take in what came and went."""
        found = {str(path): path.stat().st_ino for path in self._sockets_there()}
        for path in [path for path, (inode, _) in self._sockets.items() if found.get(path) != inode]:
            _, name = self._sockets.pop(path)
            if name and not any(other == name for _, other in self._sockets.values()):
                self._drivers.pop(name, None)
                await self._forget(name)
        loop = asyncio.get_running_loop()
        for path, inode in found.items():
            if path in self._sockets or self._wait.get(path, 0.0) > loop.time():
                continue
            try:
                self._sockets[path] = (inode, await self._register(path))
            except (DriverFault, APIError, OSError, TimeoutError) as error:
                log.warning("the plugin at %s cannot be registered: %s", path, error)
                self._wait[path] = loop.time() + AGAIN

    def _sockets_there(self) -> list[Path]:
        paths = [path for path in self.folder.rglob("*") if not path.name.startswith(".")]
        return [path for path in paths if stat.S_ISSOCK(path.lstat().st_mode)]

    async def _register(self, path: str) -> str:
        """Ask who is there; the name of the driver, "" for other kinds of plugins."""
        answer = await invoke(path, "/pluginregistration.Registration/GetInfo", b"")
        info = wire.decode("PluginInfo", answer)
        if info["type"] != "CSIPlugin":
            log.info("plugin %s of type %s is not supported", info["name"], info["type"])
            await self._notify(path, f"plugins of type {info['type']} are not supported")
            return ""
        try:
            if not any(one.lstrip("v").startswith("1.") for one in info["supported_versions"]):
                raise DriverFault(f"none of the versions {info['supported_versions']} is supported")
            driver = Driver(info["name"], outside(self.config.root, info["endpoint"] or path), self.config.root)
            await self._announce(driver)
        except DriverFault as fault:
            await self._notify(path, str(fault))
            raise
        self._drivers[driver.name] = driver
        log.info("storage driver %s is registered", driver.name)
        await self._notify(path, "")
        return driver.name

    async def _notify(self, path: str, error: str) -> None:
        body = wire.encode("RegistrationStatus", {"plugin_registered": not error, "error": error})
        await invoke(path, "/pluginregistration.Registration/NotifyRegistrationStatus", body)

    async def _announce(self, driver: Driver) -> None:
        info = await driver.info()
        segments: dict[str, str] = (info["accessible_topology"] or {}).get("segments", {})
        most = info["max_volumes_per_node"]
        own = CSINodeDriver(
            name=driver.name, node_id=info["node_id"], topology_keys=tuple(sorted(segments)),
            allocatable=VolumeNodeResources(count=most) if most > 0 else None,
        )  # fmt: skip
        if segments:
            await self.client.patch(NODE, Key("", self.config.name), {"metadata": {"labels": segments}})
        await self._write(driver.name, own)

    async def _forget(self, name: str) -> None:
        try:
            await self._write(name, None)
        except (APIError, OSError) as error:
            log.warning("CSINode cannot be changed: %s", error)

    async def _write(self, name: str, driver: CSINodeDriver | None) -> None:
        key = Key("", self.config.name)
        try:
            held = await self.client.get(CSINODE, key)
        except NotFound:
            held = await self._make()
        others = tuple(one for one in held.spec.drivers if one.name != name)
        wanted = (*others, driver) if driver is not None else others
        if wanted != held.spec.drivers:
            version = held.metadata.resource_version
            body: dict[str, Any] = {"metadata": {"resourceVersion": version}, "spec": to_dict(CSINodeSpec(wanted))}
            await self.client.patch(CSINODE, key, body)

    async def _make(self) -> CSINode:
        node = await self.client.get(NODE, Key("", self.config.name))
        owner = OwnerReference(api_version="v1", kind="Node", name=node.metadata.name, uid=node.metadata.uid)
        made = CSINode(metadata=ObjectMeta(name=self.config.name, owner_references=(owner,)), spec=CSINodeSpec())
        try:
            return await self.client.create(CSINODE, made)
        except AlreadyExists:
            return await self.client.get(CSINODE, Key("", self.config.name))
