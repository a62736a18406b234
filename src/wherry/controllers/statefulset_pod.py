"""The members of a StatefulSet: how a pod and its claims are named and made from a revision.

https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#stable-network-id
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec.structs import replace

from wherry.api.apps.statefulset import STATEFULSET
from wherry.api.types.apps import ControllerRevision, StatefulSet
from wherry.api.types.core import (
    PersistentVolumeClaim,
    PersistentVolumeClaimVolumeSource,
    Pod,
    PodTemplateSpec,
    Volume,
)
from wherry.controllers.revisions import POD_HASH, template_of
from wherry.machinery.meta import Key, ObjectMeta
from wherry.reconcile.ownership import reference

POD_NAME, POD_INDEX = "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"
_MEMBER = re.compile(r"(.*)-(0|[1-9][0-9]*)", re.ASCII | re.DOTALL)


def ordinal(s: StatefulSet, name: str) -> int | None:
    """The number of a member; None for a name that is none of ours."""
    found = _MEMBER.fullmatch(name)
    return int(found[2]) if found is not None and found[1] == s.metadata.name else None


def new_pod(s: StatefulSet, number: int, revision: ControllerRevision) -> Pod:
    """Member `number`, of the template that `revision` holds."""
    template = template_of(revision) or s.spec.template
    name = f"{s.metadata.name}-{number}"
    labels = {
        **template.metadata.labels,
        POD_NAME: name,
        POD_INDEX: str(number),
        POD_HASH: revision.metadata.name,
    }
    spec = replace(
        template.spec, hostname=name, subdomain=s.spec.service_name, volumes=tuple(_volumes(s, template, name))
    )
    meta = ObjectMeta(
        name=name,
        namespace=s.metadata.namespace,
        labels=labels,
        annotations=template.metadata.annotations,
        finalizers=template.metadata.finalizers,
        owner_references=(reference(STATEFULSET, s),),
    )
    return Pod(metadata=meta, spec=spec)


def _volumes(s: StatefulSet, template: PodTemplateSpec, pod: str) -> Iterator[Volume]:
    """The claims' volumes replace those of the same name."""
    claimed = {t.metadata.name for t in s.spec.volume_claim_templates}
    for name in sorted(claimed):
        yield Volume(name=name, persistent_volume_claim=PersistentVolumeClaimVolumeSource(claim_name=f"{name}-{pod}"))
    yield from (volume for volume in template.spec.volumes if volume.name not in claimed)


def claims(s: StatefulSet, number: int) -> Iterator[PersistentVolumeClaim]:
    """The claims of member `number`."""
    selector = s.spec.selector
    labels = dict(selector.match_labels) if selector is not None else {}
    for template in s.spec.volume_claim_templates:
        meta = ObjectMeta(
            name=f"{template.metadata.name}-{s.metadata.name}-{number}",
            namespace=s.metadata.namespace,
            labels={**template.metadata.labels, **labels},
            annotations=template.metadata.annotations,
        )
        yield PersistentVolumeClaim(metadata=meta, spec=template.spec)


def claim_keys(s: StatefulSet, number: int) -> Iterator[Key]:
    """Where the claims of member `number` are."""
    for template in s.spec.volume_claim_templates:
        yield Key(s.metadata.namespace, f"{template.metadata.name}-{s.metadata.name}-{number}")
