"""What controllers of the Gateway API see: the View as a `World`, and whom its changes wake. Pure.

Objects of custom kinds come as JSON; what has been read of one is kept until the object is another.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import Generic

from wherry.api.core.namespace import NAMESPACE
from wherry.api.core.node import NODE
from wherry.api.core.secret import SECRET
from wherry.api.core.service import SERVICE
from wherry.api.gateway.backends import mirrored
from wherry.api.gateway.hostnames import intersection
from wherry.api.gateway.kinds import GATEWAY, GATEWAYCLASS, HTTPROUTE, REFERENCEGRANT, HTTPRoute, K, read
from wherry.api.gateway.ports import taken
from wherry.api.gateway.precedence import claimed, covering, own_hosts, rivalled
from wherry.api.gateway.world import World, by_namespace, certificates
from wherry.api.networking.certificate_pair import CertificateError
from wherry.api.networking.certificate_pair import read as read_pair
from wherry.api.networking.ingress import INGRESS
from wherry.api.networking.ingress_claims import Held, backends_of, claims, held
from wherry.api.networking.ingressclass import INGRESSCLASS
from wherry.api.networking.ingressclass import served as served_by_us
from wherry.api.types.core import Secret, Service
from wherry.api.types.networking import Ingress
from wherry.machinery.meta import Key, Object, key_of
from wherry.machinery.resource import Resource
from wherry.reconcile.view import Index, View


class Reader(Generic[K]):
    """Objects of one kind, typed."""

    def __init__(self, resource: Resource[K]) -> None:
        self._resource = resource
        self._known: dict[str, tuple[str, K]] = {}

    def get(self, view: View, key: Key) -> K | None:
        """One object."""
        found = view.get(self._resource, key)
        return None if found is None else self.typed(found)

    def all(self, view: View) -> list[K]:
        """All of them."""
        found = [self.typed(obj) for obj in view.list(self._resource)]
        if len(self._known) > 2 * len(found) + 16:
            self._known = {one.metadata.uid: (one.metadata.resource_version, one) for one in found}
        return found

    def typed(self, obj: Object) -> K:
        """An object in whatever form it came."""
        uid, revision = obj.metadata.uid, obj.metadata.resource_version
        known = self._known.get(uid)
        if known is not None and known[0] == revision and uid:
            return known[1]
        made = read(self._resource.type, obj)
        self._known[uid] = (revision, made)
        return made


CLASSES, GATEWAYS, ROUTES = Reader(GATEWAYCLASS), Reader(GATEWAY), Reader(HTTPROUTE)
GRANTS = Reader(REFERENCEGRANT)


def world(view: View, *, routes: bool) -> World:
    """Everything that decides; `routes` where other routes matter."""
    gateways = {key_of(one): one for one in GATEWAYS.all(view)}
    secrets = {key: PAIRS.problem(view, key) for one in gateways.values() for key in certificates(one)}
    PAIRS.keep(secrets)
    return World(
        classes={one.metadata.name: one for one in CLASSES.all(view)},
        gateways=gateways,
        routes={key_of(one): one for one in ROUTES.all(view)} if routes else {},
        grants=by_namespace(GRANTS.all(view)),
        namespaces={one.metadata.name: one.metadata.labels for one in view.list(NAMESPACE)},
        services={key_of(one): one for one in view.list(SERVICE)},
        secrets=secrets,
        taken=taken(view.list(NODE), view.list(SERVICE)),
    )


class Pairs:
    """Why a Secret is no certificate with its key. To check an RSA key takes 50 ms, so each is read once."""

    def __init__(self) -> None:
        self._known: dict[Key, tuple[str, str]] = {}

    def problem(self, view: View, key: Key) -> str:
        """Of the Secret; "" where all is well."""
        secret = view.get(SECRET, key)
        if secret is None:
            self._known.pop(key, None)
            return "there is none"
        mark = f"{secret.metadata.uid}/{secret.metadata.resource_version}"
        known = self._known.get(key)
        if known is None or known[0] != mark:
            known = self._known[key] = (mark, _unreadable(secret))
        return known[1]

    def keep(self, keys: Container[Key]) -> None:
        """Forget all others."""
        for key in [known for known in self._known if known not in keys]:
            del self._known[key]


def _unreadable(secret: Secret) -> str:
    try:
        read_pair(secret)
    except CertificateError as error:
        return str(error)
    return ""


PAIRS = Pairs()


# --- who may be in a route's way ---


BY_CLAIM = Index(HTTPROUTE, lambda obj: claimed(ROUTES.typed(obj)))
BY_HOST = Index(HTTPROUTE, lambda obj: own_hosts(ROUTES.typed(obj)))
INGRESSES = Index(INGRESS, lambda ingress: {place.host for place, _ in claims(ingress, [])})
TO_SERVICE = Index(INGRESS, lambda ingress: {str(key) for key in backends_of(ingress)})


def hosts(view: View, route: HTTPRoute) -> set[str]:
    """All under which requests for a route may arrive: its own names, as the listeners narrow them."""
    found: set[str] = set()
    for ref in route.spec.parent_refs:
        gateway = GATEWAYS.get(view, Key(ref.namespace or route.metadata.namespace, ref.name))
        for listener in gateway.spec.listeners if gateway is not None else ():
            found.update(intersection(listener.hostname, route.spec.hostnames))
    return found


def rivals(view: View, route: HTTPRoute) -> dict[Key, HTTPRoute]:
    """Other routes that may claim the same, and all at hosts that Ingresses have too."""
    at = hosts(view, route)
    found = [one for text in rivalled(route, at) for one in view.indexed(BY_CLAIM, text)]
    for host in at:
        if view.indexed(INGRESSES, host):
            found += [one for name in covering(host) for one in view.indexed(BY_HOST, name)]
    return {key_of(one): ROUTES.typed(one) for one in found if key_of(one) != key_of(route)}


def ingresses(view: View, route: HTTPRoute, services: Mapping[Key, Service]) -> dict[str, Held]:
    """What Ingresses of ours have of the hosts of a route."""
    found = {key_of(one): one for host in hosts(view, route) for one in view.indexed(INGRESSES, host)}
    if not found:
        return {}
    classes = {one.metadata.name: one for one in view.list(INGRESSCLASS)}
    return held((one for one in found.values() if served_by_us(one, classes)), services)


# --- who is to be looked at again ---


def routes_beside(view: View, obj: Object) -> Iterator[Key]:
    """The routes that an HTTPRoute may be in the way of."""
    yield from rivals(view, ROUTES.typed(obj))


def routes_at_hosts(view: View, ingress: Ingress) -> Iterator[Key]:
    """The routes at hosts of an Ingress."""
    for host in {place.host for place, _ in claims(ingress, [])}:
        for name in covering(host):
            yield from (key_of(one) for one in view.indexed(BY_HOST, name))


def routes_at_ingresses(view: View, obj: Object) -> Iterator[Key]:
    """The routes at hosts of the Ingresses that lead to a Service."""
    for ingress in view.indexed(TO_SERVICE, str(key_of(obj))):
        yield from routes_at_hosts(view, ingress)


def all_gateways(view: View, obj: Object) -> Iterator[Key]:
    """Every Gateway."""
    return (key_of(one) for one in view.list(GATEWAY))


def all_routes(view: View, obj: Object) -> Iterator[Key]:
    """Every route."""
    return (key_of(one) for one in view.list(HTTPROUTE))


def gateways_of_route(view: View, obj: Object) -> Iterator[Key]:
    """The Gateways that a route names."""
    for ref in ROUTES.typed(obj).spec.parent_refs:
        yield Key(ref.namespace or obj.metadata.namespace, ref.name)


def gateways_with_secret(view: View, obj: Object) -> Iterator[Key]:
    """The Gateways that name a Secret."""
    return (key_of(one) for one in GATEWAYS.all(view) if key_of(obj) in certificates(one))


def routes_to_service(view: View, obj: Object) -> Iterator[Key]:
    """The routes that lead to a Service."""
    key = key_of(obj)
    return (key_of(one) for one in ROUTES.all(view) if _leads(one, key))


def _leads(route: HTTPRoute, key: Key) -> bool:
    return any(
        ref.name == key.name and (ref.namespace or route.metadata.namespace) == key.namespace
        for rule in route.spec.rules
        for ref in (*rule.backend_refs, *mirrored(rule))
    )


def spec_changed(old: Object, new: Object) -> bool:
    """Whether what a Gateway is to be has changed, rather than what is said of it."""
    return old.metadata.generation != new.metadata.generation or (
        old.metadata.deletion_timestamp != new.metadata.deletion_timestamp
    )


def labels_changed(old: Object, new: Object) -> bool:
    """Whether labels have changed."""
    return old.metadata.labels != new.metadata.labels
