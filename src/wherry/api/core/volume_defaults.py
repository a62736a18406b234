"""Defaults of volumes, in pods and in PersistentVolumes.

https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/volume/
"""

from __future__ import annotations

from wherry.api.core.images import pull_policy_of
from wherry.api.defaulting import each, fill, within
from wherry.api.types.core import (
    AzureDiskVolumeSource,
    DownwardAPIProjection,
    DownwardAPIVolumeFile,
    DownwardAPIVolumeSource,
    EmptyDirVolumeSource,
    EphemeralVolumeSource,
    HostPathVolumeSource,
    ImageVolumeSource,
    ObjectFieldSelector,
    PersistentVolumeClaimSpec,
    PersistentVolumeClaimTemplate,
    PersistentVolumeSpec,
    ProjectedVolumeSource,
    ResourceFieldSelector,
    ServiceAccountTokenProjection,
    Volume,
    VolumeProjection,
)
from wherry.machinery.meta import Model
from wherry.machinery.quantity import Quantity

FILE_MODE = 0o644
TOKEN_SECONDS = 3600

SOURCES = tuple(name for name in Volume.__struct_fields__ if name != "name")
"""The fields of a Volume of which exactly one is set."""


def default_field_ref(ref: ObjectFieldSelector) -> ObjectFieldSelector:
    """Field paths are of v1 objects."""
    return fill(ref, api_version="v1")


def default_resource_ref(ref: ResourceFieldSelector) -> ResourceFieldSelector:
    """A divisor that is not set is written as 0."""
    return fill(ref, divisor=Quantity("0"))


def _default_mode(source: Model) -> Model:
    return fill(source, default_mode=FILE_MODE)


def _downward_file(file: DownwardAPIVolumeFile) -> DownwardAPIVolumeFile:
    return within(file, field_ref=default_field_ref, resource_field_ref=default_resource_ref)


def _downward(source: DownwardAPIVolumeSource) -> DownwardAPIVolumeSource:
    return within(fill(source, default_mode=FILE_MODE), items=each(_downward_file))


def _downward_projection(source: DownwardAPIProjection) -> DownwardAPIProjection:
    return within(source, items=each(_downward_file))


def _token(source: ServiceAccountTokenProjection) -> ServiceAccountTokenProjection:
    return fill(source, expiration_seconds=TOKEN_SECONDS)


def _projection(source: VolumeProjection) -> VolumeProjection:
    return within(source, service_account_token=_token, downward_api=_downward_projection)


def _projected(source: ProjectedVolumeSource) -> ProjectedVolumeSource:
    return within(fill(source, default_mode=FILE_MODE), sources=each(_projection))


def default_host_path(source: HostPathVolumeSource) -> HostPathVolumeSource:
    """No check of what is at the path."""
    return source if source.type is not None else fill(source, type="")


def _image(source: ImageVolumeSource) -> ImageVolumeSource:
    return fill(source, pull_policy=pull_policy_of(source.reference))


def _iscsi(source: Model) -> Model:
    return fill(source, iscsi_interface="default")


def _rbd(source: Model) -> Model:
    return fill(source, pool="rbd", user="admin", keyring="/etc/ceph/keyring")


def _scale_io(source: Model) -> Model:
    return fill(source, storage_mode="ThinProvisioned", fs_type="xfs")


def _azure_disk(source: AzureDiskVolumeSource) -> AzureDiskVolumeSource:
    return fill(source, caching_mode="ReadWrite", kind="Shared", fs_type="ext4", read_only=False)


def default_claim_spec(spec: PersistentVolumeClaimSpec) -> PersistentVolumeClaimSpec:
    """Claims are for file systems unless they say otherwise."""
    return fill(spec, volume_mode="Filesystem")


def _claim_template(template: PersistentVolumeClaimTemplate) -> PersistentVolumeClaimTemplate:
    return within(template, spec=default_claim_spec)


def _ephemeral(source: EphemeralVolumeSource) -> EphemeralVolumeSource:
    return within(source, volume_claim_template=_claim_template)


def default_volume(volume: Volume) -> Volume:
    """One volume of a pod; without any source it is an emptyDir."""
    if all(getattr(volume, source) is None for source in SOURCES):
        return fill(volume, empty_dir=EmptyDirVolumeSource())
    return within(
        volume,
        secret=_default_mode,
        config_map=_default_mode,
        downward_api=_downward,
        projected=_projected,
        host_path=default_host_path,
        image=_image,
        ephemeral=_ephemeral,
        iscsi=_iscsi,
        rbd=_rbd,
        scale_io=_scale_io,
        azure_disk=_azure_disk,
    )


def default_volume_spec(spec: PersistentVolumeSpec) -> PersistentVolumeSpec:
    """The spec of a PersistentVolume."""
    spec = fill(spec, persistent_volume_reclaim_policy="Retain", volume_mode="Filesystem")
    return within(spec, host_path=default_host_path, iscsi=_iscsi, rbd=_rbd, scale_io=_scale_io, azure_disk=_azure_disk)
