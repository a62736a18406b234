"""Warnings about pods and templates: what is accepted, but hardly meant.

https://kubernetes.io/blog/2020/09/03/warnings/
Only new objects and changed templates are warned about; pods that are there are left alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from wherry.api.core.container_validation import AnyContainer
from wherry.api.core.podspec_validation import all_containers
from wherry.api.types.core import (
    ContainerPort,
    EnvVar,
    NodeAffinity,
    NodeSelectorTerm,
    Pod,
    PodAffinity,
    PodAntiAffinity,
    PodSecurityContext,
    PodSpec,
    PodTemplateSpec,
    SecurityContext,
)
from wherry.machinery.names import dns_label, label_value
from wherry.machinery.quantity import milli

_NODE_LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
    "app.kubernetes.io/created-by": "deprecated since v1.9",
    "node-role.kubernetes.io/master": 'use "node-role.kubernetes.io/control-plane" instead',
}
_OLD_VOLUMES = {
    "photon_persistent_disk": ("photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    "git_repo": ("gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
    "scale_io": ("scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    "flocker": ("flocker", "deprecated in v1.22, non-functional in v1.25+"),
    "storageos": ("storageOS", "deprecated in v1.22, non-functional in v1.25+"),
    "quobyte": ("quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    "glusterfs": ("glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    "cephfs": ("cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    "rbd": ("rbd", "deprecated in v1.28, non-functional in v1.31+"),
}
_OLD_ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": 'v1.16+; use the "priorityClassName" field instead',
    "security.alpha.kubernetes.io/sysctls": 'v1.11+; use the "sysctls" field instead',
    "security.alpha.kubernetes.io/unsafe-sysctls": 'v1.11+; use the "sysctls" field instead',
}
_SECCOMP = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_OF = "container.seccomp.security.alpha.kubernetes.io/"
_APPARMOR_OF = "container.apparmor.security.beta.kubernetes.io/"
_MATCHES_NONE = "a null labelSelector results in matching no pod"


def pod_warnings(new: Pod, old: Pod | None) -> Iterator[str]:
    """About a new pod."""
    if old is not None:
        return
    if problems := dns_label(new.metadata.name):
        yield (
            "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; "
            f"a DNS label is recommended: [{' '.join(problems)}]"
        )
    yield from spec_warnings("spec", new.spec)
    yield from _annotations("metadata", new.metadata.annotations, new.spec)


def template_warnings(path: str, new: PodTemplateSpec, old: PodTemplateSpec | None) -> Iterator[str]:
    """About a template, if it is new or has changed."""
    if new != old:
        yield from spec_warnings(f"{path}.spec", new.spec)
        yield from _annotations(f"{path}.metadata", new.metadata.annotations, new.spec)
        yield from _apparmor(f"{path}.metadata", new.metadata.annotations, new.spec)


def node_label_warning(label: str) -> str:
    """What to use in place of an old label of nodes; "" for any other."""
    return _NODE_LABELS.get(label, "")


def name_warning(name: str) -> Iterator[str]:
    """About the name of something that pods are named after."""
    if problems := dns_label(name):
        yield (
            "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; "
            f"a DNS label is recommended: [{' '.join(problems)}]"
        )


def workload_warnings(new: Any, old: Any) -> Iterator[str]:
    """About a workload with `spec.template`: its name when it is new, its template when that has changed."""
    if old is None:
        yield from name_warning(new.metadata.name)
    yield from template_warnings("spec.template", new.spec.template, old.spec.template if old else None)


def spec_warnings(path: str, spec: PodSpec) -> Iterator[str]:
    """About a pod spec."""
    yield from _placement(path, spec)
    for index, volume in enumerate(spec.volumes):
        for field, (wire, why) in _OLD_VOLUMES.items():
            if getattr(volume, field) is not None:
                yield f"{path}.volumes[{index}].{wire}: {why}"
    yield from _repeated(f"{path}.hostAliases", "ip", [alias.ip for alias in spec.host_aliases])
    secrets = [secret.name for secret in spec.image_pull_secrets]
    yield from _repeated(f"{path}.imagePullSecrets", "name", secrets)
    for index, name in enumerate(secrets):
        if not name:
            yield f'{path}.imagePullSecrets[{index}].name: invalid empty name ""'
    for at, container in all_containers(path, spec):
        yield from _container(at, container)
    yield from _ports(list(all_containers(path, spec)))


def _annotations(path: str, given: Mapping[str, str], spec: PodSpec) -> Iterator[str]:
    for key, why in _OLD_ANNOTATIONS.items():
        if key in given:
            yield f"{path}.annotations[{key}]: non-functional in {why}"
    own: list[tuple[str, PodSecurityContext | SecurityContext | None]] = [(_SECCOMP, spec.security_context)]
    own += [(f"{_SECCOMP_OF}{each.name}", each.security_context) for _, each in all_containers("", spec)]
    for key, context in own:
        if key in given and (context is None or context.seccomp_profile is None):
            yield f'{path}.annotations[{key}]: non-functional in v1.27+; use the "seccompProfile" field instead'


def _apparmor(path: str, given: Mapping[str, str], spec: PodSpec) -> Iterator[str]:
    for _, container in all_containers("", spec):
        key, context = f"{_APPARMOR_OF}{container.name}", container.security_context
        if key in given and (context is None or context.app_armor_profile is None):
            yield f'{path}.annotations[{key}]: deprecated since v1.30; use the "appArmorProfile" field instead'


def _repeated(path: str, field: str, values: Sequence[str]) -> Iterator[str]:
    for index, value in enumerate(values):
        if value in values[:index]:
            yield f'{path}[{index}].{field}: duplicate {field} "{value}"'


def _placement(path: str, spec: PodSpec) -> Iterator[str]:
    for label in spec.node_selector:
        if why := node_label_warning(label):
            yield f"{path}.nodeSelector[{label}]: {why}"
    for index, spread in enumerate(spec.topology_spread_constraints):
        at = f"{path}.topologySpreadConstraints[{index}]"
        if why := node_label_warning(spread.topology_key):
            yield f"{at}.topologyKey: {spread.topology_key} is {why}"
        if spread.label_selector is None:
            yield f"{at}.labelSelector: {_MATCHES_NONE}"
    if spec.affinity is None:
        return
    yield from _node_affinity(f"{path}.affinity.nodeAffinity", spec.affinity.node_affinity)
    both = (("podAffinity", spec.affinity.pod_affinity), ("podAntiAffinity", spec.affinity.pod_anti_affinity))
    for field, own in both:
        yield from _pod_affinity(f"{path}.affinity.{field}", own)


def _node_affinity(path: str, own: NodeAffinity | None) -> Iterator[str]:
    if own is None:
        return
    must = own.required_during_scheduling_ignored_during_execution
    for index, term in enumerate(must.node_selector_terms if must else ()):
        at = f"{path}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[{index}]"
        yield from node_term_warnings(at, term)
    for index, some in enumerate(own.preferred_during_scheduling_ignored_during_execution):
        at = f"{path}.preferredDuringSchedulingIgnoredDuringExecution[{index}].preference"
        yield from node_term_warnings(at, some.preference)
        for place, need in enumerate(some.preference.match_expressions):
            for number, value in enumerate(need.values):
                for problem in label_value(value):
                    yield f"{at}.matchExpressions[{place}].values[{number}]: {value} is invalid, {problem}"


def node_term_warnings(path: str, term: NodeSelectorTerm) -> Iterator[str]:
    """About old labels of nodes in a term."""
    for index, need in enumerate(term.match_expressions):
        if why := node_label_warning(need.key):
            yield f"{path}.matchExpressions[{index}].key: {need.key} is {why}"


def _pod_affinity(path: str, own: PodAffinity | PodAntiAffinity | None) -> Iterator[str]:
    if own is None:
        return
    for index, term in enumerate(own.required_during_scheduling_ignored_during_execution):
        if term.label_selector is None:
            yield f"{path}.requiredDuringSchedulingIgnoredDuringExecution[{index}].labelSelector: {_MATCHES_NONE}"
    for index, some in enumerate(own.preferred_during_scheduling_ignored_during_execution):
        if some.pod_affinity_term.label_selector is None:
            at = f"{path}.preferredDuringSchedulingIgnoredDuringExecution[{index}]"
            yield f"{at}.podAffinityTerm.labelSelector: {_MATCHES_NONE}"


def _container(path: str, container: AnyContainer) -> Iterator[str]:
    for side, amounts in (("limits", container.resources.limits), ("requests", container.resources.requests)):
        for name in ("memory", "ephemeral-storage"):
            if name in amounts and milli(amounts[name]) % 1000:
                why = f'fractional byte value "{amounts[name]}" is invalid, must be an integer'
                yield f"{path}.resources.{side}[{name}]: {why}"
    yield from _environment(f"{path}.env", container.env)


def _environment(path: str, variables: Sequence[EnvVar]) -> Iterator[str]:
    seen: set[str] = set()
    for index, variable in enumerate(variables):
        reference = f"$({variable.name})"
        extends = variable.value_from is None and variable.value != reference and reference in variable.value
        if variable.name in seen and not extends:
            hidden = f'hides previous definition of "{variable.name}", which may be dropped when using apply'
            yield f"{path}[{index}]: {hidden}"
        seen.add(variable.name)


def _ports(containers: Sequence[tuple[str, AnyContainer]]) -> Iterator[str]:
    known: dict[tuple[int, str], list[tuple[str, ContainerPort]]] = {}
    names: dict[str, str] = {}
    clashes: list[str] = []
    for path, container in containers:
        for index, port in enumerate(container.ports):
            at = f"{path}.ports[{index}]"
            if port.host_ip and not port.host_port:
                shown = f"Name:{port.name} HostPort:0 ContainerPort:{port.container_port} Protocol:{port.protocol}"
                yield f"{at}: hostIP set without hostPort: {{{shown} HostIP:{port.host_ip}}}"
            same = known.setdefault((port.container_port, port.protocol), [])
            yield from (f"{at}: {how} port definition with {other}" for other, how in _overlaps(port, same))
            same.append((at, port))
            if port.name in names:
                first = names[port.name]
                clashes.append(
                    f'{at}: duplicate port name "{port.name}" with {first}, services and probes that select ports by '
                    f"name will use {first}"
                )
            elif port.name:
                names[port.name] = at
    yield from clashes


def _overlaps(port: ContainerPort, others: Sequence[tuple[str, ContainerPort]]) -> Iterator[tuple[str, str]]:
    for at, other in others:
        if (port.host_ip, port.host_port) == (other.host_ip, other.host_port):
            yield at, "duplicate"
        elif not port.host_port or not other.host_port:
            yield at, "overlapping"
        elif port.host_port == other.host_port and (not port.host_ip) != (not other.host_ip):
            yield at, "dangerously ambiguous"
