"""Volumes of storage drivers in a pod's life: wait for attachment, stage once per node, publish per pod, and back.

What has been published is written down beside it (`vol_data.json`), so a later agent takes it away with nothing else
known. Layout as drivers expect it: `<pod>/volumes/kubernetes.io~csi/<volume>/mount`, staging below
`<root>/plugins/kubernetes.io/csi`. A volume is unstaged when the last pod of this node has let go of it.
https://github.com/kubernetes/design-proposals-archive/blob/main/storage/container-storage-interface.md
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wherry.api.core.secret import SECRET
from wherry.api.core.serviceaccount import SERVICEACCOUNT
from wherry.api.storage.csidriver import CSIDRIVER
from wherry.api.storage.volumeattachment import VOLUMEATTACHMENT
from wherry.api.types.core import PersistentVolume, Volume
from wherry.api.types.storage import CSIDriver
from wherry.host import mounts
from wherry.machinery.errors import APIError, NotFound
from wherry.machinery.meta import Key
from wherry.node.config import AgentConfig
from wherry.node.csi.driver import GROUP, STAGE, Driver, DriverFault
from wherry.node.csi.plugins import Plugins
from wherry.node.hooks.hook import HookFault, Scope

log = logging.getLogger(__name__)

DATA = "vol_data.json"
FOLDER = "kubernetes.io~csi"
PREFIX = "csi.storage.k8s.io"
SINGLE_MULTI = 5
"""Capability SINGLE_NODE_MULTI_WRITER: the driver tells one pod from several on a node."""
_MODES = {"ReadWriteOnce": 1, "ReadOnlyMany": 3, "ReadWriteMany": 5, "ReadWriteOncePod": 1}
_FINE_MODES = {"ReadWriteOnce": 7, "ReadWriteOncePod": 6}


@dataclass(frozen=True, slots=True)
class Wanted:
    """One volume as a driver is asked for it. Secrets are (namespace, name) or None."""

    name: str
    driver: str
    handle: str
    fs_type: str = ""
    mode: str = "ReadWriteOnce"
    read_only: bool = False
    block: bool = False
    ephemeral: bool = False
    options: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    stage_secret: tuple[str, str] | None = None
    publish_secret: tuple[str, str] | None = None


def persistent(volume: PersistentVolume) -> Wanted:
    """What a persistent volume of a driver asks for."""
    spec, source = volume.spec, volume.spec.csi
    assert source is not None
    stage, publish = source.node_stage_secret_ref, source.node_publish_secret_ref
    return Wanted(
        name=volume.metadata.name, driver=source.driver, handle=source.volume_handle, fs_type=source.fs_type,
        mode=spec.access_modes[0] if spec.access_modes else "ReadWriteOnce", read_only=source.read_only,
        block=spec.volume_mode == "Block", options=spec.mount_options, attributes=source.volume_attributes,
        stage_secret=(stage.namespace, stage.name) if stage else None,
        publish_secret=(publish.namespace, publish.name) if publish else None,
    )  # fmt: skip


def inline(scope: Scope, volume: Volume) -> Wanted:
    """What a volume that lives and dies with the pod asks for."""
    source = volume.csi
    assert source is not None
    uid, namespace = scope.pod.metadata.uid, scope.pod.metadata.namespace
    digest = hashlib.sha256(f"{namespace}{uid}{volume.name}".encode()).hexdigest()
    secret = source.node_publish_secret_ref
    return Wanted(
        name=volume.name, driver=source.driver, handle=f"csi-{digest}", fs_type=source.fs_type or "",
        read_only=bool(source.read_only), ephemeral=True, attributes=source.volume_attributes,
        publish_secret=(namespace, secret.name) if secret else None,
    )  # fmt: skip


async def mount(scope: Scope, wanted: Wanted) -> tuple[Path, bool]:
    """(where the volume is, whether the agent gives files to fsGroup). Raises HookFault while it cannot be had."""
    driver = scope.plugins.get(wanted.driver) if scope.plugins else None
    if driver is None:
        text = f"driver name {wanted.driver} not found in the list of registered CSI drivers"
        raise HookFault(text, event="FailedMount")
    try:
        declared = await _declared(scope, wanted.driver)
        return await _mount(scope, wanted, driver, declared)
    except (DriverFault, APIError) as error:
        raise HookFault(f"{error}", event="FailedMount") from error


async def _mount(scope: Scope, wanted: Wanted, driver: Driver, declared: CSIDriver | None) -> tuple[Path, bool]:
    own = scope.folder / "volumes" / FOLDER / wanted.name
    target = own / "mount" if not wanted.block else _devices(scope.config) / "publish" / wanted.name / _uid(scope)
    grouped = _grouped(wanted, declared)
    group = _group(scope) if grouped and await driver.can(GROUP) else None
    fresh = declared is not None and bool(declared.spec.requires_republish)
    if not (own / DATA).exists() or fresh or not mounts.is_mount(target):
        context = await _attached(scope, wanted, declared)
        capability = await _capability(driver, wanted, group)
        stage = await _stage(scope, wanted, driver, context, capability)
        _write(own, {"driverName": wanted.driver, "volumeHandle": wanted.handle, "target": str(target), "stage": stage})
        await asyncio.to_thread(target.parent.mkdir, parents=True, exist_ok=True)
        extra, secrets = await _about_pod(scope, wanted, declared)
        request = {
            "volume_id": wanted.handle, "publish_context": context, "target_path": str(target),
            "volume_capability": capability, "readonly": wanted.read_only,
            "volume_context": {**wanted.attributes, **extra},
            "secrets": {**await _secret(scope, wanted.publish_secret), **secrets},
        }  # fmt: skip
        await driver.call("NodePublishVolume", request | ({"staging_target_path": stage} if stage else {}))
    return target, grouped and group is None and not wanted.block and not wanted.read_only


def _uid(scope: Scope) -> str:
    return scope.pod.metadata.uid


def _group(scope: Scope) -> int | None:
    context = scope.pod.spec.security_context
    return context.fs_group if context else None


def _grouped(wanted: Wanted, declared: CSIDriver | None) -> bool:
    """Whether the driver wants files given to fsGroup."""
    policy = (declared.spec.fs_group_policy if declared else None) or "ReadWriteOnceWithFSType"
    if policy == "ReadWriteOnceWithFSType":
        return bool(wanted.fs_type) and wanted.mode in ("ReadWriteOnce", "ReadWriteOncePod")
    return policy == "File"


async def _declared(scope: Scope, name: str) -> CSIDriver | None:
    try:
        return await scope.client.get(CSIDRIVER, Key("", name))
    except NotFound:
        return None


async def _attached(scope: Scope, wanted: Wanted, declared: CSIDriver | None) -> dict[str, str]:
    """What the driver's controller said when it attached the volume to this node. Raises HookFault while it has not."""
    if wanted.ephemeral or (declared is not None and declared.spec.attach_required is False):
        return {}
    digest = hashlib.sha256(f"{wanted.handle}{wanted.driver}{scope.config.name}".encode()).hexdigest()
    try:
        found = await scope.client.get(VOLUMEATTACHMENT, Key("", f"csi-{digest}"))
    except NotFound:
        raise HookFault(f"volume attachment is not there: csi-{digest}", event="FailedAttachVolume") from None
    if not found.status.attached:
        error = found.status.attach_error
        raise HookFault(error.message if error else "volume is not attached yet", event="FailedAttachVolume")
    return dict(found.status.attachment_metadata)


async def _capability(driver: Driver, wanted: Wanted, group: int | None) -> dict[str, Any]:
    mode = _MODES.get(wanted.mode, 1)
    if wanted.mode in _FINE_MODES and await driver.can(SINGLE_MULTI):
        mode = _FINE_MODES[wanted.mode]
    if wanted.block:
        return {"block": {}, "access_mode": {"mode": mode}}
    kind = {
        "fs_type": wanted.fs_type, "mount_flags": list(wanted.options),
        "volume_mount_group": "" if group is None else str(group),
    }  # fmt: skip
    return {"mount": kind, "access_mode": {"mode": mode}}


def _devices(config: AgentConfig) -> Path:
    return config.root / "plugins/kubernetes.io/csi/volumeDevices"


async def _stage(
    scope: Scope, wanted: Wanted, driver: Driver, context: dict[str, str], capability: dict[str, Any]
) -> str:
    """Make the volume ready on this node, once for all pods; the staging path, "" if the driver stages nothing."""
    if wanted.ephemeral or not await driver.can(STAGE):
        return ""
    if wanted.block:
        path = _devices(scope.config) / "staging" / wanted.name
    else:
        digest = hashlib.sha256(wanted.handle.encode()).hexdigest()
        path = scope.config.root / "plugins/kubernetes.io/csi" / wanted.driver / digest / "globalmount"
    await asyncio.to_thread(path.mkdir, mode=0o750, parents=True, exist_ok=True)
    request = {
        "volume_id": wanted.handle, "publish_context": context, "staging_target_path": str(path),
        "volume_capability": capability, "volume_context": dict(wanted.attributes),
        "secrets": await _secret(scope, wanted.stage_secret),
    }  # fmt: skip
    await driver.call("NodeStageVolume", request)
    return str(path)


async def _secret(scope: Scope, place: tuple[str, str] | None) -> dict[str, str]:
    if place is None:
        return {}
    held = await scope.client.get(SECRET, Key(*place))
    return {key: value.decode("utf-8", "replace") for key, value in held.data.items()}


async def _about_pod(scope: Scope, wanted: Wanted, declared: CSIDriver | None) -> tuple[dict[str, str], dict[str, str]]:
    """(volume context, secrets): who the pod is and tokens of its account, for drivers that want to know."""
    context: dict[str, str] = {}
    if declared is None:
        return context, {}
    meta, spec = scope.pod.metadata, scope.pod.spec
    account = spec.service_account_name or "default"
    if declared.spec.pod_info_on_mount:
        context = {
            f"{PREFIX}/pod.name": meta.name, f"{PREFIX}/pod.namespace": meta.namespace, f"{PREFIX}/pod.uid": meta.uid,
            f"{PREFIX}/serviceAccount.name": account, f"{PREFIX}/ephemeral": "true" if wanted.ephemeral else "false",
        }  # fmt: skip
    tokens: dict[str, Any] = {}
    for one in declared.spec.token_requests:
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {
                "audiences": [one.audience] if one.audience else [],
                "expirationSeconds": one.expiration_seconds or 3600,
                "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": meta.name, "uid": meta.uid},
            },
        }
        answer = await scope.client.call(SERVICEACCOUNT, Key(meta.namespace, account), "token", request)
        status = answer["status"]
        tokens[one.audience] = {"token": status["token"], "expirationTimestamp": status["expirationTimestamp"]}
    if not tokens:
        return context, {}
    text = {f"{PREFIX}/serviceAccount.tokens": json.dumps(tokens)}
    return (context, text) if declared.spec.service_account_token_in_secrets else (context | text, {})


def _write(own: Path, data: Mapping[str, str]) -> None:
    own.mkdir(mode=0o750, parents=True, exist_ok=True)
    temporary = own / f"{DATA}.new"
    temporary.write_text(json.dumps(data))
    temporary.rename(own / DATA)


async def release(config: AgentConfig, plugins: Plugins | None, folder: Path) -> None:
    """Take away every volume of drivers below a pod's folder. Raises OSError: it is tried again."""
    for path in sorted((folder / "volumes" / FOLDER).glob(f"*/{DATA}")):
        data = json.loads(path.read_text())
        driver = plugins.get(data["driverName"]) if plugins else None
        if driver is None:
            raise OSError(f"driver name {data['driverName']} not found in the list of registered CSI drivers")
        try:
            what = {"volume_id": data["volumeHandle"]}
            await driver.call("NodeUnpublishVolume", what | {"target_path": data["target"]})
            path.unlink()
            if data["stage"] and not _used_elsewhere(config, data):
                await driver.call("NodeUnstageVolume", what | {"staging_target_path": data["stage"]})
                await asyncio.to_thread(_remove, Path(data["stage"]))
        except DriverFault as fault:
            raise OSError(str(fault)) from fault
        await asyncio.to_thread(_remove, path.parent)


def in_use(config: AgentConfig) -> tuple[str, ...]:
    """The volumes of drivers that this node holds, by the names that `status.volumesInUse` has."""
    found = set()
    for path in config.pods.glob(f"*/volumes/{FOLDER}/*/{DATA}"):
        try:
            data = json.loads(path.read_text())
        except (OSError, ValueError):
            continue  # it goes this moment
        found.add(f"kubernetes.io/csi/{data['driverName']}^{data['volumeHandle']}")
    return tuple(sorted(found))


def _used_elsewhere(config: AgentConfig, data: Mapping[str, str]) -> bool:
    for path in config.pods.glob(f"*/volumes/{FOLDER}/*/{DATA}"):
        other = json.loads(path.read_text())
        if (other["driverName"], other["volumeHandle"]) == (data["driverName"], data["volumeHandle"]):
            return True
    return False


def _remove(path: Path) -> None:
    """An empty place: never what lies in a volume that is still mounted there."""
    if not mounts.mounted_below(path):
        shutil.rmtree(path, ignore_errors=True)
