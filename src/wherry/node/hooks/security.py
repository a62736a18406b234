"""Who a container's process is and what it may do: user, groups, capabilities, seccomp, sysctls, privileges.

A container's own word goes before its pod's. https://kubernetes.io/docs/tasks/configure-pod-container/security-context/
"""

from __future__ import annotations

from dataclasses import replace

from wherry.api.types.core import AppArmorProfile, PodSecurityContext, SeccompProfile, SecurityContext, SELinuxOptions
from wherry.node.facts import pod_text
from wherry.node.hooks.hook import Hook, HookFault, Scope, Starting
from wherry.node.runtime.interface import ContainerConfig, Profile, SandboxConfig, Security

MASKED = (
    "/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
    "/sys/devices/virtual/powercap",
)  # fmt: skip
_LAST_USER = 2**31 - 1
READONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


def seccomp(profile: SeccompProfile | None, scope: Scope) -> Profile:
    """The runtime's form of a profile. An empty file name is refused: it would mean no profile at all."""
    if profile is None or profile.type == "Unconfined":
        return Profile()
    if profile.type == "RuntimeDefault":
        return Profile("RuntimeDefault")
    if not profile.localhost_profile:
        raise HookFault("localhostProfile must be set if seccompProfile type is Localhost.")
    return Profile("Localhost", str(scope.config.root / "seccomp" / profile.localhost_profile))


def apparmor(profile: AppArmorProfile | None) -> Profile | None:
    """The runtime's form of a profile; None leaves it to the runtime."""
    match profile.type if profile else "":
        case "RuntimeDefault":
            return Profile("RuntimeDefault")
        case "Localhost" if profile is not None:
            return Profile("Localhost", profile.localhost_profile or "")
        case "Unconfined":
            return Profile()
        case _:
            return None


def selinux(options: SELinuxOptions | None) -> tuple[str, str, str, str] | None:
    """The runtime's form of a label."""
    return None if options is None else (options.user, options.role, options.type, options.level)


def check_not_root(scope: Scope, starting: Starting, user: int | None) -> None:
    """runAsNonRoot, checked against what the process will really run as. Raises HookFault."""
    own, pod = starting.spec.security_context, scope.pod.spec.security_context
    wanted = own.run_as_non_root if own and own.run_as_non_root is not None else pod and pod.run_as_non_root
    if not wanted:
        return
    where = f'(pod: "{pod_text(scope.pod)}", container: {starting.spec.name})'
    if user is not None:
        if user == 0:
            raise HookFault(f"container's runAsUser breaks non-root policy {where}")
        return
    image = starting.image.user.partition(":")[0]
    if image in ("", "0", "root"):
        raise HookFault(f"container has runAsNonRoot and image will run as root {where}")
    if not (image.isascii() and image.isdigit()):
        why = f"image has non-numeric user ({image}), cannot verify user is non-root"
        raise HookFault(f"container has runAsNonRoot and {why} {where}")
    if not 0 < int(image) <= _LAST_USER:  # 00 is root; a runtime may take what is beyond for it (CVE-2024-40635)
        raise HookFault(f"container has runAsNonRoot and image will run as root {where}")


class Privileges(Hook):
    """Contributes only; makes nothing."""

    def sandbox(self, scope: Scope, config: SandboxConfig) -> SandboxConfig:
        """The pause process and the pod's sysctls."""
        spec = scope.pod.spec
        pod = spec.security_context or PodSecurityContext()
        privileged = any(
            one.security_context is not None and bool(one.security_context.privileged)
            for one in (*spec.init_containers, *spec.containers)
        )
        security = Security(
            user=pod.run_as_user, group=pod.run_as_group if pod.run_as_user is not None else None,
            supplemental=_groups(pod), privileged=privileged, seccomp=Profile("RuntimeDefault"),
            selinux=selinux(pod.se_linux_options),
        )  # fmt: skip
        return replace(config, security=security, sysctls={one.name: one.value for one in pod.sysctls})

    async def container(self, scope: Scope, starting: Starting, config: ContainerConfig) -> ContainerConfig:
        """The container's process."""
        pod = scope.pod.spec.security_context or PodSecurityContext()
        own = starting.spec.security_context or SecurityContext()
        user = own.run_as_user if own.run_as_user is not None else pod.run_as_user
        group = own.run_as_group if own.run_as_group is not None else pod.run_as_group
        check_not_root(scope, starting, user)
        privileged = bool(own.privileged)
        image_user = starting.image.user.partition(":")[0]
        if user is None and image_user.isdigit():
            user = int(image_user)
        unmasked = own.proc_mount == "Unmasked"
        security = Security(
            user=user,
            group=group if user is not None or image_user == "" else None,
            username=image_user if user is None else "",
            supplemental=_groups(pod),
            strict_groups=pod.supplemental_groups_policy == "Strict",
            privileged=privileged,
            read_only_root=bool(own.read_only_root_filesystem),
            no_new_privileges=own.allow_privilege_escalation is False and not privileged,
            add_capabilities=own.capabilities.add if own.capabilities else (),
            drop_capabilities=own.capabilities.drop if own.capabilities else (),
            masked_paths=() if unmasked else MASKED,
            readonly_paths=() if unmasked else READONLY,
            seccomp=Profile() if privileged else seccomp(own.seccomp_profile or pod.seccomp_profile, scope),
            apparmor=apparmor(own.app_armor_profile or pod.app_armor_profile),
            selinux=selinux(own.se_linux_options or pod.se_linux_options),
        )
        if group is not None and security.user is None and not security.username:
            security = replace(security, user=0, group=group)
        return replace(config, security=security)


def _groups(pod: PodSecurityContext) -> tuple[int, ...]:
    return (*pod.supplemental_groups, *((pod.fs_group,) if pod.fs_group is not None else ()))
