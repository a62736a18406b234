"""Validation of a pod spec, in a pod or in a template.

https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#PodSpec
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from wherry.api.checks import Errors, ip, label_map, named, one_of, required_name, unsupported
from wherry.api.core.container_validation import (
    AnyContainer,
    Around,
    containers,
    ephemeral_containers,
    init_containers,
)
from wherry.api.core.placement_validation import affinity, spread, tolerations
from wherry.api.core.pod_resources import container_totals
from wherry.api.core.resource_validation import (
    container_resource,
    is_huge_page,
    pod_resource,
    quantity_value,
    requirements,
)
from wherry.api.core.security_validation import pod_context
from wherry.api.core.volume_validation import Volumes, volumes
from wherry.api.types.core import (
    HostAlias,
    PodDNSConfig,
    PodResourceClaim,
    PodSchedulingGate,
    PodSpec,
)
from wherry.machinery.names import (
    dns_label,
    dns_subdomain,
    dns_subdomain_with_underscore,
    in_range,
    qualified_name,
)
from wherry.machinery.quantity import compare
from wherry.machinery.validation import FieldError, duplicate, forbidden, invalid, not_found, required, too_long

RESTART_POLICIES = ("Always", "OnFailure", "Never")
DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
MAX_NAMESERVERS = 3
MAX_SEARCHES = 32
MAX_SEARCH_CHARACTERS = 2048


def pod_spec(path: str, spec: PodSpec, pod_name: str = "", *, is_pod: bool = False) -> Errors:
    """Everything about a spec; `pod_name` is "" in a template, `is_pod` is False there."""
    if spec.termination_grace_period_seconds is None:
        yield required(f"{path}.terminationGracePeriodSeconds")
    known: Volumes = {}
    yield from volumes(f"{path}.volumes", spec.volumes, pod_name, known)
    claims = {claim.name for claim in spec.resource_claims if claim.name}
    yield from _claims(f"{path}.resourceClaims", spec.resource_claims)
    around = Around(
        volumes=known,
        claims=claims,
        grace=spec.termination_grace_period_seconds,
        restart_policy=spec.restart_policy,
        host_users=spec.host_users is not False,
    )
    yield from containers(f"{path}.containers", spec.containers, around)
    yield from init_containers(f"{path}.initContainers", spec.init_containers, spec.containers, around)
    yield from ephemeral_containers(f"{path}.ephemeralContainers", spec, around)
    yield from _pod_resources(path, spec, claims)
    yield from _host(path, spec, is_pod=is_pod)
    yield from _policies(path, spec)
    yield from _placement(path, spec)
    yield from _names(path, spec)
    yield from _overhead(path, spec)
    yield from _os(path, spec)
    yield from _file_keys(path, spec)


def all_containers(path: str, spec: PodSpec) -> Iterator[tuple[str, AnyContainer]]:
    """Every container with its path: init, ordinary, ephemeral."""
    for index, container in enumerate(spec.init_containers):
        yield f"{path}.initContainers[{index}]", container
    for index, container in enumerate(spec.containers):
        yield f"{path}.containers[{index}]", container
    for index, ephemeral in enumerate(spec.ephemeral_containers):
        yield f"{path}.ephemeralContainers[{index}]", ephemeral


# --- Policies and host ---


def _policies(path: str, spec: PodSpec) -> Errors:
    yield from one_of(f"{path}.restartPolicy", spec.restart_policy, RESTART_POLICIES)
    yield from one_of(f"{path}.dnsPolicy", spec.dns_policy, DNS_POLICIES)
    yield from _dns(f"{path}.dnsConfig", spec.dns_config, spec.dns_policy)
    yield from pod_context(f"{path}.securityContext", spec.security_context, spec)
    yield from one_of(f"{path}.preemptionPolicy", spec.preemption_policy, ("PreemptLowerPriority", "Never"))
    deadline = spec.active_deadline_seconds
    if deadline is not None:
        for problem in in_range(deadline, 1, 2**31 - 1):
            yield invalid(f"{path}.activeDeadlineSeconds", deadline, problem)


def _host(path: str, spec: PodSpec, *, is_pod: bool) -> Errors:
    if spec.host_network:
        yield from _host_network(f"{path}.containers", spec, is_pod=is_pod)
    if spec.share_process_namespace and spec.host_pid:
        why = "ShareProcessNamespace and HostPID cannot both be enabled"
        yield invalid(f"{path}.shareProcessNamespace", spec.share_process_namespace, why)
    if spec.host_users is False:
        for field, used in (("hostNetwork", spec.host_network), ("HostPID", spec.host_pid), ("HostIPC", spec.host_ipc)):
            if used:
                yield forbidden(f"{path}.{field}", "when `hostUsers` is false")
        for at, container in all_containers(path, spec):
            if container.volume_devices:
                yield forbidden(f"{at}.volumeDevices", "when `hostUsers` is false")


def _host_network(path: str, spec: PodSpec, *, is_pod: bool) -> Errors:
    for index, container in enumerate(spec.containers):
        for place, port in enumerate(container.ports):
            if (is_pod or port.host_port) and port.host_port != port.container_port:
                at = f"{path}[{index}].ports[{place}].hostPort"
                yield invalid(at, port.host_port, "must match `containerPort` when `hostNetwork` is true")


def _dns(path: str, config: PodDNSConfig | None, policy: str) -> Errors:
    if policy == "None":
        if config is None:
            yield required(path, "must provide `dnsConfig` when `dnsPolicy` is None")
            return
        if not config.nameservers:
            why = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            yield required(f"{path}.nameservers", why)
            return
    if config is None:
        return
    if len(config.nameservers) > MAX_NAMESERVERS:
        why = f"must not have more than {MAX_NAMESERVERS} nameservers"
        yield invalid(f"{path}.nameservers", config.nameservers, why)
    for index, server in enumerate(config.nameservers):
        yield from ip(f"{path}.nameservers[{index}]", server)
    yield from _searches(f"{path}.searches", config.searches)
    for index, option in enumerate(config.options):
        if not option.name:
            yield required(f"{path}.options[{index}]", "must not be empty")


def _searches(path: str, searches: tuple[str, ...]) -> Errors:
    if len(searches) > MAX_SEARCHES:
        yield invalid(path, searches, f"must not have more than {MAX_SEARCHES} search paths")
    if len(" ".join(searches)) > MAX_SEARCH_CHARACTERS:
        why = f"must not have more than {MAX_SEARCH_CHARACTERS} characters (including spaces) in the search list"
        yield invalid(path, searches, why)
    for index, domain in enumerate(searches):
        if domain != ".":
            yield from named(f"{path}[{index}]", domain.removesuffix("."), dns_subdomain_with_underscore)


# --- Placement and gates ---


def _placement(path: str, spec: PodSpec) -> Errors:
    yield from label_map(f"{path}.nodeSelector", spec.node_selector)
    yield from affinity(f"{path}.affinity", spec.affinity)
    for index, gate in enumerate(spec.readiness_gates):
        yield from named(f"{path}.readinessGates[{index}].conditionType", gate.condition_type, qualified_name)
    yield from _gates(f"{path}.schedulingGates", spec.scheduling_gates)
    yield from spread(f"{path}.topologySpreadConstraints", spec.topology_spread_constraints)
    yield from tolerations(f"{path}.tolerations", spec.tolerations)


def _gates(path: str, gates: tuple[PodSchedulingGate, ...]) -> Errors:
    seen: set[str] = set()
    for index, gate in enumerate(gates):
        yield from named(f"{path}[{index}]", gate.name, qualified_name)
        if gate.name in seen:
            yield duplicate(f"{path}[{index}]", gate.name)
        seen.add(gate.name)


# --- Names ---


def _names(path: str, spec: PodSpec) -> Errors:
    for field, name in (
        ("serviceAccountName", spec.service_account_name),
        ("nodeName", spec.node_name),
        ("priorityClassName", spec.priority_class_name),
    ):
        if name:
            yield from named(f"{path}.{field}", name, dns_subdomain)
    if spec.runtime_class_name is not None:
        yield from named(f"{path}.runtimeClassName", spec.runtime_class_name, dns_subdomain)
    for field, name in (("hostname", spec.hostname), ("subdomain", spec.subdomain)):
        if name:
            yield from named(f"{path}.{field}", name, dns_label)
    yield from _hostname_override(f"{path}.hostnameOverride", spec)
    yield from _host_aliases(f"{path}.hostAliases", spec.host_aliases)


def _hostname_override(path: str, spec: PodSpec) -> Errors:
    name = spec.hostname_override
    if name is None:
        return
    if spec.set_hostname_as_fqdn:
        yield forbidden(path, "may not be specified when setHostnameAsFQDN is true")
    if spec.host_network:
        yield forbidden(path, "may not be specified when hostNetwork is true")
    if len(name) > 64:
        yield too_long(path, 64)
    yield from named(path, name, dns_subdomain)


def _host_aliases(path: str, aliases: tuple[HostAlias, ...]) -> Errors:
    for index, alias in enumerate(aliases):
        yield from ip(f"{path}[{index}].ip", alias.ip)
        for place, name in enumerate(alias.hostnames):
            yield from named(f"{path}[{index}].hostnames[{place}]", name, dns_subdomain)


# --- Resources ---


def _claims(path: str, claims: tuple[PodResourceClaim, ...]) -> Errors:
    seen: set[str] = set()
    for index, claim in enumerate(claims):
        at = f"{path}[{index}]"
        if claim.name in seen:
            yield duplicate(f"{at}.name", claim.name)
        else:
            yield from required_name(f"{at}.name", claim.name, dns_label)
        seen.add(claim.name)
        by_name, by_template = claim.resource_claim_name, claim.resource_claim_template_name
        if by_name is not None and by_template is not None:
            why = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            yield invalid(at, claim, why)
        if by_name is None and by_template is None:
            yield invalid(at, claim, "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`")
        if by_name is not None:
            yield from named(f"{at}.resourceClaimName", by_name, dns_subdomain)
        if by_template is not None:
            yield from named(f"{at}.resourceClaimTemplateName", by_template, dns_subdomain)


def _pod_resources(path: str, spec: PodSpec, claims: Collection[str]) -> Errors:
    own = spec.resources
    if own is None:
        return
    at = f"{path}.resources"
    if own.claims:
        yield forbidden(f"{at}.claims", "claims may not be set for Resources at pod-level")
    yield from requirements(at, own, claims, pod_resource)
    for name, total in container_totals(spec, "requests").items():
        if name in own.requests and compare(total, own.requests[name]) > 0:
            why = f"must be greater than or equal to aggregate container requests of {total}"
            yield invalid(f"{at}.requests[{name}]", own.requests[name], why)
    for name, total in container_totals(spec, "limits").items():
        if is_huge_page(name) and name in own.limits and compare(total, own.limits[name]) > 0:
            why = f"must be greater than or equal to aggregate container limits of {total}"
            yield invalid(f"{at}.limits[{name}]", own.limits[name], why)
    for index, container in enumerate(spec.containers):
        for name, limit in container.resources.limits.items():
            if name in own.limits and compare(limit, own.limits[name]) > 0:
                why = f"must be less than or equal to pod limits of {own.limits[name]}"
                yield invalid(f"{at}.containers[{index}][{name}].limits", limit, why)


def _overhead(path: str, spec: PodSpec) -> Errors:
    for name, amount in spec.overhead.items():
        at = f"{path}.overhead.limits[{name}]"
        yield from container_resource(at, name)
        yield from quantity_value(at, name, amount)


def _os(path: str, spec: PodSpec) -> Errors:
    if spec.os is None:
        return
    if not spec.os.name:
        yield required(f"{path}.os.name")
    elif spec.os.name not in ("linux", "windows"):
        yield unsupported(f"{path}.os", spec.os.name, ("linux", "windows"))
    elif spec.os.name == "linux":
        why = "windows options cannot be set for a linux pod"
        if spec.security_context is not None and spec.security_context.windows_options is not None:
            yield forbidden(f"{path}.securityContext.windowsOptions", why)
        for at, container in all_containers(path, spec):
            if container.security_context is not None and container.security_context.windows_options is not None:
                yield forbidden(f"{at}.securityContext.windowsOptions", why)


def _file_keys(path: str, spec: PodSpec) -> Errors:
    sources = {volume.name: volume for volume in spec.volumes}
    for at, container in all_containers(path, spec):
        for index, variable in enumerate(container.env):
            ref = variable.value_from.file_key_ref if variable.value_from else None
            if ref is not None:
                yield from _file_key(f"{at}.env[{index}].valueFrom.fileKeyRef.volumeName", ref.volume_name, sources)


def _file_key(path: str, name: str, sources: Volumes) -> Iterator[FieldError]:
    if name not in sources:
        yield not_found(path, name)
    elif sources[name].empty_dir is None:
        yield invalid(path, name, "referenced volume must be of type emptyDir")
