"""What a pod refers to: the objects that its containers and volumes need, as the Node authorizer and admission ask."""

from __future__ import annotations

from collections.abc import Iterator

from wherry.api.types.core import Container, EphemeralContainer, Pod, Volume, VolumeProjection


def references(pod: Pod) -> set[tuple[str, str]]:
    """(plural, name) of every namespaced object that a pod's containers and volumes need."""
    return set(_references(pod))


def _references(pod: Pod) -> Iterator[tuple[str, str]]:
    spec = pod.spec
    if spec.service_account_name:
        yield "serviceaccounts", spec.service_account_name
    for pull in spec.image_pull_secrets:
        yield "secrets", pull.name
    containers: tuple[Container | EphemeralContainer, ...] = (
        *spec.init_containers,
        *spec.containers,
        *spec.ephemeral_containers,
    )
    for container in containers:
        yield from _environment(container)
    yield from _volumes(pod)


def _environment(container: Container | EphemeralContainer) -> Iterator[tuple[str, str]]:
    for source in container.env_from:
        if source.config_map_ref:
            yield "configmaps", source.config_map_ref.name
        if source.secret_ref:
            yield "secrets", source.secret_ref.name
    for variable in container.env:
        origin = variable.value_from
        if origin and origin.config_map_key_ref:
            yield "configmaps", origin.config_map_key_ref.name
        if origin and origin.secret_key_ref:
            yield "secrets", origin.secret_key_ref.name


def _volumes(pod: Pod) -> Iterator[tuple[str, str]]:
    for volume in pod.spec.volumes:
        if volume.config_map:
            yield "configmaps", volume.config_map.name
        if volume.secret:
            yield "secrets", volume.secret.secret_name
        if volume.persistent_volume_claim:
            yield "persistentvolumeclaims", volume.persistent_volume_claim.claim_name
        if volume.csi and volume.csi.node_publish_secret_ref:
            yield "secrets", volume.csi.node_publish_secret_ref.name
        if volume.ephemeral:
            yield "persistentvolumeclaims", f"{pod.metadata.name}-{volume.name}"
        for source in volume.projected.sources if volume.projected else ():
            if source.config_map:
                yield "configmaps", source.config_map.name
            if source.secret:
                yield "secrets", source.secret.name


def references_an_object(pod: Pod) -> str:
    """The first kind of API object that a pod needs, as people read it; "" for none."""
    found = {kind for kind, _ in _references(pod)}
    for kind in ("serviceaccounts", "secrets", "configmaps"):
        if kind in found:
            return kind
    if pod.spec.resource_claims:
        return "resourceclaims"
    return next((what for volume in pod.spec.volumes if (what := _needed(volume))), "")


_VOLUMES = (
    ("csi", "csidrivers (via CSI volumes)"),
    ("glusterfs", "endpoints (via glusterFS volumes)"),
    ("persistent_volume_claim", "persistentvolumeclaims"),
    ("ephemeral", "persistentvolumeclaims (via ephemeral volumes)"),
    ("azure_file", "secrets (via azureFile volumes)"),
)
_SOURCES = (
    ("service_account_token", "serviceaccounts (via projected volumes)"),
    ("cluster_trust_bundle", "clustertrustbundles"),
    ("pod_certificate", "podcertificates"),
)


def _needed(volume: Volume) -> str:
    sources: tuple[VolumeProjection, ...] = volume.projected.sources if volume.projected is not None else ()
    own = (what for kind, what in _VOLUMES if getattr(volume, kind) is not None)
    projected = (what for source in sources for kind, what in _SOURCES if getattr(source, kind) is not None)
    return next(own, "") or next(projected, "")
