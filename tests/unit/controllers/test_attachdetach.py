"""Attachments of volumes to nodes: made for pods, kept until the node has let go, one at a time for one writer."""

from __future__ import annotations

from typing import Any

import msgspec

from tests.support.view import FakeView
from wherry.api.core.node import NODE
from wherry.api.core.persistentvolume import PERSISTENTVOLUME
from wherry.api.core.pod import POD
from wherry.api.storage.csidriver import CSIDRIVER
from wherry.api.storage.volumeattachment import VOLUMEATTACHMENT
from wherry.api.types.core import Node, PersistentVolume, Pod
from wherry.api.types.storage import CSIDriver, VolumeAttachment
from wherry.controllers import attachdetach
from wherry.machinery.codec import from_dict
from wherry.machinery.meta import Key
from wherry.reconcile.actions import Action, Create, Delete, Emit

PV = Key("", "pv")
IN_USE = "kubernetes.io/csi/d^h"


def volume(mode: str = "ReadWriteOnce") -> PersistentVolume:
    spec = {"accessModes": [mode], "csi": {"driver": "d", "volumeHandle": "h"}}
    claim = {"namespace": "default", "name": "data"}
    return from_dict(PersistentVolume, {"metadata": {"name": "pv"}, "spec": spec | {"claimRef": claim}})


def pod(name: str, node: str, phase: str = "Running") -> Pod:
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]
    body: dict[str, Any] = {"spec": {"nodeName": node, "volumes": volumes}, "status": {"phase": phase}}
    return from_dict(Pod, body | {"metadata": {"name": name, "namespace": "default", "uid": name}})


def node(name: str, *in_use: str) -> Node:
    return from_dict(Node, {"metadata": {"name": name}, "status": {"volumesInUse": list(in_use)}})


def run(view: FakeView) -> list[Action]:
    return list(attachdetach.plan(view, PV))


def made(view: FakeView) -> VolumeAttachment:
    (action,) = run(view)
    assert isinstance(action, Create)
    assert isinstance(action.obj, VolumeAttachment)
    return action.obj


def test_a_volume_is_attached_where_a_pod_wants_it() -> None:
    view = FakeView().put(PERSISTENTVOLUME, volume()).put(POD, pod("a", "n1")).put(NODE, node("n1"))
    attachment = made(view)
    assert attachment.metadata.name == "csi-" + attachdetach.attachment_name(volume().spec.csi, "n1")[4:]  # type: ignore[arg-type]
    assert (attachment.spec.attacher, attachment.spec.node_name) == ("d", "n1")
    assert attachment.spec.source.persistent_volume_name == "pv"
    assert run(view.put(VOLUMEATTACHMENT, attachment)) == []


def test_a_driver_that_attaches_nothing_is_left_alone() -> None:
    driver = from_dict(CSIDriver, {"metadata": {"name": "d"}, "spec": {"attachRequired": False}})
    view = FakeView().put(PERSISTENTVOLUME, volume()).put(POD, pod("a", "n1")).put(CSIDRIVER, driver)
    assert run(view) == []


def test_it_goes_when_the_node_has_let_go_and_never_anothers() -> None:
    view = FakeView().put(PERSISTENTVOLUME, volume()).put(POD, pod("a", "n1")).put(NODE, node("n1", IN_USE))
    attachment = made(view)
    meta = msgspec.structs.replace(attachment.metadata, uid="va")
    view.put(VOLUMEATTACHMENT, msgspec.structs.replace(attachment, metadata=meta))
    view.put(POD, pod("a", "n1", "Succeeded"))
    assert run(view) == []
    view.put(NODE, node("n1"))
    assert run(view) == [Delete(VOLUMEATTACHMENT, Key("", attachment.metadata.name), "va")]
    foreign = FakeView().put(PERSISTENTVOLUME, volume()).put(NODE, node("n1"))
    named = msgspec.structs.replace(attachment, metadata=msgspec.structs.replace(meta, name="mine"))
    assert run(foreign.put(VOLUMEATTACHMENT, named)) == []


def test_one_writer_one_node() -> None:
    view = FakeView().put(PERSISTENTVOLUME, volume()).put(POD, pod("a", "n1")).put(NODE, node("n1"))
    view.put(VOLUMEATTACHMENT, made(view)).put(POD, pod("b", "n2"))
    (action,) = run(view)
    assert isinstance(action, Emit)
    assert action.reason == "FailedAttachVolume"
    assert isinstance(run(view.put(PERSISTENTVOLUME, volume("ReadWriteMany")))[0], Create)
