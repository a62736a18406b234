"""Between the agent's plain data and CRI's protobuf messages, both ways. No I/O."""

from __future__ import annotations

from typing import Any

from cri_api.v1 import api_pb2 as pb

from wherry.node.runtime.interface import (
    DNS,
    Auth,
    Container,
    ContainerConfig,
    Image,
    Namespaces,
    Profile,
    Resources,
    Sandbox,
    SandboxConfig,
    Security,
    State,
    Stats,
)

_MODES: dict[str, Any] = {"pod": pb.POD, "container": pb.CONTAINER, "node": pb.NODE, "target": pb.TARGET}
_PROTOCOLS: dict[str, Any] = {"TCP": pb.TCP, "UDP": pb.UDP, "SCTP": pb.SCTP}
_PROPAGATION: dict[str, Any] = {
    "private": pb.PROPAGATION_PRIVATE,
    "host_to_container": pb.PROPAGATION_HOST_TO_CONTAINER,
    "bidirectional": pb.PROPAGATION_BIDIRECTIONAL,
}
_PROFILES: dict[str, Any] = {
    "RuntimeDefault": pb.SecurityProfile.RuntimeDefault,
    "Unconfined": pb.SecurityProfile.Unconfined,
    "Localhost": pb.SecurityProfile.Localhost,
}
_STATES = {
    pb.CONTAINER_CREATED: State.CREATED,
    pb.CONTAINER_RUNNING: State.RUNNING,
    pb.CONTAINER_EXITED: State.EXITED,
    pb.CONTAINER_UNKNOWN: State.UNKNOWN,
}
_NANO = 1_000_000_000


def _dns(dns: DNS) -> pb.DNSConfig:
    return pb.DNSConfig(servers=dns.servers, searches=dns.searches, options=dns.options)


def _namespaces(given: Namespaces) -> pb.NamespaceOption:
    return pb.NamespaceOption(
        network=_MODES[given.network], pid=_MODES[given.pid], ipc=_MODES[given.ipc], target_id=given.target
    )


def _profile(given: Profile) -> pb.SecurityProfile:
    return pb.SecurityProfile(profile_type=_PROFILES[given.kind], localhost_ref=given.file)


def _int(value: int | None) -> pb.Int64Value | None:
    return None if value is None else pb.Int64Value(value=value)


def _selinux(given: tuple[str, str, str, str] | None) -> pb.SELinuxOption | None:
    return pb.SELinuxOption(user=given[0], role=given[1], type=given[2], level=given[3]) if given else None


def sandbox_config(config: SandboxConfig) -> pb.PodSandboxConfig:
    """The message that asks for a sandbox."""
    security = config.security
    return pb.PodSandboxConfig(
        metadata=pb.PodSandboxMetadata(
            name=config.name, namespace=config.namespace, uid=config.uid, attempt=config.attempt
        ),
        hostname=config.hostname,
        log_directory=config.log_dir,
        dns_config=_dns(config.dns) if config.dns else None,
        port_mappings=[
            pb.PortMapping(
                protocol=_PROTOCOLS[port.protocol], container_port=port.container_port, host_port=port.host_port,
                host_ip=port.host_ip,
            )
            for port in config.ports
        ],
        labels=dict(config.labels),
        annotations=dict(config.annotations),
        linux=pb.LinuxPodSandboxConfig(
            cgroup_parent=config.cgroup_parent,
            sysctls=dict(config.sysctls),
            security_context=pb.LinuxSandboxSecurityContext(
                namespace_options=_namespaces(config.namespaces),
                run_as_user=_int(security.user),
                run_as_group=_int(security.group),
                supplemental_groups=security.supplemental,
                privileged=security.privileged,
                seccomp=_profile(security.seccomp),
                selinux_options=_selinux(security.selinux),
            ),
        ),
    )  # fmt: skip


def resources(given: Resources) -> pb.LinuxContainerResources:
    """The message that limits a container."""
    return pb.LinuxContainerResources(
        cpu_period=given.cpu_period, cpu_quota=given.cpu_quota, cpu_shares=given.cpu_shares,
        memory_limit_in_bytes=given.memory, oom_score_adj=given.oom_score_adj, cpuset_cpus=given.cpuset_cpus,
        cpuset_mems=given.cpuset_mems, unified=dict(given.unified),
        hugepage_limits=[pb.HugepageLimit(page_size=size, limit=limit) for size, limit in given.huge_pages],
    )  # fmt: skip


def _security(given: Security, namespaces: Namespaces) -> pb.LinuxContainerSecurityContext:
    policy = pb.SupplementalGroupsPolicy.Strict if given.strict_groups else pb.SupplementalGroupsPolicy.Merge
    return pb.LinuxContainerSecurityContext(
        capabilities=pb.Capability(add_capabilities=given.add_capabilities, drop_capabilities=given.drop_capabilities),
        privileged=given.privileged,
        namespace_options=_namespaces(namespaces),
        run_as_user=_int(given.user),
        run_as_group=_int(given.group),
        run_as_username=given.username,
        readonly_rootfs=given.read_only_root,
        supplemental_groups=given.supplemental,
        supplemental_groups_policy=policy,
        no_new_privs=given.no_new_privileges,
        masked_paths=given.masked_paths,
        readonly_paths=given.readonly_paths,
        seccomp=_profile(given.seccomp),
        apparmor=_profile(given.apparmor) if given.apparmor else None,
        selinux_options=_selinux(given.selinux),
    )


def container_config(config: ContainerConfig) -> pb.ContainerConfig:
    """The message that asks for a container."""
    return pb.ContainerConfig(
        metadata=pb.ContainerMetadata(name=config.name, attempt=config.attempt),
        image=pb.ImageSpec(image=config.image),
        command=config.command,
        args=config.args,
        working_dir=config.working_dir,
        envs=[pb.KeyValue(key=key, value=value) for key, value in config.env],
        mounts=[
            pb.Mount(
                container_path=one.container_path, host_path=one.host_path, readonly=one.readonly,
                propagation=_PROPAGATION[one.propagation],
            )
            for one in config.mounts
        ],
        devices=[
            pb.Device(container_path=one.container_path, host_path=one.host_path, permissions=one.permissions)
            for one in config.devices
        ],
        labels=dict(config.labels),
        annotations=dict(config.annotations),
        log_path=config.log_path,
        stdin=config.stdin,
        stdin_once=config.stdin_once,
        tty=config.tty,
        linux=pb.LinuxContainerConfig(
            resources=resources(config.resources), security_context=_security(config.security, config.namespaces)
        ),
    )  # fmt: skip


def auth(given: Auth) -> pb.AuthConfig:
    """Credentials for a pull."""
    return pb.AuthConfig(
        username=given.username, password=given.password, auth=given.auth, server_address=given.server,
        identity_token=given.identity_token,
    )  # fmt: skip


def sandbox(one: pb.PodSandbox) -> Sandbox:
    """A sandbox from a list."""
    meta = one.metadata
    return Sandbox(
        id=one.id, name=meta.name, namespace=meta.namespace, uid=meta.uid, attempt=meta.attempt,
        ready=one.state == pb.SANDBOX_READY, created=one.created_at / _NANO, labels=dict(one.labels),
        annotations=dict(one.annotations),
    )  # fmt: skip


def sandbox_status(one: pb.PodSandboxStatus) -> Sandbox:
    """A sandbox in full, with its addresses."""
    meta = one.metadata
    first = (one.network.ip,) if one.network.ip else ()
    return Sandbox(
        id=one.id, name=meta.name, namespace=meta.namespace, uid=meta.uid, attempt=meta.attempt,
        ready=one.state == pb.SANDBOX_READY, created=one.created_at / _NANO, labels=dict(one.labels),
        annotations=dict(one.annotations), ips=first + tuple(more.ip for more in one.network.additional_ips),
    )  # fmt: skip


def container(one: pb.Container) -> Container:
    """A container from a list."""
    return Container(
        id=one.id, sandbox=one.pod_sandbox_id, name=one.metadata.name, attempt=one.metadata.attempt,
        state=_STATES[one.state], created=one.created_at / _NANO, image=one.image.image, image_id=one.image_ref,
        labels=dict(one.labels), annotations=dict(one.annotations),
    )  # fmt: skip


def container_status(one: pb.ContainerStatus) -> Container:
    """A container in full, except for its sandbox, which CRI does not tell here."""
    return Container(
        id=one.id, sandbox="", name=one.metadata.name, attempt=one.metadata.attempt, state=_STATES[one.state],
        created=one.created_at / _NANO, image=one.image.image, image_id=one.image_ref, labels=dict(one.labels),
        annotations=dict(one.annotations), started=one.started_at / _NANO, finished=one.finished_at / _NANO,
        exit_code=one.exit_code, reason=one.reason, message=one.message, log_path=one.log_path, detailed=True,
    )  # fmt: skip


def image(one: pb.Image) -> Image:
    """An image; its user as the number, or the name, or ""."""
    user = str(one.uid.value) if one.HasField("uid") else one.username
    return Image(one.id, tuple(one.repo_tags), tuple(one.repo_digests), one.size, user, one.pinned)


def stats(one: pb.ContainerStats) -> Stats:
    """Use by one container."""
    memory, disk = one.memory, one.writable_layer
    return Stats(
        container=one.attributes.id, name=one.attributes.metadata.name, labels=dict(one.attributes.labels),
        at=max(one.cpu.timestamp, memory.timestamp) / _NANO, cpu_total=one.cpu.usage_core_nano_seconds.value,
        memory_working_set=memory.working_set_bytes.value, memory_usage=memory.usage_bytes.value,
        memory_rss=memory.rss_bytes.value, page_faults=memory.page_faults.value,
        major_page_faults=memory.major_page_faults.value, disk_used=disk.used_bytes.value,
        inodes_used=disk.inodes_used.value,
    )  # fmt: skip
