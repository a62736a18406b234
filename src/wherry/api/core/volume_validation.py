"""Validation of a pod's volumes.

https://kubernetes.io/docs/concepts/storage/volumes/
Sources with rules of their own have a function; of those that only need some fields there is one table.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from typing import Any

from wherry.api.checks import Errors, descending, file_mode, named, no_backsteps, one_of, unsupported, user_id
from wherry.api.core.claim_validation import claim_template
from wherry.api.core.file_validation import downward_file, key_to_path
from wherry.api.core.projection_validation import projected
from wherry.api.types.core import (
    ConfigMapVolumeSource,
    CSIVolumeSource,
    DownwardAPIVolumeSource,
    EmptyDirVolumeSource,
    EphemeralVolumeSource,
    FCVolumeSource,
    GitRepoVolumeSource,
    HostPathVolumeSource,
    ImageVolumeSource,
    NFSVolumeSource,
    PersistentVolumeClaimVolumeSource,
    SecretVolumeSource,
    Volume,
)
from wherry.machinery.names import dns_label, dns_subdomain
from wherry.machinery.quantity import compare
from wherry.machinery.validation import FieldError, duplicate, forbidden, invalid, required, too_long

HOST_PATH_TYPES = (
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)
PULL_POLICIES = ("Always", "IfNotPresent", "Never")

Volumes = dict[str, Volume]
_TOO_LONG = "must be no more than 253 bytes"
_CASELESS = (
    "an RFC 1123 subdomain must consist of alphanumeric characters, '-' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'Example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


def volumes(path: str, items: tuple[Volume, ...], pod_name: str, known: Volumes) -> Errors:
    """The volumes of a pod; the good ones are put into `known` by name. `pod_name` is "" in a template."""
    generated = {f"{pod_name}-{v.name}" for v in items if v.ephemeral is not None} if pod_name else set()
    for index, volume in enumerate(items):
        at = f"{path}[{index}]"
        found = [*_source(at, volume, pod_name), *_name(f"{at}.name", volume.name)]
        if volume.name in known:
            found.append(duplicate(f"{at}.name", volume.name))
        if found:
            yield from found
        else:
            known[volume.name] = volume
        claim = volume.persistent_volume_claim
        if claim is not None and claim.claim_name in generated:
            why = "must not reference a PVC that gets created for an ephemeral volume"
            yield invalid(f"{at}.persistentVolumeClaim.claimName", claim.claim_name, why)


def _name(path: str, name: str) -> Errors:
    if not name:
        yield required(path)
    yield from named(path, name, dns_label) if name else ()


def _source(path: str, volume: Volume, pod_name: str) -> Errors:
    given = [(name, source) for name in SOURCES if (source := getattr(volume, name)) is not None]
    if not given:
        yield required(path, "must specify a volume type")
        return
    first, source = given[0]
    yield from check_source(f"{path}.{INSIDE.get(first) or _wire(first)}", first, source)
    for name, _ in given[1:]:
        yield forbidden(f"{path}.{BESIDE.get(name) or _wire(name)}", "may not specify more than 1 volume type")
    if first == "ephemeral" and pod_name and volume.name:
        claim = f"{pod_name}-{volume.name}"
        for problem in dns_subdomain(claim):
            yield invalid(f"{path}.name", volume.name, f'PVC name "{claim}": {problem}')


def check_source(path: str, name: str, source: Any) -> Errors:
    """The source of a volume, by the name of its field."""
    if name in _NEEDED:
        for field in _NEEDED[name]:
            if not getattr(source, field):
                yield required(f"{path}.{wire_name(source, field)}")
    if name in _CHECKS:
        yield from _CHECKS[name](path, source)


def wire_name(source: Any, field: str) -> str:
    """The JSON name of a struct's field."""
    names: tuple[str, ...] = source.__struct_encode_fields__
    place: int = source.__struct_fields__.index(field)
    return names[place]


def _wire(field: str) -> str:
    return str(wire_name(Volume, field))


# --- Sources ---


def _empty_dir(path: str, source: EmptyDirVolumeSource) -> Errors:
    if source.size_limit is not None and compare(source.size_limit, "0") < 0:
        yield forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")
    if source.mode is not None and not 0 <= source.mode <= 0o1777:
        yield invalid(f"{path}.mode", source.mode, "must be a number between 0 and 01777 (octal), both inclusive")


def _host_path(path: str, source: HostPathVolumeSource) -> Errors:
    if not source.path:
        yield required(f"{path}.path")
        return
    yield from no_backsteps(f"{path}.path", source.path)
    if source.type is not None and source.type not in HOST_PATH_TYPES:
        yield unsupported(f"{path}.type", source.type, HOST_PATH_TYPES)


def _git_repo(path: str, source: GitRepoVolumeSource) -> Errors:
    if not source.repository:
        yield required(f"{path}.repository")
    yield from descending(f"{path}.directory", source.directory)


def _secret(path: str, source: SecretVolumeSource) -> Errors:
    if not source.secret_name:
        yield required(f"{path}.secretName")
    yield from _keys(path, source)


def _config_map(path: str, source: ConfigMapVolumeSource) -> Errors:
    if not source.name:
        yield required(f"{path}.name")
    yield from _keys(path, source)


def _keys(path: str, source: SecretVolumeSource | ConfigMapVolumeSource) -> Errors:
    yield from file_mode(f"{path}.defaultMode", source.default_mode)
    yield from user_id(f"{path}.defaultUser", source.default_user)
    for index, item in enumerate(source.items):
        yield from key_to_path(f"{path}.items[{index}]", item)


def _downward(path: str, source: DownwardAPIVolumeSource) -> Errors:
    yield from file_mode(f"{path}.defaultMode", source.default_mode)
    yield from user_id(f"{path}.defaultUser", source.default_user)
    for file in source.items:
        yield from downward_file(path, file)


def _nfs(path: str, source: NFSVolumeSource) -> Errors:
    if not posixpath.isabs(source.path):
        yield invalid(f"{path}.path", source.path, "must be an absolute path")


def _claim(path: str, source: PersistentVolumeClaimVolumeSource) -> Errors:
    if not source.claim_name:
        yield required(f"{path}.claimName")


def _fc(path: str, source: FCVolumeSource) -> Errors:
    if not source.target_wwns and not source.wwids:
        yield required(f"{path}.targetWWNs", "must specify either targetWWNs or wwids, but not both")
    if source.target_wwns and source.wwids:
        why = "targetWWNs and wwids can not be specified simultaneously"
        yield invalid(f"{path}.targetWWNs", source.target_wwns, why)
    if source.target_wwns and source.lun is None:
        yield required(f"{path}.lun", "lun is required if targetWWNs is specified")
    elif source.target_wwns and source.lun is not None and not 0 <= source.lun <= 255:
        yield invalid(f"{path}.lun", source.lun, "must be between 0 and 255, inclusive")


def caseless_driver_name(path: str, driver: str) -> Errors:
    """The same where the rule is one of the schema's, which words it in its own way."""
    if not driver:
        yield required(path)
        return
    if len(driver) > 63:
        yield FieldError(path, "FieldValueTooLong", "Too long: may not be more than 63 characters")
    for problem in dns_subdomain(driver.lower()):
        yield invalid(path, driver, _TOO_LONG if problem.startswith("must") else _CASELESS)


def driver_name(path: str, driver: str) -> Errors:
    """The name of a CSI driver."""
    if not driver:
        yield required(path)
        return
    if len(driver) > 63:
        yield too_long(path, 63)
    for problem in dns_subdomain(driver.lower()):
        yield invalid(path, driver, problem)


def _csi(path: str, source: CSIVolumeSource) -> Errors:
    yield from driver_name(f"{path}.driver", source.driver)
    ref = source.node_publish_secret_ref
    if ref is not None and not ref.name:
        yield required(f"{path}.nodePublishSecretRef.name")
    elif ref is not None:
        yield from named(f"{path}.name", ref.name, dns_subdomain)


def _ephemeral(path: str, source: EphemeralVolumeSource) -> Errors:
    if source.volume_claim_template is None:
        yield required(f"{path}.volumeClaimTemplate")
    else:
        yield from claim_template(f"{path}.volumeClaimTemplate", source.volume_claim_template)


def _image(path: str, source: ImageVolumeSource) -> Errors:
    if not source.reference:
        yield required(f"{path}.reference")
    yield from one_of(f"{path}.pullPolicy", source.pull_policy, PULL_POLICIES)


_CHECKS: dict[str, Callable[[str, Any], Errors]] = {
    "empty_dir": _empty_dir,
    "host_path": _host_path,
    "git_repo": _git_repo,
    "secret": _secret,
    "nfs": _nfs,
    "persistent_volume_claim": _claim,
    "downward_api": _downward,
    "fc": _fc,
    "config_map": _config_map,
    "projected": projected,
    "csi": _csi,
    "ephemeral": _ephemeral,
    "image": _image,
}
_NEEDED: dict[str, tuple[str, ...]] = {
    "gce_persistent_disk": ("pd_name",),
    "aws_elastic_block_store": ("volume_id",),
    "nfs": ("server", "path"),
    "iscsi": ("target_portal", "iqn"),
    "glusterfs": ("endpoints", "path"),
    "rbd": ("monitors", "image"),
    "cinder": ("volume_id",),
    "cephfs": ("monitors",),
    "quobyte": ("registry", "volume"),
    "flex_volume": ("driver",),
    "azure_file": ("secret_name", "share_name"),
    "vsphere_volume": ("volume_path",),
    "photon_persistent_disk": ("pd_id",),
    "portworx_volume": ("volume_id",),
    "azure_disk": ("disk_name", "disk_uri"),
    "storageos": ("volume_name",),
    "scale_io": ("gateway", "system", "volume_name"),
}
INSIDE = {"gce_persistent_disk": "persistentDisk"}
"""How upstream names a source in what it says of the source's fields, where that is not its field."""
BESIDE = {"cephfs": "cephFS", "downward_api": "downwarAPI"}
"""And in what it says of one source too many."""
SOURCES = (
    "empty_dir",
    "host_path",
    "git_repo",
    "gce_persistent_disk",
    "aws_elastic_block_store",
    "secret",
    "nfs",
    "iscsi",
    "glusterfs",
    "flocker",
    "persistent_volume_claim",
    "rbd",
    "cinder",
    "cephfs",
    "quobyte",
    "downward_api",
    "fc",
    "flex_volume",
    "config_map",
    "azure_file",
    "vsphere_volume",
    "photon_persistent_disk",
    "portworx_volume",
    "azure_disk",
    "storageos",
    "projected",
    "scale_io",
    "csi",
    "ephemeral",
    "image",
)
"""Fields of a volume that are sources, in the order in which upstream looks at them: the first one counts."""
