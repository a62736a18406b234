"""Which VolumeAttributesClasses claims and volumes hold on to."""

from __future__ import annotations

from wherry.api.types.core import PersistentVolume, PersistentVolumeClaim
from wherry.controllers.protection import classes_of
from wherry.machinery.codec import from_dict


def test_had_having_and_to_have() -> None:
    claim = from_dict(
        PersistentVolumeClaim,
        {
            "spec": {"volumeAttributesClassName": "new"},
            "status": {
                "currentVolumeAttributesClassName": "old",
                "modifyVolumeStatus": {"targetVolumeAttributesClassName": "next", "status": "Pending"},
            },
        },
    )
    assert list(classes_of(claim)) == ["new", "old", "next"]
    assert list(classes_of(from_dict(PersistentVolumeClaim, {}))) == []
    volume = from_dict(PersistentVolume, {"spec": {"volumeAttributesClassName": "v"}})
    assert list(classes_of(volume)) == ["v"]
