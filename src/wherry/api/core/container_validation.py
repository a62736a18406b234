"""Validation of containers: ordinary, init (with sidecars) and ephemeral ones.

https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#Container
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from wherry.api.checks import Errors, descending, named, no_backsteps, numbered, one_of, required_name, unsupported
from wherry.api.core.env_validation import env, env_from
from wherry.api.core.pod_resources import is_sidecar
from wherry.api.core.probe_validation import lifecycle, probes
from wherry.api.core.resource_validation import requirements
from wherry.api.core.security_validation import container_context
from wherry.api.core.volume_validation import PULL_POLICIES, Volumes, wire_name
from wherry.api.types.core import (
    Container,
    ContainerPort,
    ContainerResizePolicy,
    ContainerRestartRule,
    EphemeralContainer,
    PodSpec,
    VolumeDevice,
    VolumeMount,
)
from wherry.machinery.names import dns_label, port_name, port_number
from wherry.machinery.validation import duplicate, forbidden, invalid, not_found, required, too_many

PROTOCOLS = ("SCTP", "TCP", "UDP")
MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
RESTART_POLICIES = ("Always", "Never", "OnFailure")
_PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
_RECURSIVE = ("Disabled", "Enabled", "IfPossible")
_BIND_OPTIONS = ("nodev", "noexec", "nosuid")
_ACTIONS = ("Restart", "RestartAllContainers")
_NOT_FOR_INIT = "may not be set for init containers without restartPolicy=Always"
_NOT_FOR_EPHEMERAL = "cannot be set for an Ephemeral Container"
_EPHEMERAL_MAY_NOT = (
    "ports",
    "resources",
    "liveness_probe",
    "readiness_probe",
    "startup_probe",
    "lifecycle",
    "resize_policy",
    "restart_policy",
    "restart_policy_rules",
)

AnyContainer = Container | EphemeralContainer


@dataclass(frozen=True, slots=True)
class Around:
    """What a container's rules depend on in its pod."""

    volumes: Volumes
    claims: Collection[str]
    grace: int | None
    restart_policy: str
    host_users: bool


def containers(path: str, items: tuple[Container, ...], around: Around) -> Errors:
    """The ordinary containers of a pod."""
    if not items:
        yield required(path)
        return
    seen: set[str] = set()
    for index, container in enumerate(items):
        at = f"{path}[{index}]"
        yield from _shared(at, container, around)
        if container.name in seen:
            yield duplicate(f"{at}.name", container.name)
        seen.add(container.name)
        yield from lifecycle(f"{at}.lifecycle", container.lifecycle, around.grace)
        yield from _probes(at, container, around)
        yield from _restart(at, container.restart_policy, container.restart_policy_rules)
    yield from host_ports(path, items)


def init_containers(path: str, items: tuple[Container, ...], others: Iterable[Container], around: Around) -> Errors:
    """The init containers; those with restartPolicy Always are sidecars and may have probes and hooks."""
    seen = {other.name for other in others}
    for index, container in enumerate(items):
        at = f"{path}[{index}]"
        yield from _shared(at, container, around)
        yield from _restart(at, container.restart_policy, container.restart_policy_rules)
        if container.name in seen:
            yield duplicate(f"{at}.name", container.name)
        elif container.name:
            seen.add(container.name)
        yield from host_ports(path, (container,))
        if is_sidecar(container):
            yield from lifecycle(f"{at}.lifecycle", container.lifecycle, around.grace)
            yield from _probes(at, container, around)
            continue
        for field in ("lifecycle", "liveness_probe", "readiness_probe", "startup_probe"):
            if getattr(container, field) is not None:
                yield forbidden(f"{at}.{wire_name(container, field)}", _NOT_FOR_INIT)
        for place, policy in enumerate(container.resize_policy):
            if policy.restart_policy == "RestartContainer":
                why = "must not be set to 'RestartContainer' for non-sidecar initContainers"
                yield invalid(f"{at}.resizePolicy[{place}].restartPolicy", policy.restart_policy, why)


def ephemeral_containers(path: str, spec: PodSpec, around: Around) -> Errors:
    """Containers added to a running pod for debugging."""
    others = {container.name for container in (*spec.containers, *spec.init_containers)}
    seen = set(others)
    for index, container in enumerate(spec.ephemeral_containers):
        at = f"{path}[{index}]"
        yield from _shared(at, container, around)
        yield from image_text(f"{at}.image", container.image)
        if container.name in seen:
            yield duplicate(f"{at}.name", container.name)
        seen.add(container.name)
        if container.target_container_name and container.target_container_name not in others:
            yield not_found(f"{at}.targetContainerName", container.target_container_name)
        usual = EphemeralContainer()
        for field in _EPHEMERAL_MAY_NOT:
            if getattr(container, field) != getattr(usual, field):
                yield forbidden(f"{at}.{wire_name(container, field)}", _NOT_FOR_EPHEMERAL)
        for place, mount in enumerate(container.volume_mounts):
            if mount.sub_path:
                yield forbidden(f"{at}.volumeMounts[{place}].subPath", _NOT_FOR_EPHEMERAL)
            if mount.sub_path_expr:
                yield forbidden(f"{at}.volumeMounts[{place}].subPathExpr", _NOT_FOR_EPHEMERAL)


def image_text(path: str, image: str) -> Errors:
    """Pods (not templates) may not have spaces around an image's name."""
    if image != image.strip():
        yield invalid(path, image, "must not have leading or trailing whitespace")


# --- What all have ---


def _shared(path: str, container: AnyContainer, around: Around) -> Errors:
    yield from required_name(f"{path}.name", container.name, dns_label)
    if not container.image:
        yield required(f"{path}.image")
    yield from one_of(f"{path}.terminationMessagePolicy", container.termination_message_policy, MESSAGE_POLICIES)
    yield from _ports(f"{path}.ports", container.ports)
    yield from env(f"{path}.env", container.env)
    yield from env_from(f"{path}.envFrom", container.env_from)
    yield from _mounts(f"{path}.volumeMounts", container, around.volumes)
    yield from _devices(f"{path}.volumeDevices", container, around.volumes)
    yield from one_of(f"{path}.imagePullPolicy", container.image_pull_policy, PULL_POLICIES)
    yield from requirements(f"{path}.resources", container.resources, around.claims)
    yield from _resize(f"{path}.resizePolicy", container.resize_policy, around.restart_policy)
    yield from container_context(f"{path}.securityContext", container.security_context, host_users=around.host_users)


def _probes(path: str, container: Container, around: Around) -> Errors:
    return probes(path, container.liveness_probe, container.readiness_probe, container.startup_probe, around.grace)


def _ports(path: str, ports: tuple[ContainerPort, ...]) -> Errors:
    seen: set[str] = set()
    for index, port in enumerate(ports):
        at = f"{path}[{index}]"
        if port.name:
            problems = list(named(f"{at}.name", port.name, port_name))
            yield from problems
            if not problems and port.name in seen:
                yield duplicate(f"{at}.name", port.name)
            seen.add(port.name)
        if port.container_port:
            yield from numbered(f"{at}.containerPort", port.container_port, port_number)
        else:
            yield required(f"{at}.containerPort")
        if port.host_port:
            yield from numbered(f"{at}.hostPort", port.host_port, port_number)
        yield from one_of(f"{at}.protocol", port.protocol, PROTOCOLS)


def host_ports(path: str, items: Iterable[Container]) -> Errors:
    """No port of the host twice."""
    seen: set[str] = set()
    for index, container in enumerate(items):
        for place, port in enumerate(container.ports):
            if not port.host_port:
                continue
            key = f"{port.protocol}/{port.host_ip}/{port.host_port}"
            if key in seen:
                yield duplicate(f"{path}[{index}].ports[{place}].hostPort", key)
            seen.add(key)


# --- Volumes of a container ---


def _mounts(path: str, container: AnyContainer, volumes: Volumes) -> Errors:
    devices = {device.name: device.device_path for device in container.volume_devices}
    seen: set[str] = set()
    for index, mount in enumerate(container.volume_mounts):
        at = f"{path}[{index}]"
        if not mount.name:
            yield required(f"{at}.name")
        if mount.name not in volumes:
            yield not_found(f"{at}.name", mount.name)
        if not mount.mount_path:
            yield required(f"{at}.mountPath")
        if mount.mount_path in seen:
            yield invalid(f"{at}.mountPath", mount.mount_path, "must be unique")
        seen.add(mount.mount_path)
        if mount.name in devices:
            yield invalid(f"{at}.name", mount.name, "must not already exist in volumeDevices")
        if mount.mount_path in devices.values():
            yield invalid(f"{at}.mountPath", mount.mount_path, "must not already exist as a path in volumeDevices")
        yield from _mount_details(path, at, mount, container)


def _mount_details(path: str, at: str, mount: VolumeMount, container: AnyContainer) -> Errors:
    if mount.sub_path:
        yield from descending(f"{path}.subPath", mount.sub_path)
    if mount.sub_path_expr:
        if mount.sub_path:
            yield invalid(f"{at}.subPathExpr", mount.sub_path_expr, "subPathExpr and subPath are mutually exclusive")
        yield from descending(f"{path}.subPathExpr", mount.sub_path_expr)
    if mount.mount_propagation is not None:
        own = container.security_context
        if mount.mount_propagation not in _PROPAGATIONS:
            yield unsupported(f"{path}.mountPropagation", mount.mount_propagation, _PROPAGATIONS)
        if mount.mount_propagation == "Bidirectional" and not (own and own.privileged):
            why = "Bidirectional mount propagation is available only to privileged containers"
            yield forbidden(f"{path}.mountPropagation", why)
    yield from _recursive(f"{path}.recursiveReadOnly", mount)
    for index, option in enumerate(mount.bind_mount_options):
        if option not in _BIND_OPTIONS:
            yield unsupported(f"{at}.bindMountOptions[{index}]", option, _BIND_OPTIONS)


def _recursive(path: str, mount: VolumeMount) -> Errors:
    own = mount.recursive_read_only
    if own is None or own == "Disabled":
        return
    if own not in _RECURSIVE:
        yield unsupported(path, own, _RECURSIVE)
        return
    if not mount.read_only:
        yield forbidden(path, "may only be specified when readOnly is true")
    if mount.mount_propagation not in (None, "None"):
        yield forbidden(path, "may only be specified when mountPropagation is None or not specified")


def _devices(path: str, container: AnyContainer, volumes: Volumes) -> Errors:
    mounts = {mount.name: mount.mount_path for mount in container.volume_mounts}
    names: set[str] = set()
    paths: set[str] = set()
    for index, device in enumerate(container.volume_devices):
        yield from _device(f"{path}[{index}]", device, volumes, names, paths)
        if device.name in mounts:
            yield invalid(f"{path}[{index}].name", device.name, "must not already exist in volumeMounts")
        if device.device_path in mounts.values():
            why = "must not already exist as a path in volumeMounts"
            yield invalid(f"{path}[{index}].devicePath", device.device_path, why)


def _device(path: str, device: VolumeDevice, volumes: Volumes, names: set[str], paths: set[str]) -> Errors:
    volume = volumes.get(device.name)
    if not device.name:
        yield required(f"{path}.name")
    if device.name in names:
        yield invalid(f"{path}.name", device.name, "must be unique")
    if volume is None:
        yield not_found(f"{path}.name", device.name)
    elif volume.persistent_volume_claim is None and volume.ephemeral is None:
        why = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
        yield invalid(f"{path}.name", device.name, why)
    if not device.device_path:
        yield required(f"{path}.devicePath")
    if device.device_path in paths:
        yield invalid(f"{path}.devicePath", device.device_path, "must be unique")
    if any(no_backsteps(path, device.device_path)):
        yield invalid(f"{path}.devicePath", device.device_path, "can not contain backsteps ('..')")
    names.add(device.name)
    paths.add(device.device_path)


# --- Restarts and resizing ---


def _resize(path: str, policies: tuple[ContainerResizePolicy, ...], restart_policy: str) -> Errors:
    seen: set[str] = set()
    for index, policy in enumerate(policies):
        if policy.resource_name in seen:
            yield duplicate(f"{path}[{index}]", policy.resource_name)
        seen.add(policy.resource_name)
        yield from one_of(path, policy.resource_name, ("cpu", "memory"))
        yield from one_of(path, policy.restart_policy, ("NotRequired", "RestartContainer"))
        if restart_policy == "Never" and policy.restart_policy != "NotRequired":
            why = "must be 'NotRequired' when pod `restartPolicy` is 'Never'"
            yield invalid(path, policy.restart_policy, why)


def _restart(path: str, policy: str | None, rules: tuple[ContainerRestartRule, ...]) -> Errors:
    if policy is None and rules:
        yield required(f"{path}.restartPolicy", "must specify restartPolicy when restart rules are used")
    elif policy is not None and policy not in RESTART_POLICIES:
        yield unsupported(f"{path}.restartPolicy", policy, RESTART_POLICIES)
    if len(rules) > 20:
        yield too_many(f"{path}.restartPolicyRules", len(rules), 20)
    for index, rule in enumerate(rules):
        at = f"{path}.restartPolicyRules[{index}]"
        if rule.action not in _ACTIONS:
            yield unsupported(f"{at}.action", rule.action, _ACTIONS)
        if rule.exit_codes is None:
            yield required(f"{at}.exitCodes", "must be specified")
            continue
        if rule.exit_codes.operator not in ("In", "NotIn"):
            yield unsupported(f"{at}.exitCodes.operator", rule.exit_codes.operator, ("In", "NotIn"))
        if len(rule.exit_codes.values) > 255:
            yield too_many(f"{at}.exitCodes.values", len(rule.exit_codes.values), 255)
