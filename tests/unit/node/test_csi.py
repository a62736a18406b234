"""Storage drivers: registration by socket, what a driver is asked and in which words, and the way back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from tests.support.fakeapi import FakeAPI
from tests.unit.node.pods import pod
from wherry.aio.clock import SystemClock
from wherry.api.core.node import NODE
from wherry.api.core.secret import SECRET
from wherry.api.storage.csidriver import CSIDRIVER
from wherry.api.storage.csinode import CSINODE
from wherry.api.storage.volumeattachment import VOLUMEATTACHMENT
from wherry.api.types.core import Node, PersistentVolume, Secret, Volume
from wherry.api.types.storage import CSIDriver, VolumeAttachment
from wherry.machinery.codec import from_dict
from wherry.machinery.meta import Key, ObjectMeta
from wherry.node.config import AgentConfig
from wherry.node.csi import volumes as csi
from wherry.node.csi import wire
from wherry.node.csi.driver import inside, outside
from wherry.node.csi.plugins import Plugins
from wherry.node.hooks.hook import HookFault, Machine, Scope

pytestmark = pytest.mark.looptime(False)


class _NoServices:
    def of(self, namespace: str) -> tuple[()]:
        """None."""
        return ()


@dataclass(slots=True)
class FakeDriver:
    """A driver that notes what it is asked. Its endpoint is named as inside its own container."""

    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    capabilities: tuple[int, ...] = (1,)

    def service(self, call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        """Any method of it."""
        name = call.method.rsplit("/", 1)[1]

        async def answer(request: bytes, _: Any) -> bytes:
            return self._answer(name, request)

        return grpc.unary_unary_rpc_method_handler(answer)

    def _answer(self, name: str, request: bytes) -> bytes:
        match name:
            case "GetInfo":
                info = {"type": "CSIPlugin", "name": "d.example", "supported_versions": ["1.0.0"]}
                return wire.encode("PluginInfo", info | {"endpoint": "/var/lib/kubelet/plugins/d/csi.sock"})
            case "NodeGetInfo":
                topology = {"segments": {"topology.d/zone": "z1"}}
                body = {"node_id": "id-1", "max_volumes_per_node": 5, "accessible_topology": topology}
                return wire.encode("NodeGetInfoResponse", body)
            case "NodeGetCapabilities":
                return wire.encode(
                    "NodeGetCapabilitiesResponse", {"capabilities": [{"rpc": {"type": n}} for n in self.capabilities]}
                )
            case "NotifyRegistrationStatus":
                self.asked.append((name, wire.decode("RegistrationStatus", request)))
            case _:
                self.asked.append((name, wire.decode(f"{name}Request", request)))
        return b""


class _Any(grpc.GenericRpcHandler):  # type: ignore[type-arg] # it is generic in the stubs only
    def __init__(self, driver: FakeDriver) -> None:
        self._driver = driver

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """Every method."""
        return self._driver.service(handler_call_details)


@asynccontextmanager
async def _running(driver: FakeDriver, root: Path) -> AsyncIterator[Path]:
    registration = root / "plugins_registry" / "d-reg.sock"
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_Any(driver),))
    for path in (registration, root / "plugins" / "d" / "csi.sock"):
        path.parent.mkdir(parents=True, exist_ok=True)
        server.add_insecure_port(f"unix://{path}")
    await server.start()
    try:
        yield registration
    finally:
        await server.stop(0)


async def _node(root: Path) -> tuple[FakeAPI, Plugins, Scope]:
    api = FakeAPI()
    await api.create(NODE, Node(metadata=ObjectMeta(name="n1")))
    config = AgentConfig("n1", root, root, ("192.0.2.1",))
    plugins = Plugins(config, api)
    one = pod(securityContext={"fsGroup": 7}, serviceAccountName="sa")
    scope = Scope(one, config, api, SystemClock(), Machine(1, 1), _NoServices(), plugins=plugins)
    scope.folder.mkdir(parents=True)
    return api, plugins, scope


def test_paths_are_the_ones_that_manifests_of_drivers_know(tmp_path: Path) -> None:
    assert inside(tmp_path, f"{tmp_path}/pods/u/x") == "/var/lib/kubelet/pods/u/x"
    assert outside(tmp_path, "/var/lib/kubelet/plugins/d") == f"{tmp_path}/plugins/d"
    assert (inside(tmp_path, "/etc"), outside(tmp_path, "/etc")) == ("/etc", "/etc")


async def test_a_driver_comes_is_told_and_goes(tmp_path: Path) -> None:
    api, plugins, _ = await _node(tmp_path)
    driver = FakeDriver()
    async with _running(driver, tmp_path) as registration:
        await plugins.look()
        assert driver.asked == [("NotifyRegistrationStatus", {"plugin_registered": True, "error": ""})]
        (listed,) = (await api.get(CSINODE, Key("", "n1"))).spec.drivers
        assert (listed.name, listed.node_id, listed.topology_keys) == ("d.example", "id-1", ("topology.d/zone",))
        assert listed.allocatable is not None
        assert listed.allocatable.count == 5
        assert (await api.get(NODE, Key("", "n1"))).metadata.labels["topology.d/zone"] == "z1"
        await plugins.look()
        assert len(driver.asked) == 1
    registration.unlink(missing_ok=True)
    await plugins.look()
    assert plugins.get("d.example") is None
    assert (await api.get(CSINODE, Key("", "n1"))).spec.drivers == ()


async def test_a_volume_is_attached_staged_published_and_let_go(tmp_path: Path) -> None:
    api, plugins, scope = await _node(tmp_path)
    await api.create(SECRET, Secret(metadata=ObjectMeta(name="s", namespace="x"), data={"k": b"v"}))
    spec = {
        "accessModes": ["ReadWriteOnce"], "mountOptions": ["noatime"],
        "csi": {"driver": "d.example", "volumeHandle": "h1", "fsType": "ext4", "volumeAttributes": {"a": "b"},
                "nodeStageSecretRef": {"namespace": "x", "name": "s"}},
    }  # fmt: skip
    wanted = csi.persistent(from_dict(PersistentVolume, {"metadata": {"name": "pv1"}, "spec": spec}))
    driver = FakeDriver()
    async with _running(driver, tmp_path):
        with pytest.raises(HookFault, match=r"driver name d\.example not found in the list of registered CSI drivers"):
            await csi.mount(scope, wanted)
        await plugins.look()
        driver.asked.clear()
        with pytest.raises(HookFault, match=r"volume attachment is not there: (csi-[0-9a-f]{64})") as caught:
            await csi.mount(scope, wanted)
        name = str(caught.value).rpartition(" ")[2]
        body = {"metadata": {"name": name}, "status": {"attached": True, "attachmentMetadata": {"dev": "sdz"}}}
        await api.create(VOLUMEATTACHMENT, from_dict(VolumeAttachment, body))
        path, grouped = await csi.mount(scope, wanted)
        assert path == scope.folder / "volumes/kubernetes.io~csi/pv1/mount"
        assert grouped
        (_, stage), (_, publish) = driver.asked
        assert stage["secrets"] == {"k": "v"}
        assert stage["staging_target_path"].startswith("/var/lib/kubelet/plugins/kubernetes.io/csi/d.example/")
        assert publish["publish_context"] == {"dev": "sdz"}
        assert publish["target_path"] == "/var/lib/kubelet/pods/u/volumes/kubernetes.io~csi/pv1/mount"
        kind = publish["volume_capability"]
        assert (kind["mount"]["fs_type"], kind["mount"]["mount_flags"]) == ("ext4", ["noatime"])
        assert kind["access_mode"]["mode"] == 1
        driver.asked.clear()
        await csi.release(scope.config, plugins, scope.folder)
        assert [name for name, _ in driver.asked] == ["NodeUnpublishVolume", "NodeUnstageVolume"]
        assert not (scope.folder / "volumes/kubernetes.io~csi/pv1").exists()


async def test_an_inline_volume_knows_its_pod(tmp_path: Path) -> None:
    api, plugins, scope = await _node(tmp_path)
    body = {"metadata": {"name": "d.example"}, "spec": {"podInfoOnMount": True, "fsGroupPolicy": "File"}}
    await api.create(CSIDRIVER, from_dict(CSIDriver, body))
    driver = FakeDriver(capabilities=(1, 6))
    async with _running(driver, tmp_path):
        await plugins.look()
        driver.asked.clear()
        volume = from_dict(Volume, {"name": "v", "csi": {"driver": "d.example"}})
        _, grouped = await csi.mount(scope, csi.inline(scope, volume))
        assert not grouped  # the driver does it
        ((name, publish),) = driver.asked
        assert name == "NodePublishVolume"
        assert publish["volume_capability"]["mount"]["volume_mount_group"] == "7"
        context = publish["volume_context"]
        assert context["csi.storage.k8s.io/serviceAccount.name"] == "sa"
        assert context["csi.storage.k8s.io/ephemeral"] == "true"
    with pytest.raises(OSError, match="rpc error"):
        await csi.release(scope.config, plugins, scope.folder)
