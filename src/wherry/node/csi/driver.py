"""Driver: one storage driver on this node, over its socket. Paths are told in its own words.

Drivers know the node's folder as /var/lib/kubelet: that is where their manifests mount it. Pods' hostPath volumes below
it are shown this node's root (volumes/places.py), and every path in a request is translated the same way, so drivers
work unchanged and several nodes live on one machine.
https://github.com/container-storage-interface/spec/blob/master/spec.md#node-service-rpc
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from wherry.node.csi import wire

USUAL = Path("/var/lib/kubelet")
"""Where upstream's agent keeps what wherry keeps in the node's root."""
STAGE, STATS, EXPAND, GROUP = 1, 2, 3, 6
"""Capabilities of a node service: staging, NodeGetVolumeStats, NodeExpandVolume, volume_mount_group."""
SECONDS = 120.0


class DriverFault(Exception):
    """A driver refused or failed; the text is upstream's form of a gRPC error."""


def inside(root: Path, path: str) -> str:
    """A path of this node as drivers know it."""
    return str(USUAL / Path(path).relative_to(root)) if Path(path).is_relative_to(root) else path


def outside(root: Path, path: str) -> str:
    """A path that a driver or a manifest names, as it is on this machine."""
    if root == USUAL or USUAL.is_dir() or not Path(path).is_relative_to(USUAL):
        return path
    return str(root / Path(path).relative_to(USUAL))


@dataclass(slots=True)
class Driver:
    """See the module. `capabilities` is asked for once."""

    name: str
    socket: str
    root: Path
    _capabilities: frozenset[int] | None = field(default=None)

    async def can(self, capability: int) -> bool:
        """Whether it has a capability. Raises DriverFault."""
        if self._capabilities is None:
            answer = await self.call("NodeGetCapabilities", {}, answer="NodeGetCapabilitiesResponse")
            self._capabilities = frozenset(one["rpc"]["type"] for one in answer["capabilities"] if one["rpc"])
        return capability in self._capabilities

    async def info(self) -> dict[str, Any]:
        """NodeGetInfo. Raises DriverFault."""
        return await self.call("NodeGetInfo", {}, answer="NodeGetInfoResponse")

    async def call(self, method: str, request: Mapping[str, Any], *, answer: str = "Empty") -> dict[str, Any]:
        """A call of the node service; paths are translated. Raises DriverFault."""
        told = {
            name: inside(self.root, value) if name.endswith("_path") and isinstance(value, str) else value
            for name, value in request.items()
        }
        body = wire.encode(f"{method}Request" if request else "Empty", told)
        data = await invoke(self.socket, f"/csi.v1.Node/{method}", body)
        return wire.decode(answer, data)


async def invoke(socket: str, method: str, body: bytes) -> bytes:
    """One call over a Unix socket. Raises DriverFault."""
    async with grpc.aio.insecure_channel(f"unix://{socket}") as channel:
        call = channel.unary_unary(method, request_serializer=bytes, response_deserializer=bytes)
        try:
            return bytes(await call(body, timeout=SECONDS))
        except grpc.aio.AioRpcError as error:
            code = "".join(word.title() for word in error.code().name.split("_"))
            raise DriverFault(f"rpc error: code = {code} desc = {error.details()}") from error
