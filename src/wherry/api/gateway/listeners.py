"""What becomes of each listener: which routes it can have, whether it can be served, and why not. Pure.

Gateways of ours have their addresses in common, since every node answers for all of them. So listeners of one port must
agree about its protocol; where they do not, those of one Gateway are all refused, and of several the older stays. A
Gateway with an address of its own (`addresses.py`) has all ports to itself.
https://gateway-api.sigs.k8s.io/reference/spec/#listenerconditiontype
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from wherry.api.gateway.addresses import address_of, owns
from wherry.api.gateway.kinds import Gateway, Listener, RouteKind
from wherry.api.gateway.world import Verdict, World
from wherry.machinery.meta import Key, key_of

PROTOCOLS = ("HTTP", "HTTPS")
_ENTRY = {80: "HTTP", 443: "HTTPS"}
"""Ports that the entry has in any case."""
HTTP_ROUTE = RouteKind(kind="HTTPRoute")
_FINE = Verdict("True", "Accepted", "the listener is served")
_RESOLVED = Verdict("True", "ResolvedRefs", "everything it refers to is there")
_ALONE = Verdict("False", "NoConflicts", "no other listener claims the same")


@dataclass(frozen=True, slots=True)
class Judged:
    """One listener of a Gateway with what is to be said of it."""

    gateway: Gateway
    listener: Listener
    kinds: tuple[RouteKind, ...]
    accepted: Verdict
    resolved: Verdict
    conflicted: Verdict
    secrets: tuple[Key, ...] = ()
    """Its certificates, those that it may use."""
    address: str | None = None
    """The Gateway's own, "" while it has none yet; None where it shares those of the nodes."""

    @property
    def served(self) -> bool:
        """Whether requests reach it."""
        usable = self.accepted.true and refused(self.gateway) is None and (not self.secure or bool(self.secrets))
        return usable and self.address != ""

    @property
    def programmed(self) -> Verdict:
        """What of it is in force."""
        if self.served:
            return Verdict("True", "Programmed", "the listener is served")
        why = (refused(self.gateway), self.accepted, self.resolved)
        first = next((one for one in why if one is not None and not one.true), None)
        if first is None:
            return Verdict("False", "Pending", "the Gateway has no address yet")
        return Verdict("False", "Invalid", first.message)

    @property
    def secure(self) -> bool:
        """Whether TLS ends here."""
        return self.listener.protocol == "HTTPS"


def refused(gateway: Gateway) -> Verdict | None:
    """Why nothing of a Gateway is served; None where that is not so."""
    own = gateway.spec.infrastructure
    if own is not None and own.parameters_ref is not None:
        return Verdict("False", "InvalidParameters", "a Gateway of wherry has no parameters")
    if gateway.spec.tls:
        return Verdict("False", "Invalid", "spec.tls (certificates of clients and for backends) is not served")
    kinds = [one.type for one in gateway.spec.addresses if one.type != "IPAddress"]
    if kinds:
        return Verdict("False", "UnsupportedAddress", f"addresses of the type {kinds[0]} are not served")
    return None


Judgement = Mapping[Key, tuple[Judged, ...]]


def judge(world: World) -> Judgement:
    """Every listener of every Gateway of ours."""
    ports: dict[int, tuple[str, Key]] = {}
    found: dict[Key, tuple[Judged, ...]] = {}
    for gateway in world.ours():
        key = key_of(gateway)
        if owns(gateway, world.classes):
            found[key] = tuple(_own(world, gateway, one) for one in gateway.spec.listeners)
            continue
        found[key] = tuple(_judge(world, gateway, one, ports) for one in gateway.spec.listeners)
        for judged in found[key]:
            if judged.accepted.true:
                ports.setdefault(judged.listener.port, (judged.listener.protocol, key))
    return found


def _judge(world: World, gateway: Gateway, listener: Listener, ports: Mapping[int, tuple[str, Key]]) -> Judged:
    kinds, wrong = _kinds(listener)
    secrets, resolved = _certificates(world, gateway, listener)
    conflicted = _conflict(gateway, listener, ports)
    accepted = _accepted(listener, conflicted)
    if accepted.true:
        accepted = _on_nodes(world, listener)
    return Judged(gateway, listener, kinds, accepted, wrong or resolved, conflicted, secrets)


def _own(world: World, gateway: Gateway, listener: Listener) -> Judged:
    """On an address of the Gateway's own."""
    kinds, wrong = _kinds(listener)
    secrets, resolved = _certificates(world, gateway, listener)
    conflicted = _conflict(gateway, listener, {})
    return Judged(
        gateway, listener, kinds, _accepted(listener, conflicted), wrong or resolved, conflicted, secrets,
        address_of(gateway, world.services),
    )  # fmt: skip


def _kinds(listener: Listener) -> tuple[tuple[RouteKind, ...], Verdict | None]:
    if listener.protocol not in PROTOCOLS:
        return (), None
    asked = listener.allowed_routes.kinds
    if not asked:
        return (HTTP_ROUTE,), None
    wrong = next((one for one in asked if one != HTTP_ROUTE), None)
    supported = (HTTP_ROUTE,) if HTTP_ROUTE in asked else ()
    if wrong is None:
        return supported, None
    return supported, Verdict("False", "InvalidRouteKinds", f"routes of kind {wrong.kind}.{wrong.group} are not served")


def _accepted(listener: Listener, conflicted: Verdict) -> Verdict:
    if listener.protocol not in PROTOCOLS:
        return Verdict("False", "UnsupportedProtocol", f"the protocol {listener.protocol} is not served")
    if listener.tls is not None and listener.tls.mode != "Terminate":
        return Verdict("False", "UnsupportedValue", f"the TLS mode {listener.tls.mode} is not served")
    if conflicted.true:
        return Verdict("False", conflicted.reason, conflicted.message)
    return _FINE


def _on_nodes(world: World, listener: Listener) -> Verdict:
    """Whether the nodes have the port for it."""
    if _ENTRY.get(listener.port, listener.protocol) != listener.protocol:
        return Verdict("False", "PortUnavailable", f"port {listener.port} is for {_ENTRY[listener.port]}")
    if listener.port in world.taken:
        return Verdict("False", "PortUnavailable", f"port {listener.port} is taken: {world.taken[listener.port]}")
    return _FINE


def _conflict(gateway: Gateway, listener: Listener, ports: Mapping[int, tuple[str, Key]]) -> Verdict:
    """Within the Gateway both sides are refused, between Gateways the younger one."""
    if listener.protocol not in PROTOCOLS:
        return _ALONE
    for other in gateway.spec.listeners:
        if other is listener or other.port != listener.port or other.protocol not in PROTOCOLS:
            continue
        if other.protocol != listener.protocol:
            why = f"the listener {other.name!r} has port {listener.port} for {other.protocol}"
            return Verdict("True", "ProtocolConflict", why)
        if other.hostname.lower() == listener.hostname.lower():
            why = f"the listener {other.name!r} has port {listener.port} and the same host name"
            return Verdict("True", "HostnameConflict", why)
    protocol, owner = ports.get(listener.port, (listener.protocol, None))
    if protocol != listener.protocol:
        return Verdict("True", "ProtocolConflict", f"the older Gateway {owner} has port {listener.port} for {protocol}")
    return _ALONE


def _certificates(world: World, gateway: Gateway, listener: Listener) -> tuple[tuple[Key, ...], Verdict]:
    """Those that can be used, and what is wrong with the first that cannot."""
    if listener.protocol != "HTTPS":
        return (), _RESOLVED
    refs = listener.tls.certificate_refs if listener.tls is not None else ()
    usable: list[Key] = []
    wrong: Verdict | None = None if refs else Verdict("False", "InvalidCertificateRef", "it names no certificate")
    for ref in refs:
        key = Key(ref.namespace or gateway.metadata.namespace, ref.name)
        if ref.group != "" or ref.kind != "Secret":
            bad = Verdict("False", "InvalidCertificateRef", f"{ref.kind}.{ref.group} is no kind of certificate")
        elif not world.permitted("Gateway", gateway.metadata.namespace, "Secret", key):
            bad = Verdict("False", "RefNotPermitted", f"no ReferenceGrant of {key.namespace} permits the Secret {key}")
        elif why := world.secrets.get(key, ""):
            bad = Verdict("False", "InvalidCertificateRef", f"the Secret {key}: {why}")
        else:
            usable.append(key)
            continue
        wrong = wrong or bad
    return tuple(usable), wrong or _RESOLVED


def all_of(judgement: Judgement) -> Iterable[Judged]:
    """Every listener, those of older Gateways first."""
    return (one for found in judgement.values() for one in found)
