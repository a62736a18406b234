"""World: everything that decides what Gateways and routes do, as one finds it in the API. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from wherry.api.gateway.bundle import GROUP
from wherry.api.gateway.kinds import Gateway, GatewayClass, HTTPRoute, ReferenceGrant
from wherry.api.types.core import Service
from wherry.machinery.meta import Key, Object, key_of

CONTROLLER = "wherry.dev/gateway"
"""Whose GatewayClasses wherry serves."""


class Verdict(NamedTuple):
    """What a condition is to say."""

    status: str
    reason: str
    message: str = ""

    @property
    def true(self) -> bool:
        """Whether it says True."""
        return self.status == "True"


@dataclass(frozen=True, slots=True)
class World:
    """`namespaces`: labels by name. `grants`: by namespace. `secrets`: why one cannot be served, "" where it can; those
    that nobody has looked at are taken to be well. `taken`: ports that the nodes have no use of."""

    classes: Mapping[str, GatewayClass] = field(default_factory=dict)
    gateways: Mapping[Key, Gateway] = field(default_factory=dict)
    routes: Mapping[Key, HTTPRoute] = field(default_factory=dict)
    grants: Mapping[str, tuple[ReferenceGrant, ...]] = field(default_factory=dict)
    namespaces: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    services: Mapping[Key, Service] = field(default_factory=dict)
    secrets: Mapping[Key, str] = field(default_factory=dict)
    taken: Mapping[int, str] = field(default_factory=dict)

    def ours(self) -> list[Gateway]:
        """The Gateways that are wherry's to serve, older ones first."""
        found = (one for one in self.gateways.values() if served(one, self.classes))
        return sorted(found, key=age)

    def permitted(self, kind: str, namespace: str, target: str, key: Key) -> bool:
        """Whether a Gateway or HTTPRoute of a namespace may refer to an object: a Secret or a Service."""
        return namespace == key.namespace or any(
            _grants(grant, kind, namespace, target, key.name) for grant in self.grants.get(key.namespace, ())
        )


def _grants(grant: ReferenceGrant, kind: str, namespace: str, target: str, name: str) -> bool:
    comes = any(one.group == GROUP and one.kind == kind and one.namespace == namespace for one in grant.spec.from_)
    return comes and any(
        one.group == "" and one.kind == target and one.name in (None, "", name) for one in grant.spec.to
    )


def served(gateway: Gateway, classes: Mapping[str, GatewayClass]) -> bool:
    """Whether a Gateway is of a class that is wherry's and that it accepts."""
    found = classes.get(gateway.spec.gateway_class_name)
    return (
        found is not None
        and found.spec.controller_name == CONTROLLER
        and found.spec.parameters_ref is None
        and gateway.metadata.deletion_timestamp is None
    )


def age(obj: Object) -> tuple[str, str, str]:
    """Sorts objects: who comes first keeps what both claim."""
    return (obj.metadata.creation_timestamp or "", obj.metadata.namespace, obj.metadata.name)


def by_namespace(grants: Iterable[ReferenceGrant]) -> dict[str, tuple[ReferenceGrant, ...]]:
    """Grants as `World` has them."""
    found: dict[str, tuple[ReferenceGrant, ...]] = {}
    for grant in grants:
        found[grant.metadata.namespace] = (*found.get(grant.metadata.namespace, ()), grant)
    return found


def certificates(gateway: Gateway) -> Iterable[Key]:
    """The Secrets that the listeners of a Gateway name."""
    for listener in gateway.spec.listeners:
        for ref in listener.tls.certificate_refs if listener.tls is not None else ():
            if ref.group == "" and ref.kind == "Secret":
                yield Key(ref.namespace or key_of(gateway).namespace, ref.name)
