"""From a Service and its pods to addresses and ports: what EndpointSlices and Endpoints have in common.

https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from wherry.api.core.pod import POD, condition, is_sidecar, is_terminal
from wherry.api.core.service import SERVICE
from wherry.api.types.core import ObjectReference, Pod, Service, ServicePort
from wherry.machinery.meta import Key, key_of
from wherry.reconcile.view import Index, View

HEADLESS = "service.kubernetes.io/headless"


def _labels_of(pod: Pod) -> Iterator[str]:
    return (f"{pod.metadata.namespace}/{name}={value}" for name, value in pod.metadata.labels.items())


def _first_of(service: Service) -> Iterator[str]:
    if service.spec.selector:
        name, value = min(service.spec.selector.items())
        yield f"{service.metadata.namespace}/{name}={value}"


_PODS = Index(POD, _labels_of)
_SERVICES = Index(SERVICE, _first_of)
"""A Service selects only pods that carry the first pair of its selector: nobody walks through a whole namespace."""


def members(view: View, service: Service) -> Sequence[Pod]:
    """Pods that the selector matches, that have an address and have not ended; oldest first."""
    wanted = service.spec.selector.items()
    found = (
        pod
        for pod in view.indexed(_PODS, next(_first_of(service), ""))
        if wanted <= pod.metadata.labels.items() and not is_terminal(pod) and address(pod)
    )
    return sorted(found, key=lambda pod: (pod.metadata.creation_timestamp or "", pod.metadata.name))


def address(pod: Pod) -> str:
    """Its IPv4 address, or ""."""
    known = (pod.status.pod_ip, *(entry.ip for entry in pod.status.pod_ips))
    return next((ip for ip in known if ip and ":" not in ip), "")


def target_port(pod: Pod, port: ServicePort) -> int | None:
    """The number behind a Service port on this pod; None if it has no port of that name."""
    target = port.target_port
    if target is None or target in (0, ""):
        return port.port
    if isinstance(target, int):
        return target
    if target.isdecimal():
        return int(target)
    sidecars = (c for c in pod.spec.init_containers if is_sidecar(c))
    for container in chain(pod.spec.containers, sidecars):
        for named in container.ports:
            if named.name == target and (named.protocol or "TCP") == (port.protocol or "TCP"):
                return named.container_port
    return None


def has_named_targets(service: Service) -> bool:
    """Whether ports differ from pod to pod."""
    return any(isinstance(port.target_port, str) for port in service.spec.ports)


def hostname(service: Service, pod: Pod) -> str | None:
    """The name under which cluster DNS knows this pod within a headless Service."""
    return pod.spec.hostname if pod.spec.hostname and pod.spec.subdomain == service.metadata.name else None


def reference_to(pod: Pod) -> ObjectReference:
    """`targetRef` of an address."""
    meta = pod.metadata
    return ObjectReference(kind="Pod", namespace=meta.namespace, name=meta.name, uid=meta.uid)


def is_headless(service: Service) -> bool:
    """No virtual address: DNS answers with the pods'."""
    return service.spec.cluster_ip == "None"


def services_of(view: View, pod: Pod) -> Iterator[Key]:
    """The Services that select this pod."""
    labels = pod.metadata.labels.items()
    for pair in _labels_of(pod):
        for service in view.indexed(_SERVICES, pair):
            if service.spec.selector.items() <= labels:
                yield key_of(service)


def pod_matters(old: Pod, new: Pod) -> bool:
    """Whether an update changes anything that addresses show."""
    return _visible(old) != _visible(new)


def _visible(pod: Pod) -> tuple[object, ...]:
    ready = condition(pod, "Ready")
    return (
        pod.metadata.labels,
        pod.metadata.uid,
        pod.metadata.deletion_timestamp is None,
        pod.status.phase,
        pod.status.pod_ip,
        pod.status.pod_ips,
        pod.spec.node_name,
        ready is not None and ready.status == "True",
    )
