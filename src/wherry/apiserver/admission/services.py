"""ServiceAllocation: Services get their cluster address and node ports, keep them over updates, and lose them with
their type. Numbers come from `wherry.apiserver.allocators`; what is reserved is given back when nothing is written.
https://kubernetes.io/docs/reference/networking/virtual-ips/
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from msgspec.structs import replace

from wherry.api.types.core import Service, ServicePort, ServiceSpec
from wherry.apiserver.admission.plugin import Plugin
from wherry.apiserver.allocators import Full, Network, Numbers, OutOfRange, Taken, numbers_of, owner_of
from wherry.apiserver.context import Context
from wherry.machinery.errors import InternalError
from wherry.machinery.validation import FieldError, invalid, refuse

if TYPE_CHECKING:
    from wherry.apiserver.api import Api

_ADDRESSED = ("ClusterIP", "NodePort", "LoadBalancer")


def _allocate(api: Api, ctx: Context[Service], service: Service, old: Service | None) -> Service:
    spec = service.spec
    if old is not None:
        spec = _dropped(_kept(spec, old.spec), old.spec)
    spec = _with_address(api, ctx, service, spec, old)
    spec = _with_ports(api, ctx, service, spec, old)
    return service if spec is service.spec else replace(service, spec=spec)


def _kept(spec: ServiceSpec, old: ServiceSpec) -> ServiceSpec:
    """What the client did not send back, but has been given before."""
    if spec.type in _ADDRESSED and old.type in _ADDRESSED:
        if not spec.cluster_ip and not spec.cluster_ips:
            spec = replace(spec, cluster_ip=old.cluster_ip, cluster_ips=old.cluster_ips)
        elif spec.cluster_ip == old.cluster_ip and not spec.cluster_ips:
            spec = replace(spec, cluster_ips=old.cluster_ips)
        if not spec.ip_families:
            spec = replace(spec, ip_families=old.ip_families)
        if spec.ip_family_policy is None:
            spec = replace(spec, ip_family_policy=old.ip_family_policy)
    if _has_node_ports(spec) and _has_node_ports(old):
        before = {(p.port, p.protocol): p.node_port for p in old.ports}
        asked = {p.node_port for p in spec.ports if p.node_port}
        ports = tuple(
            replace(p, node_port=given)
            if not p.node_port and (given := before.get((p.port, p.protocol), 0)) and given not in asked
            else p
            for p in spec.ports
        )
        spec = replace(spec, ports=ports)
    if _has_health_port(spec) and _has_health_port(old) and not spec.health_check_node_port:
        spec = replace(spec, health_check_node_port=old.health_check_node_port)
    return spec


def _dropped(spec: ServiceSpec, old: ServiceSpec) -> ServiceSpec:
    """What belongs to the type that the Service has no longer, if the client left it as it was."""
    if spec.type == "ExternalName" and old.type in _ADDRESSED and spec.cluster_ip == old.cluster_ip:
        spec = replace(spec, cluster_ip="", cluster_ips=(), ip_families=(), ip_family_policy=None)
    if not _has_node_ports(spec) and _has_node_ports(old):
        given = {p.node_port for p in old.ports}
        spec = replace(spec, ports=tuple(replace(p, node_port=0) if p.node_port in given else p for p in spec.ports))
    if not _has_health_port(spec) and spec.health_check_node_port == old.health_check_node_port:
        spec = replace(spec, health_check_node_port=0)
    return spec


def _has_node_ports(spec: ServiceSpec) -> bool:
    return spec.type in ("NodePort", "LoadBalancer")


def _wants_node_ports(spec: ServiceSpec) -> bool:
    return spec.type == "NodePort" or (
        spec.type == "LoadBalancer" and spec.allocate_load_balancer_node_ports is not False
    )


def _has_health_port(spec: ServiceSpec) -> bool:
    return spec.type == "LoadBalancer" and spec.external_traffic_policy == "Local"


def _with_address(
    api: Api, ctx: Context[Service], service: Service, spec: ServiceSpec, old: Service | None
) -> ServiceSpec:  # fmt: skip
    if spec.type not in _ADDRESSED:
        return spec
    given = spec.cluster_ip or (spec.cluster_ips[0] if spec.cluster_ips else "")
    changes = {} if spec.ip_family_policy else {"ip_family_policy": "SingleStack"}
    spec = replace(spec, ip_families=spec.ip_families or ("IPv4",), **changes)
    if given == "None":
        return replace(spec, cluster_ip="None", cluster_ips=("None",))
    addresses = api.allocators.addresses
    if not given:
        try:
            number = addresses.next(owner_of(service), api.random)
        except Full:
            raise InternalError("failed to allocate a serviceIP: range is full") from None
        _undo(ctx, addresses, number, owner_of(service))
        given = api.allocators.address(number)
    elif old is None or given not in (old.spec.cluster_ip, *old.spec.cluster_ips):
        _take_address(api, ctx, service, given)
    return replace(spec, cluster_ip=given, cluster_ips=spec.cluster_ips or (given,))


def _take_address(api: Api, ctx: Context[Service], service: Service, text: str) -> None:
    try:
        number = int(ipaddress.ip_address(text))
    except ValueError:
        return  # validation says what is wrong with it
    addresses = api.allocators.addresses
    try:
        addresses.take(number, owner_of(service))
    except OutOfRange:
        why = _why_out(api.allocators.network_of(number), text)
        _refuse(service, invalid("spec.clusterIPs", [text], f"failed to allocate IP {text}: {why}"))
    except Taken:
        _refuse(service, invalid(
            "spec.clusterIPs", [text], f"failed to allocate IP {text}: provided IP is already allocated"
        ))  # fmt: skip
    _undo(ctx, addresses, number, owner_of(service))


def _why_out(network: Network | None, text: str) -> str:
    if network is None:
        return "the provided network does not match the current range"
    return f"the provided IP ({text}) is not in the valid range. The range of valid IPs is {network}"


def _with_ports(
    api: Api, ctx: Context[Service], service: Service, spec: ServiceSpec, old: Service | None
) -> ServiceSpec:  # fmt: skip
    if not _has_node_ports(spec):
        return spec
    held = {number for kind, number in (numbers_of(old) if old is not None else ()) if kind == "port"}
    chosen: dict[int, set[str]] = {}
    ports: list[ServicePort] = []
    for index, port in enumerate(spec.ports):
        number = port.node_port
        if number and number not in held and port.protocol not in chosen.get(number, {port.protocol}):
            pass  # the same number for another protocol of this Service: one reservation serves both
        elif number and number not in held:
            _take_port(api, ctx, service, f"spec.ports[{index}].nodePort", number)
        elif not number and _wants_node_ports(spec):
            number = _next_port(api, ctx, service)
        if number:
            chosen.setdefault(number, set()).add(port.protocol)
        ports.append(port if number == port.node_port else replace(port, node_port=number))
    spec = replace(spec, ports=tuple(ports))
    if _has_health_port(spec) and not spec.health_check_node_port:
        spec = replace(spec, health_check_node_port=_next_port(api, ctx, service))
    elif _has_health_port(spec) and spec.health_check_node_port not in held:
        _take_port(api, ctx, service, "spec.healthCheckNodePort", spec.health_check_node_port)
    return spec


def _next_port(api: Api, ctx: Context[Service], service: Service) -> int:
    numbers = api.allocators.node_ports
    try:
        number = numbers.next(owner_of(service), api.random)
    except Full:
        raise InternalError("failed to allocate a nodePort: range is full") from None
    _undo(ctx, numbers, number, owner_of(service))
    return number


def _take_port(api: Api, ctx: Context[Service], service: Service, path: str, number: int) -> None:
    numbers = api.allocators.node_ports
    try:
        numbers.take(number, owner_of(service))
    except OutOfRange:
        _refuse(service, invalid(
            path, number, "provided port is not in the valid range. The range of valid ports is "
            f"{numbers.ranges[0].low}-{numbers.ranges[0].high}",
        ))  # fmt: skip
    except Taken:
        _refuse(service, invalid(path, number, "provided port is already allocated"))
    _undo(ctx, numbers, number, owner_of(service))


def _undo(ctx: Context[Service], numbers: Numbers, number: int, owner: str) -> None:
    ctx.undo.append(lambda: numbers.release(number, owner))


def _refuse(service: Service, problem: FieldError) -> None:
    raise refuse("", "Service", service.metadata.name, [problem])


PLUGIN = Plugin("ServiceAllocation", mutate=_allocate, resources=frozenset({"services"}), last=True)
