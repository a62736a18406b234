"""Strategy: the rules every kind shares about metadata, generation and status. Pure.

What clients may not set is put right here (uid, creationTimestamp, generation, deletionTimestamp); what they may not
change is refused by `metadata.py`. The kind's own rules are `Resource.prepare`.
https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

from functools import cache
from typing import Any

from msgspec import NODEFAULT
from msgspec.structs import fields, replace

from wherry.machinery.errors import BadRequest
from wherry.machinery.meta import Object, ObjectMeta, OwnerReference, T
from wherry.machinery.resource import Resource
from wherry.machinery.time import Time

GENERATIONS = frozenset((
    "mutatingadmissionpolicies", "mutatingadmissionpolicybindings", "mutatingwebhookconfigurations",
    "validatingadmissionpolicies", "validatingadmissionpolicybindings", "validatingwebhookconfigurations",
    "daemonsets", "deployments", "replicasets", "statefulsets", "horizontalpodautoscalers", "cronjobs", "jobs",
    "pods", "podtemplates", "replicationcontrollers", "endpointslices", "flowschemas", "prioritylevelconfigurations",
    "ingresses", "ingressclasses", "networkpolicies", "poddisruptionbudgets", "deviceclasses", "devicetaintrules",
    "resourceslices", "priorityclasses", "customresourcedefinitions",
))  # fmt: skip
"""Plurals of the built-in kinds that count generations; custom resources always do."""

CREATE_ON_UPDATE = frozenset((
    "leases", "endpoints", "events", "limitranges", "clusterroles", "clusterrolebindings", "roles", "rolebindings",
    "services", "runtimeclasses",
))  # fmt: skip
"""Plurals of the kinds that a PUT may create."""


METADATA_WITH_STATUS = frozenset((
    "daemonsets", "replicasets", "statefulsets", "horizontalpodautoscalers", "cronjobs", "jobs", "namespaces", "nodes",
    "persistentvolumes", "persistentvolumeclaims", "replicationcontrollers", "resourcequotas", "services", "ingresses",
    "poddisruptionbudgets", "certificatesigningrequests",
    "customresourcedefinitions",
))  # fmt: skip
"""Plurals of the built-in kinds whose /status takes all metadata too. Deployments and Pods take most of it there; the
others take none."""


CONDITIONAL = frozenset((
    "mutatingadmissionpolicies", "mutatingadmissionpolicybindings", "mutatingwebhookconfigurations",
    "validatingadmissionpolicies", "validatingadmissionpolicybindings", "validatingwebhookconfigurations",
    "apiservices", "clustertrustbundles", "podcertificaterequests", "leases", "customresourcedefinitions",
    "runtimeclasses", "poddisruptionbudgets", "csidrivers", "csinodes", "csistoragecapacities", "volumeattachments",
    "storageversionmigrations", "devicetaintrules",
))  # fmt: skip
"""Plurals of the built-in kinds that a PUT changes only when it says which revision it saw; so do custom resources."""


UNCOUNTED = frozenset({"status", "binding", "approval", "finalize"})
"""Subresources whose changes are no new generation."""
_NOT_CONTENT = frozenset({"kind", "api_version", "metadata", "status"})


def counts_generations(resource: Resource[Any]) -> bool:
    """Whether objects of this kind have metadata.generation."""
    return resource.custom is not None or resource.plural in GENERATIONS


def conditional(resource: Resource[Any]) -> bool:
    """Whether a PUT has to say which revision of the object it replaces."""
    return resource.custom is not None or resource.plural in CONDITIONAL


def with_meta(obj: T, **changes: Any) -> T:
    """The object with some of its metadata changed."""
    return replace(obj, metadata=replace(obj.metadata, **changes))


def place(resource: Resource[T], obj: T, namespace: str) -> T:
    """Check the object's namespace against the request's, and set it. Raises BadRequest."""
    own = obj.metadata.namespace
    if own == namespace:
        return obj
    if not resource.namespaced:
        return with_meta(obj, namespace="")
    if own:
        raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")
    return with_meta(obj, namespace=namespace)


def for_create(resource: Resource[T], obj: T, now: Time, uid: str) -> T:
    """The object as it begins: identity set, nothing claimed about its past, no status."""
    meta = replace(
        obj.metadata,
        uid=uid,
        creation_timestamp=now,
        deletion_timestamp=None,
        deletion_grace_period_seconds=None,
        resource_version="",
        self_link="",
        generation=1 if counts_generations(resource) else 0,
    )
    obj = replace(obj, metadata=meta, kind=resource.kind, api_version=resource.api_version)
    return _clear_status(resource, obj)


def _clear_status(resource: Resource[T], obj: T) -> T:
    if resource.custom is not None:
        return resource.custom.clear_status(resource, obj) if resource.has_status else obj
    if not resource.has_status or resource.plural == "nodes":  # agents create theirs whole
        return obj
    kept: T = replace(obj, status=_empty_status(resource.type))
    return kept


@cache
def _empty_status(kind: type[Any]) -> Any:
    status = next(f for f in fields(kind) if f.name == "status")
    return status.default if status.default_factory is NODEFAULT else status.default_factory()


def for_update(resource: Resource[T], new: T, old: T, subresource: str) -> T:
    """`new` with everything kept that an update through this door may not change, and its generation."""
    before = old.metadata
    isolated = isolate(resource, new, old, subresource)
    sent = new.metadata if resource.custom is not None else isolated.metadata
    meta = replace(
        sent,
        name=before.name,
        namespace=before.namespace,
        uid=sent.uid or before.uid,
        creation_timestamp=before.creation_timestamp,
        deletion_timestamp=before.deletion_timestamp or sent.deletion_timestamp,  # which `metadata` refuses
        deletion_grace_period_seconds=_kept(sent.deletion_grace_period_seconds, before.deletion_grace_period_seconds),
        generate_name=sent.generate_name,
        self_link="",
        generation=before.generation,
    )
    new = replace(isolated, metadata=meta, kind=resource.kind, api_version=resource.api_version)
    if subresource not in UNCOUNTED and counts_generations(resource) and differs(resource, new, old):
        new = with_meta(new, generation=before.generation + 1)
    return new


def _kept(new: int | None, old: int | None) -> int | None:
    """What is not said stays as it was."""
    return old if new is None else new


def isolate(resource: Resource[T], new: T, old: T, subresource: str) -> T:
    """Spec changes only through the main resource, status only through /status."""
    if not resource.has_status:
        return new
    if resource.custom is not None:
        isolated: T = resource.custom.isolate(new, old, subresource)
        return isolated
    if subresource == "":
        kept: T = replace(new, status=old.status)  # type: ignore[attr-defined] # has_status says so
        return kept
    if subresource == "status":
        meta = _beside_status(resource, new.metadata, old.metadata)
        taken: T = replace(old, status=new.status, metadata=meta)  # type: ignore[attr-defined] # has_status
        return taken
    return new


def _beside_status(resource: Resource[Any], new: ObjectMeta, old: ObjectMeta) -> ObjectMeta:
    """The metadata that a write to /status may change."""
    if resource.plural in METADATA_WITH_STATUS:
        return new
    if resource.plural == "pods":
        return replace(new, owner_references=old.owner_references)
    if resource.plural == "deployments":
        return replace(new, labels=old.labels)
    return replace(
        new, labels=old.labels, annotations=old.annotations, finalizers=old.finalizers,
        owner_references=old.owner_references,
    )  # fmt: skip


def differs(resource: Resource[T], new: T, old: T) -> bool:
    """Whether anything but metadata and status differs."""
    if resource.custom is not None:
        return bool(resource.custom.differs(new, old))
    names = resource.type.__struct_fields__
    return any(getattr(new, name) != getattr(old, name) for name in names if name not in _NOT_CONTENT)


def bare(meta: ObjectMeta) -> ObjectMeta:
    """Metadata as it is stored: without its revision."""
    return replace(meta, resource_version="") if meta.resource_version else meta


def owned_once(obj: T) -> tuple[T, list[str]]:
    """The object without owners that it names twice, and their uids."""
    owners = obj.metadata.owner_references
    if len(owners) < 2:
        return obj, []
    once: list[OwnerReference] = []
    twice: list[str] = []
    for owner in owners:
        if owner in once:
            twice.append(owner.uid)
        else:
            once.append(owner)
    return (with_meta(obj, owner_references=tuple(once)), twice) if twice else (obj, twice)


def pending_finalizers(obj: Object) -> bool:
    """Whether something still has to happen before the object may go."""
    if obj.metadata.finalizers:
        return True
    spec = getattr(obj, "spec", None)
    return obj.kind == "Namespace" and obj.api_version == "v1" and bool(getattr(spec, "finalizers", ()))
