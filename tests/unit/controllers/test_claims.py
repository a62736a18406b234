"""Claims that are made for pods, and claims that waited for a default class."""

from __future__ import annotations

from tests.support.view import FakeView
from wherry.api.core.persistentvolumeclaim import PERSISTENTVOLUMECLAIM
from wherry.api.core.pod import POD
from wherry.api.storage.storageclass import STORAGECLASS
from wherry.api.types.core import (
    EphemeralVolumeSource,
    PersistentVolumeClaim,
    PersistentVolumeClaimSpec,
    PersistentVolumeClaimTemplate,
    Pod,
    PodSpec,
    Volume,
)
from wherry.api.types.storage import StorageClass
from wherry.controllers import ephemeralvolume, persistentvolumeclaim
from wherry.machinery.meta import Key, ObjectMeta
from wherry.reconcile.actions import Create, Emit, Patch

WEB = Key("default", "web")
SPEC = PersistentVolumeClaimSpec(access_modes=("ReadWriteOnce",))
SCRATCH = EphemeralVolumeSource(
    volume_claim_template=PersistentVolumeClaimTemplate(metadata=ObjectMeta(labels={"a": "b"}), spec=SPEC)
)
POD_WITH_SCRATCH = Pod(
    metadata=ObjectMeta(name="web", namespace="default", uid="p-1"),
    spec=PodSpec(volumes=(Volume(name="data"), Volume(name="scratch", ephemeral=SCRATCH))),
)


def claim(name: str, *, storage_class: str | None = None) -> PersistentVolumeClaim:
    meta = ObjectMeta(name=name, namespace="default", uid=f"u-{name}")
    return PersistentVolumeClaim(metadata=meta, spec=PersistentVolumeClaimSpec(storage_class_name=storage_class))


def default_class(name: str, created: str) -> StorageClass:
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"}
    meta = ObjectMeta(name=name, annotations=annotations, creation_timestamp=created)  # type: ignore[arg-type]  # a Time
    return StorageClass(metadata=meta, provisioner="x", volume_binding_mode="WaitForFirstConsumer")


def test_an_ephemeral_volume_gets_its_claim() -> None:
    view = FakeView().put(POD, POD_WITH_SCRATCH)
    (action,) = ephemeralvolume.plan(view, WEB)
    assert isinstance(action, Create)
    made = action.obj
    assert isinstance(made, PersistentVolumeClaim)
    assert (made.metadata.name, made.metadata.labels, made.spec) == ("web-scratch", {"a": "b"}, SPEC)
    assert [(r.kind, r.uid, r.controller) for r in made.metadata.owner_references] == [("Pod", "p-1", True)]
    view.put(PERSISTENTVOLUMECLAIM, made)
    assert list(ephemeralvolume.plan(view, WEB)) == []


def test_a_claim_of_somebody_else_is_not_taken() -> None:
    view = FakeView().put(POD, POD_WITH_SCRATCH).put(PERSISTENTVOLUMECLAIM, claim("web-scratch"))
    (action,) = ephemeralvolume.plan(view, WEB)
    assert isinstance(action, Emit)
    assert action.message == 'PVC "default/web-scratch" was not created for pod "default/web" (pod is not owner)'


def test_a_claim_without_class_gets_the_newest_default() -> None:
    view = FakeView().put(PERSISTENTVOLUMECLAIM, claim("data"))
    view.put(STORAGECLASS, default_class("old", "2024-01-01T00:00:00Z"), default_class("new", "2025-01-01T00:00:00Z"))
    (action,) = persistentvolumeclaim.plan(view, Key("default", "data"))
    assert isinstance(action, Patch)
    assert action.patch["spec"] == {"storageClassName": "new"}


def test_a_claim_that_wants_no_class_keeps_none() -> None:
    view = FakeView().put(PERSISTENTVOLUMECLAIM, claim("data", storage_class=""))
    view.put(STORAGECLASS, default_class("new", "2025-01-01T00:00:00Z"))
    assert not any(
        isinstance(a, Patch) and "storageClassName" in a.patch.get("spec", {})
        for a in persistentvolumeclaim.plan(view, Key("default", "data"))
    )
