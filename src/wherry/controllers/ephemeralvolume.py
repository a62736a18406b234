"""Generic ephemeral volumes: a claim for each `ephemeral` volume of a pod, owned by the pod and gone with it.

Wakes on: Pod; PersistentVolumeClaim (through its owner).
Writes:   PersistentVolumeClaim `<pod>-<volume>` (create); Event FailedBinding when the name belongs to somebody else.
Upstream: https://kubernetes.io/docs/concepts/storage/ephemeral-volumes/#generic-ephemeral-volumes
"""

from __future__ import annotations

from collections.abc import Iterator

from wherry.api.core.persistentvolumeclaim import PERSISTENTVOLUMECLAIM
from wherry.api.core.pod import POD, is_terminal
from wherry.api.types.core import PersistentVolumeClaim
from wherry.machinery.meta import Key, ObjectMeta, controller_of
from wherry.reconcile.actions import Action, Create, Emit
from wherry.reconcile.controller import Controller
from wherry.reconcile.ownership import reference
from wherry.reconcile.view import View


def plan(view: View, key: Key) -> Iterator[Action]:
    """One run for one Pod."""
    pod = view.get(POD, key)
    if pod is None or pod.metadata.deletion_timestamp is not None or is_terminal(pod):
        return
    for volume in pod.spec.volumes:
        template = volume.ephemeral.volume_claim_template if volume.ephemeral is not None else None
        if template is None:
            continue
        name = Key(key.namespace, f"{key.name}-{volume.name}")
        claim = view.get(PERSISTENTVOLUMECLAIM, name)
        if claim is None:
            meta = ObjectMeta(
                name=name.name,
                namespace=name.namespace,
                labels=template.metadata.labels,
                annotations=template.metadata.annotations,
                owner_references=(reference(POD, pod),),
            )
            yield Create(PERSISTENTVOLUMECLAIM, PersistentVolumeClaim(metadata=meta, spec=template.spec))
        elif (owner := controller_of(claim)) is None or owner.uid != pod.metadata.uid:
            text = f'PVC "{name}" was not created for pod "{key}" (pod is not owner)'
            yield Emit(pod, "Warning", "FailedBinding", text)


CONTROLLER = Controller("ephemeralvolume", POD, plan, owns=(PERSISTENTVOLUMECLAIM,), component="ephemeral_volume")
