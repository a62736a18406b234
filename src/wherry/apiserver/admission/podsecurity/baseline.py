"""The baseline standard: known ways from a pod to its node are closed. One function for each check. Pure.

https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
"""

from __future__ import annotations

from typing import Final

from wherry.api.types.core import LifecycleHandler, Probe, SELinuxOptions
from wherry.apiserver.admission.podsecurity.finding import (
    Check,
    Finding,
    Subject,
    containers,
    go_quoted,
    plural,
    quoted,
    setters,
    use,
)

CAPABILITIES: Final = frozenset((
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP",
    "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
))  # fmt: skip
PROFILES: Final = frozenset(("RuntimeDefault", "Localhost"))
_APPARMOR: Final = "container.apparmor.security.beta.kubernetes.io/"
_SECCOMP_POD: Final = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP: Final = "container.seccomp.security.alpha.kubernetes.io/"
_SYSCTLS: Final = (
    (0, ("kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies",
         "net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start")),
    (27, ("net.ipv4.ip_local_reserved_ports",)),
    (29, ("net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
          "net.ipv4.tcp_keepalive_probes")),
    (32, ("net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem")),
    (37, ("net.ipv4.tcp_slow_start_after_idle", "net.ipv4.tcp_notsent_lowat")),
)  # fmt: skip
SYSCTL_VERSIONS: Final = tuple(minor for minor, _ in _SYSCTLS)
_SELINUX: Final = frozenset(("", "container_t", "container_init_t", "container_kvm_t"))


def app_armor(pod: Subject) -> Finding | None:
    """Profiles of the node's own are used, never none; by field or by the old annotation."""
    own = pod.context.app_armor_profile if pod.context is not None else None
    bad_pod = own is not None and own.type not in PROFILES
    bad = [
        (name, context.app_armor_profile.type)
        for name, context in pod.secured()
        if context.app_armor_profile is not None and context.app_armor_profile.type not in PROFILES
    ]
    values = sorted({value for _, value in bad} | ({own.type} if own is not None and bad_pod else set()))
    annotated = sorted(
        f"{key}={go_quoted(value)}"
        for key, value in pod.annotations.items()
        if key.startswith(_APPARMOR) and value not in ("", "runtime/default") and not value.startswith("localhost/")
    )
    who = [setters([name for name, _ in bad], pod=bad_pod)] if bad or bad_pod else []
    who += [plural("annotation", len(annotated))] if annotated else []
    values += annotated
    if not who:
        return None
    return Finding(
        plural("forbidden AppArmor profile", len(values)),
        f"{' and '.join(who)} must not set AppArmor profile type to {quoted(values)}",
    )


def capabilities(pod: Subject) -> Finding | None:
    """Nothing is added beyond what containers have by default."""
    bad: list[str] = []
    added: set[str] = set()
    for name, context in pod.secured():
        more = set(context.capabilities.add) - CAPABILITIES if context.capabilities is not None else set()
        if more:
            bad.append(name)
            added |= more
    if not bad:
        return None
    detail = f"{containers(bad)} must not include {quoted(sorted(added))} in securityContext.capabilities.add"
    return Finding("non-default capabilities", detail)


def host_namespaces(pod: Subject) -> Finding | None:
    """None of the node's namespaces is shared."""
    spec = pod.spec
    shared = [("hostNetwork", spec.host_network), ("hostPID", spec.host_pid), ("hostIPC", spec.host_ipc)]
    found = [f"{name}=true" for name, given in shared if given]
    return Finding("host namespaces", ", ".join(found)) if found else None


def host_path_volumes(pod: Subject) -> Finding | None:
    """No folder of the node is mounted."""
    bad = [volume.name for volume in pod.spec.volumes if volume.host_path is not None]
    return Finding("hostPath volumes", f"{plural('volume', len(bad))} {quoted(bad)}") if bad else None


def host_ports(pod: Subject) -> Finding | None:
    """No port of the node is taken."""
    bad: list[str] = []
    numbers: set[str] = set()
    for container in pod.containers:
        taken = {str(port.host_port) for port in container.ports if port.host_port}
        if taken:
            bad.append(container.name)
            numbers |= taken
    if not bad:
        return None
    which = f"{plural('hostPort', len(numbers))} {', '.join(sorted(numbers))}"
    return Finding("hostPort", f"{containers(bad)} {use(bad)} {which}")


def host_probes(pod: Subject) -> Finding | None:
    """No probe or hook makes the node call somebody else (KEP-4940)."""
    bad: set[str] = set()
    hosts: set[str] = set()
    for container in pod.containers:
        handlers: list[Probe | LifecycleHandler | None] = [
            container.liveness_probe, container.readiness_probe, container.startup_probe
        ]  # fmt: skip
        if container.lifecycle is not None:
            handlers += [container.lifecycle.post_start, container.lifecycle.pre_stop]
        found = {host for handler in handlers for host in _hosts(handler)}
        if found:
            bad.add(container.name)
            hosts |= found
    if not bad:
        return None
    names = sorted(bad)
    which = f"{plural('probe or lifecycle host', len(hosts))} {quoted(sorted(hosts))}"
    return Finding("probe or lifecycle host", f"{containers(names)} {use(names)} {which}")


def _hosts(handler: Probe | LifecycleHandler | None) -> list[str]:
    actions = () if handler is None else (handler.http_get, handler.tcp_socket)
    return [action.host for action in actions if action is not None and action.host]


def privileged(pod: Subject) -> Finding | None:
    """No container is root on the node."""
    bad = [name for name, context in pod.secured() if context.privileged]
    if not bad:
        return None
    return Finding("privileged", f"{containers(bad)} must not set securityContext.privileged=true")


def proc_mount(pod: Subject) -> Finding | None:
    """/proc is masked as usual."""
    bad = [(n, c.proc_mount) for n, c in pod.secured() if c.proc_mount is not None and c.proc_mount != "Default"]
    if not bad:
        return None
    kinds = quoted(sorted({kind for _, kind in bad}))
    detail = f"{containers([name for name, _ in bad])} must not set securityContext.procMount to {kinds}"
    return Finding("procMount", detail)


def proc_mount_unless_own_users(pod: Subject) -> Finding | None:
    """The same, where root in the pod is root outside."""
    return None if pod.own_users else proc_mount(pod)


def se_linux(*more: str) -> Check:
    """SELinux types for containers alone, no user and no role."""
    allowed = _SELINUX | set(more)

    def check(pod: Subject) -> Finding | None:
        own = pod.context.se_linux_options if pod.context is not None else None
        bad_pod = own is not None and _bad(own)
        given = [(n, c.se_linux_options) for n, c in pod.secured() if c.se_linux_options is not None]
        bad = [(name, options) for name, options in given if _bad(options)]
        if not bad and not bad_pod:
            return None
        every = [options for _, options in bad] + ([own] if own is not None and bad_pod else [])
        types = sorted({options.type for options in every} - allowed)
        faults = [f"{plural('type', len(types))} {quoted(types)}"] if types else []
        faults += ["user may not be set"] if any(options.user for options in every) else []
        faults += ["role may not be set"] if any(options.role for options in every) else []
        who = setters([name for name, _ in bad], pod=bad_pod)
        detail = f"{who} set forbidden securityContext.seLinuxOptions: {'; '.join(faults)}"
        return Finding("seLinuxOptions", detail)

    def _bad(options: SELinuxOptions) -> bool:
        return options.type not in allowed or bool(options.user or options.role)

    return check


def seccomp_annotations(pod: Subject) -> Finding | None:
    """No profile is switched off by annotation, as it was done before 1.19."""
    keys = [_SECCOMP_POD, *(f"{_SECCOMP}{container.name}" for container in pod.containers)]
    bad = sorted(
        {
            f"{key}={go_quoted(value)}"
            for key in keys
            if (value := pod.annotations.get(key)) is not None
            and value not in ("runtime/default", "docker/default")
            and not value.startswith("localhost/")
        }
    )
    if not bad:
        return None
    return Finding("seccompProfile", f"forbidden {plural('annotation', len(bad))} {', '.join(bad)}")


def seccomp(pod: Subject) -> Finding | None:
    """No profile is switched off."""
    own = pod.context.seccomp_profile if pod.context is not None else None
    bad_pod = own is not None and own.type not in PROFILES
    bad = [
        (name, context.seccomp_profile.type)
        for name, context in pod.secured()
        if context.seccomp_profile is not None and context.seccomp_profile.type not in PROFILES
    ]
    if not bad and not bad_pod:
        return None
    types = {kind for _, kind in bad} | ({own.type} if own is not None and bad_pod else set())
    who = setters([name for name, _ in bad], pod=bad_pod)
    return Finding(
        "seccompProfile", f"{who} must not set securityContext.seccompProfile.type to {quoted(sorted(types))}"
    )


def sysctls(minor: int) -> Check:
    """Kernel settings that concern the pod alone, as known in a version."""
    allowed = frozenset(name for since, names in _SYSCTLS if since <= minor for name in names)

    def check(pod: Subject) -> Finding | None:
        given = pod.context.sysctls if pod.context is not None else ()
        bad = [sysctl.name for sysctl in given if sysctl.name not in allowed]
        return Finding("forbidden sysctls", ", ".join(bad)) if bad else None

    return check


def windows_host_process(pod: Subject) -> Finding | None:
    """No container is a process of a Windows node."""
    own = pod.context.windows_options if pod.context is not None else None
    bad_pod = own is not None and bool(own.host_process)
    bad = [n for n, c in pod.secured() if c.windows_options is not None and c.windows_options.host_process]
    if not bad and not bad_pod:
        return None
    who = setters(bad, pod=bad_pod)
    return Finding("hostProcess", f"{who} must not set securityContext.windowsOptions.hostProcess=true")
