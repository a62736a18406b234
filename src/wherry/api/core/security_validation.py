"""Validation of security contexts, of pods and of containers.

https://kubernetes.io/docs/tasks/configure-pod-container/security-context/
"""

from __future__ import annotations

import re

from wherry.api.checks import Errors, descending, one_of, unsupported, user_id
from wherry.api.types.core import (
    AppArmorProfile,
    PodSecurityContext,
    PodSpec,
    SeccompProfile,
    SecurityContext,
    Sysctl,
)
from wherry.machinery.validation import duplicate, invalid, required, too_long

_SEGMENT = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SYSCTL = rf"({_SEGMENT}[\./])*{_SEGMENT}"
_SYSCTL_FITS = re.compile(_SYSCTL, re.ASCII).fullmatch
_IPC_SYSCTLS = ("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.")
_MAX_PROFILE = 4095
PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")


def container_context(path: str, own: SecurityContext | None, *, host_users: bool) -> Errors:
    """The security context of a container. `host_users`: the pod has no user namespace of its own."""
    if own is None:
        return
    yield from user_id(f"{path}.runAsUser", own.run_as_user)
    yield from user_id(f"{path}.runAsGroup", own.run_as_group)
    if own.proc_mount is not None:
        if own.proc_mount not in ("Default", "Unmasked"):
            yield unsupported(f"{path}.procMount", own.proc_mount, ("Default", "Unmasked"))
        if host_users and own.proc_mount == "Unmasked":
            yield invalid(f"{path}.procMount", own.proc_mount, "`hostUsers` must be false to use `Unmasked`")
    yield from _seccomp(f"{path}.seccompProfile", own.seccomp_profile)
    if own.allow_privilege_escalation is False:
        yield from _no_escalation(path, own)
    yield from _app_armor(f"{path}.appArmorProfile", own.app_armor_profile)


def _no_escalation(path: str, own: SecurityContext) -> Errors:
    why = "cannot set `allowPrivilegeEscalation` to false and "
    if own.privileged:
        yield invalid(path, own, f"{why}`privileged` to true")
    if own.capabilities is not None and "CAP_SYS_ADMIN" in own.capabilities.add:
        yield invalid(path, own, f"{why}`capabilities.Add` CAP_SYS_ADMIN")


def pod_context(path: str, own: PodSecurityContext | None, spec: PodSpec) -> Errors:
    """The security context of a pod."""
    if own is None:
        return
    yield from user_id(f"{path}.fsGroup", own.fs_group)
    yield from user_id(f"{path}.runAsUser", own.run_as_user)
    yield from user_id(f"{path}.runAsGroup", own.run_as_group)
    for index, group in enumerate(own.supplemental_groups):
        yield from user_id(f"{path}.supplementalGroups[{index}]", group)
    yield from _sysctls(f"{path}.sysctls", own.sysctls, spec)
    yield from _choice(f"{path}.fsGroupChangePolicy", own.fs_group_change_policy, ("Always", "OnRootMismatch"))
    yield from _seccomp(f"{path}.seccompProfile", own.seccomp_profile)
    yield from _app_armor(f"{path}.appArmorProfile", own.app_armor_profile)
    yield from _choice(f"{path}.supplementalGroupsPolicy", own.supplemental_groups_policy, ("Merge", "Strict"))
    yield from _choice(f"{path}.seLinuxChangePolicy", own.se_linux_change_policy, ("MountOption", "Recursive"))


def _choice(path: str, value: str | None, allowed: tuple[str, ...]) -> Errors:
    if value is not None and value not in allowed:
        yield unsupported(path, value, allowed)


def _sysctls(path: str, sysctls: tuple[Sysctl, ...], spec: PodSpec) -> Errors:
    seen: set[str] = set()
    for index, sysctl in enumerate(sysctls):
        at, name = f"{path}[{index}].name", sysctl.name
        if not name:
            yield required(at)
        elif len(name) > 253 or not _SYSCTL_FITS(name):
            yield invalid(at, name, f"must have at most 253 characters and match regex ^{_SYSCTL}$")
        elif name in seen:
            yield duplicate(at, name)
        dotted = name.replace("/", ".") if "/" in name.split(".", 1)[0] else name
        if spec.host_network and dotted.startswith("net."):
            yield invalid(at, name, "may not be specified when 'hostNetwork' is true")
        elif spec.host_ipc and dotted.startswith(_IPC_SYSCTLS):
            yield invalid(at, name, "may not be specified when 'hostIPC' is true")
        seen.add(name)


def _seccomp(path: str, profile: SeccompProfile | None) -> Errors:
    if profile is None:
        return
    if not profile.type:
        yield required(f"{path}.type", "type is required when seccompProfile is set")
    else:
        yield from one_of(f"{path}.type", profile.type, PROFILES)
    at = f"{path}.localhostProfile"
    if profile.type != "Localhost":
        if profile.localhost_profile is not None:
            yield invalid(at, profile, "can only be set when seccomp type is Localhost")
    elif profile.localhost_profile is None:
        yield required(at, "must be set when seccomp type is Localhost")
    else:
        yield from descending(at, profile.localhost_profile)


def _app_armor(path: str, profile: AppArmorProfile | None) -> Errors:
    if profile is None:
        return
    at, own = f"{path}.localhostProfile", profile.localhost_profile
    if profile.type == "Localhost":
        if not (own or "").strip():
            yield required(at, "must be set when AppArmor type is Localhost")
        elif own is not None and own.strip() != own:
            yield invalid(at, own, "must not be padded with whitespace")
        if own is not None and len(own) > _MAX_PROFILE:
            yield too_long(at, _MAX_PROFILE)
    elif not profile.type:
        yield required(f"{path}.type", "type is required when appArmorProfile is set")
    elif profile.type not in PROFILES:
        yield unsupported(f"{path}.type", profile.type, PROFILES)
    elif own is not None:
        yield invalid(at, own, "can only be set when AppArmor type is Localhost")
