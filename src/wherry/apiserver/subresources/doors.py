"""Doors: subresources through which part of an object may be changed, beside /status. Each is one function, pure.

`(new, old) -> new with only what this door may change`; everything else stays as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from wherry.api.types.certificates import CertificateSigningRequest
from wherry.api.types.core import Container, Namespace, Pod


def _revised(new: Any, old: Any) -> Any:
    """The old metadata with the revision that the client says it saw."""
    return replace(old.metadata, resource_version=new.metadata.resource_version, uid=new.metadata.uid)


def finalize(new: Namespace, old: Namespace) -> Namespace:
    """namespaces/finalize: spec.finalizers, nothing else."""
    return replace(old, metadata=_revised(new, old), spec=replace(old.spec, finalizers=new.spec.finalizers))


def approval(new: CertificateSigningRequest, old: CertificateSigningRequest) -> CertificateSigningRequest:
    """certificatesigningrequests/approval: the conditions."""
    status = replace(old.status, conditions=new.status.conditions)
    return replace(new, spec=old.spec, status=status)


def ephemeral_containers(new: Pod, old: Pod) -> Pod:
    """pods/ephemeralcontainers: they may be added."""
    spec = replace(old.spec, ephemeral_containers=new.spec.ephemeral_containers)
    return replace(old, metadata=_revised(new, old), spec=spec)


def resize(new: Pod, old: Pod) -> Pod:
    """pods/resize: resources and resize policies of containers, by name; and of the pod."""
    spec = replace(
        old.spec,
        containers=_resized(new.spec.containers, old.spec.containers),
        init_containers=_resized(new.spec.init_containers, old.spec.init_containers),
        resources=new.spec.resources,
    )
    return replace(old, metadata=_revised(new, old), spec=spec)


def _resized(new: tuple[Container, ...], old: tuple[Container, ...]) -> tuple[Container, ...]:
    wanted = {container.name: container for container in new}
    return tuple(
        replace(c, resources=wanted[c.name].resources, resize_policy=wanted[c.name].resize_policy)
        if c.name in wanted
        else c
        for c in old
    )


DOORS: Mapping[tuple[str, str], Callable[[Any, Any], Any]] = {
    ("namespaces", "finalize"): finalize,
    ("certificatesigningrequests.certificates.k8s.io", "approval"): approval,
    ("pods", "ephemeralcontainers"): ephemeral_containers,
    ("pods", "resize"): resize,
}
"""(resource, subresource) -> what it may change."""
