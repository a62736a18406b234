"""The restricted standard: pods are hardened as is good practice today. One function for each check. Pure.

https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
"""

from __future__ import annotations

from typing import Final

from wherry.api.types.core import Volume
from wherry.apiserver.admission.podsecurity import baseline
from wherry.apiserver.admission.podsecurity.finding import (
    Check,
    Finding,
    Subject,
    containers,
    plural,
    quoted,
    setters,
    use,
)

_VOLUMES: Final = (
    "config_map", "csi", "downward_api", "empty_dir", "ephemeral", "image", "persistent_volume_claim", "projected",
    "secret",
)  # fmt: skip
_OTHER_VOLUMES: Final = {
    "host_path": "hostPath", "gce_persistent_disk": "gcePersistentDisk",
    "aws_elastic_block_store": "awsElasticBlockStore", "git_repo": "gitRepo", "nfs": "nfs", "iscsi": "iscsi",
    "glusterfs": "glusterfs", "rbd": "rbd", "flex_volume": "flexVolume", "cinder": "cinder", "cephfs": "cephfs",
    "flocker": "flocker", "fc": "fc", "azure_file": "azureFile", "vsphere_volume": "vsphereVolume",
    "quobyte": "quobyte", "azure_disk": "azureDisk", "photon_persistent_disk": "photonPersistentDisk",
    "portworx_volume": "portworxVolume", "scale_io": "scaleIO", "storageos": "storageos",
}  # fmt: skip


def unless_windows(check: Check) -> Check:
    """The check, for pods that do not say that they are for Windows."""
    return lambda pod: None if pod.windows else check(pod)


def unless_own_users(check: Check) -> Check:
    """The check, for pods that share the node's users."""
    return lambda pod: None if pod.own_users else check(pod)


def privilege_escalation(pod: Subject) -> Finding | None:
    """No process gains rights that its parent has not."""
    safe = {name for name, context in pod.secured() if context.allow_privilege_escalation is False}
    bad = [container.name for container in pod.containers if container.name not in safe]
    if not bad:
        return None
    detail = f"{containers(bad)} must set securityContext.allowPrivilegeEscalation=false"
    return Finding("allowPrivilegeEscalation != false", detail)


def capabilities(pod: Subject) -> Finding | None:
    """All capabilities are dropped; low ports may be added."""
    missing: list[str] = []
    adding: list[str] = []
    added: set[str] = set()
    for container in pod.containers:
        context = container.security_context
        given = context.capabilities if context is not None else None
        if given is None or "ALL" not in given.drop:
            missing.append(container.name)
        more = set(given.add) - {"NET_BIND_SERVICE"} if given is not None else set()
        if more:
            adding.append(container.name)
            added |= more
    details = [f'{containers(missing)} must set securityContext.capabilities.drop=["ALL"]'] if missing else []
    if adding:
        listed = quoted(sorted(added))
        details.append(f"{containers(adding)} must not include {listed} in securityContext.capabilities.add")
    return Finding("unrestricted capabilities", "; ".join(details)) if details else None


def volumes(pod: Subject) -> Finding | None:
    """Only volumes that belong to the cluster, not to its machines."""
    bad = [volume for volume in pod.spec.volumes if all(getattr(volume, kind) is None for kind in _VOLUMES)]
    if not bad:
        return None
    kinds = sorted({_kind(volume) for volume in bad})
    names = [volume.name for volume in bad]
    which = f"{plural('restricted volume type', len(kinds))} {quoted(kinds)}"
    return Finding("restricted volume types", f"{plural('volume', len(bad))} {quoted(names)} {use(names)} {which}")


def _kind(volume: Volume) -> str:
    return next((name for kind, name in _OTHER_VOLUMES.items() if getattr(volume, kind) is not None), "unknown")


def non_root(pod: Subject) -> Finding | None:
    """Whoever the image says, it is not root."""
    own = pod.context.run_as_non_root if pod.context is not None else None
    said = {name: context.run_as_non_root for name, context in pod.secured()}
    wrong = [container.name for container in pod.containers if said.get(container.name) is False]
    if wrong or own is False:
        who = setters(wrong, pod=own is False)
        return Finding("runAsNonRoot != true", f"{who} must not set securityContext.runAsNonRoot=false")
    silent = [container.name for container in pod.containers if said.get(container.name) is None]
    if own or not silent:
        return None
    return Finding("runAsNonRoot != true", f"pod or {containers(silent)} must set securityContext.runAsNonRoot=true")


def user(pod: Subject) -> Finding | None:
    """Nobody asks to be root."""
    own = pod.context.run_as_user if pod.context is not None else None
    bad = [name for name, context in pod.secured() if context.run_as_user == 0]
    if not bad and own != 0:
        return None
    return Finding("runAsUser=0", f"{setters(bad, pod=own == 0)} must not set runAsUser=0")


def seccomp(pod: Subject) -> Finding | None:
    """A profile is in force, for each container or for all."""
    wrong = baseline.seccomp(pod)
    if wrong is not None:
        return wrong
    if pod.context is not None and pod.context.seccomp_profile is not None:
        return None
    said = {name for name, context in pod.secured() if context.seccomp_profile is not None}
    silent = [container.name for container in pod.containers if container.name not in said]
    if not silent:
        return None
    return Finding(
        "seccompProfile",
        f'pod or {containers(silent)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"',
    )
