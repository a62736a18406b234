"""Defaults of pods and of everything that has a pod template.

https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/
Some defaults apply to pods only, never to templates, so that a template stays what its author wrote: requests taken
from limits, host ports taken from container ports, enableServiceLinks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from msgspec.structs import replace

from wherry.api.core.images import pull_policy_of
from wherry.api.core.volume_defaults import default_field_ref, default_resource_ref, default_volume
from wherry.api.defaulting import each, fill, fill_zero, within
from wherry.api.types.core import (
    Container,
    ContainerPort,
    EnvVar,
    EnvVarSource,
    EphemeralContainer,
    FileKeySelector,
    GRPCAction,
    HTTPGetAction,
    Lifecycle,
    LifecycleHandler,
    Pod,
    PodIP,
    PodSecurityContext,
    PodSpec,
    PodStatus,
    PodTemplateSpec,
    Probe,
    ResourceRequirements,
    TCPSocketAction,
)
from wherry.machinery.quantity import from_milli, milli

C = TypeVar("C", Container, EphemeralContainer)


# --- Containers ---


def _http(action: HTTPGetAction) -> HTTPGetAction:
    return fill(action, path="/", scheme="HTTP", port=0)


def _tcp(action: TCPSocketAction) -> TCPSocketAction:
    return fill(action, port=0)


def _grpc(action: GRPCAction) -> GRPCAction:
    return replace(action, service="") if action.service is None else action


def _probe(probe: Probe) -> Probe:
    probe = fill_zero(probe, timeout_seconds=1, period_seconds=10, success_threshold=1, failure_threshold=3)
    return within(probe, http_get=_http, tcp_socket=_tcp, grpc=_grpc)


def _handler(handler: LifecycleHandler) -> LifecycleHandler:
    return within(handler, http_get=_http, tcp_socket=_tcp)


def _lifecycle(lifecycle: Lifecycle) -> Lifecycle:
    return within(lifecycle, post_start=_handler, pre_stop=_handler)


def _port(port: ContainerPort) -> ContainerPort:
    return fill(port, protocol="TCP")


def _file_key(ref: FileKeySelector) -> FileKeySelector:
    return fill(ref, optional=False)


def _value_from(source: EnvVarSource) -> EnvVarSource:
    return within(source, field_ref=default_field_ref, resource_field_ref=default_resource_ref, file_key_ref=_file_key)


def _env(variable: EnvVar) -> EnvVar:
    return within(variable, value_from=_value_from)


def default_container(container: C) -> C:
    """One container of any sort."""
    container = fill(
        container,
        image_pull_policy=pull_policy_of(container.image),
        termination_message_path="/dev/termination-log",
        termination_message_policy="File",
    )
    return within(
        container,
        resources=_resources,
        ports=each(_port),
        env=each(_env),
        liveness_probe=_probe,
        readiness_probe=_probe,
        startup_probe=_probe,
        lifecycle=_lifecycle,
    )


def _amounts(given: Mapping[str, str]) -> Mapping[str, str]:
    """Amounts finer than a thousandth are rounded up."""
    if not any(amount.endswith(("u", "n")) for amount in given.values()):
        return given
    return {name: from_milli(milli(amount)) if amount[-1] in "un" else amount for name, amount in given.items()}


def _resources(own: ResourceRequirements) -> ResourceRequirements:
    return within(own, limits=_amounts, requests=_amounts)


# --- Specs and templates ---


def default_pod_spec(spec: PodSpec) -> PodSpec:
    """A pod spec, in a pod or a template."""
    spec = fill(
        spec,
        dns_policy="ClusterFirst",
        restart_policy="Always",
        security_context=PodSecurityContext(),
        termination_grace_period_seconds=30,
        scheduler_name="default-scheduler",
        service_account_name=spec.service_account,
    )
    if spec.service_account != spec.service_account_name:
        spec = replace(spec, service_account=spec.service_account_name)
    return within(
        spec,
        volumes=each(default_volume),
        containers=each(default_container),
        init_containers=each(default_container),
        ephemeral_containers=each(default_container),
    )


def default_template(template: PodTemplateSpec) -> PodTemplateSpec:
    """The template of a workload."""
    return within(template, spec=default_pod_spec)


# --- Pods ---


def _requests_from_limits(container: Container) -> Container:
    own = container.resources
    missing = {name: amount for name, amount in own.limits.items() if name not in own.requests}
    if not missing:
        return container
    return replace(container, resources=replace(own, requests={**own.requests, **missing}))


def _host_port(port: ContainerPort) -> ContainerPort:
    return fill_zero(port, host_port=port.container_port)


def _host_ports(container: Container) -> Container:
    return within(container, ports=each(_host_port))


def _status(status: PodStatus) -> PodStatus:
    """podIP and podIPs[0] are the same; podIP wins."""
    if status.pod_ip and (not status.pod_ips or status.pod_ips[0].ip != status.pod_ip):
        return replace(status, pod_ips=(PodIP(ip=status.pod_ip),))
    if not status.pod_ip and status.pod_ips:
        return replace(status, pod_ip=status.pod_ips[0].ip)
    return status


def default_pod(pod: Pod) -> Pod:
    """A pod: the defaults of its spec, and those that only pods have."""
    spec = pod.spec
    if spec.termination_grace_period_seconds is not None and spec.termination_grace_period_seconds < 0:
        spec = replace(spec, termination_grace_period_seconds=1)
    spec = fill(default_pod_spec(spec), enable_service_links=True)
    spec = within(spec, containers=each(_requests_from_limits), init_containers=each(_requests_from_limits))
    if spec.host_network:
        spec = within(spec, containers=each(_host_ports), init_containers=each(_host_ports))
    status = _status(pod.status)
    return pod if spec is pod.spec and status is pod.status else replace(pod, spec=spec, status=status)
