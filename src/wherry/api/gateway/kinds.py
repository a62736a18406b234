"""The kinds of gateway.networking.k8s.io as wherry reads them: what it serves of them, typed, and no more.

The definitions (`bundle.py`) check and default what clients write. In this process objects come as JSON in a struct of
the definition's: `read` makes either form one of these.
https://gateway-api.sigs.k8s.io/reference/spec/
"""

from __future__ import annotations

from typing import Any, TypeVar

from msgspec import field

from wherry.api.gateway.bundle import GROUP
from wherry.machinery.codec import from_dict
from wherry.machinery.meta import Condition, LabelSelector, Model, Object, no_items, zero
from wherry.machinery.resource import Resource

K = TypeVar("K", bound=Object)


class ParametersRef(Model, frozen=True):
    """Where an implementation's own settings are."""

    group: str = ""
    kind: str = ""
    name: str = ""
    namespace: str | None = None


class GatewayClassSpec(Model, frozen=True):
    """Who serves the class."""

    controller_name: str = ""
    parameters_ref: ParametersRef | None = None


class SupportedFeature(Model, frozen=True):
    """A feature by its name."""

    name: str = ""


class GatewayClassStatus(Model, frozen=True):
    """What its controller says."""

    conditions: tuple[Condition, ...] = ()
    supported_features: tuple[SupportedFeature, ...] = ()


class GatewayClass(Object, frozen=True):
    """A way to be reached, by its controller."""

    spec: GatewayClassSpec = GatewayClassSpec()
    status: GatewayClassStatus = GatewayClassStatus()


class ObjectRef(Model, frozen=True):
    """An object, perhaps of another namespace."""

    group: str = ""
    kind: str = "Secret"
    name: str = ""
    namespace: str | None = None


class ListenerTLS(Model, frozen=True):
    """How TLS ends at a listener."""

    mode: str = "Terminate"
    certificate_refs: tuple[ObjectRef, ...] = ()


class RouteNamespaces(Model, frozen=True):
    """Whose routes may attach: Same, All, Selector or None."""

    from_: str = "Same"
    selector: LabelSelector | None = None


class RouteKind(Model, frozen=True):
    """A kind of route."""

    group: str = GROUP
    kind: str = ""


class AllowedRoutes(Model, frozen=True):
    """Which routes may attach."""

    namespaces: RouteNamespaces = RouteNamespaces()
    kinds: tuple[RouteKind, ...] = ()


class Listener(Model, frozen=True):
    """A port, with whom it is for."""

    name: str = ""
    hostname: str = ""
    port: int = 0
    protocol: str = ""
    tls: ListenerTLS | None = None
    allowed_routes: AllowedRoutes = AllowedRoutes()


class Address(Model, frozen=True):
    """Where a Gateway is reached."""

    type: str = "IPAddress"
    value: str = ""


class Infrastructure(Model, frozen=True):
    """What is asked of what serves the Gateway."""

    parameters_ref: ParametersRef | None = None
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)


class GatewaySpec(Model, frozen=True):
    """What a Gateway is to be."""

    gateway_class_name: str = ""
    listeners: tuple[Listener, ...] = ()
    addresses: tuple[Address, ...] = ()
    infrastructure: Infrastructure | None = None
    tls: dict[str, Any] | None = None
    """Certificates of clients and of the entry itself, which wherry does not serve."""


class ListenerStatus(Model, frozen=True):
    """What became of a listener."""

    name: str = ""
    supported_kinds: tuple[RouteKind, ...] = field(default_factory=no_items)
    attached_routes: int = field(default_factory=zero)
    conditions: tuple[Condition, ...] = field(default_factory=no_items)


class GatewayStatus(Model, frozen=True):
    """What its controller says."""

    addresses: tuple[Address, ...] = ()
    conditions: tuple[Condition, ...] = ()
    listeners: tuple[ListenerStatus, ...] = ()


class Gateway(Object, frozen=True):
    """Listeners on addresses."""

    spec: GatewaySpec = GatewaySpec()
    status: GatewayStatus = GatewayStatus()


class ParentRef(Model, frozen=True):
    """What a route wants to be attached to."""

    group: str = GROUP
    kind: str = "Gateway"
    namespace: str | None = None
    name: str = ""
    section_name: str | None = None
    port: int | None = None


class Named(Model, frozen=True):
    """A header or query parameter that must be there; `type` Exact or RegularExpression."""

    type: str = "Exact"
    name: str = ""
    value: str = ""


class PathMatch(Model, frozen=True):
    """Exact, PathPrefix or RegularExpression."""

    type: str = "PathPrefix"
    value: str = "/"


class RouteMatch(Model, frozen=True):
    """Which requests: all of it must hold."""

    path: PathMatch = PathMatch()
    headers: tuple[Named, ...] = ()
    query_params: tuple[Named, ...] = ()
    method: str = ""


class Header(Model, frozen=True):
    """A header with its value."""

    name: str = ""
    value: str = ""


class HeaderFilter(Model, frozen=True):
    """What happens to headers."""

    set: tuple[Header, ...] = ()
    add: tuple[Header, ...] = ()
    remove: tuple[str, ...] = ()


class PathModifier(Model, frozen=True):
    """Another path."""

    type: str = ""
    replace_full_path: str | None = None
    replace_prefix_match: str | None = None


class Redirect(Model, frozen=True):
    """Where clients are sent instead."""

    scheme: str = ""
    hostname: str = ""
    path: PathModifier | None = None
    port: int | None = None
    status_code: int = 302


class Rewrite(Model, frozen=True):
    """What the backend is asked for instead."""

    hostname: str = ""
    path: PathModifier | None = None


class CORSFilter(Model, frozen=True):
    """Which scripts of other origins may ask and see answers."""

    allow_origins: tuple[str, ...] = ()
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    allow_credentials: bool = False
    max_age: int = 5


class ServiceRef(Model, frozen=True):
    """Who gets requests."""

    group: str = ""
    kind: str = "Service"
    name: str = ""
    namespace: str | None = None
    port: int | None = None


class Fraction(Model, frozen=True):
    """A share."""

    numerator: int = 0
    denominator: int = 100


class Mirror(Model, frozen=True):
    """A copy of requests for somebody whose answer nobody sees."""

    backend_ref: ServiceRef = ServiceRef()
    percent: int | None = None
    fraction: Fraction | None = None


class Filter(Model, frozen=True):
    """One filter, of the type it says."""

    type: str = ""
    request_header_modifier: HeaderFilter | None = None
    response_header_modifier: HeaderFilter | None = None
    request_redirect: Redirect | None = None
    url_rewrite: Rewrite | None = None
    cors: CORSFilter | None = None
    request_mirror: Mirror | None = None


class BackendRef(ServiceRef, frozen=True):
    """Who may answer, and how large his share is."""

    weight: int = 1
    filters: tuple[Filter, ...] = ()


class Timeouts(Model, frozen=True):
    """How long things may take."""

    request: str = ""
    backend_request: str = ""


class RouteRule(Model, frozen=True):
    """Requests, and what is done with them."""

    matches: tuple[RouteMatch, ...] = (RouteMatch(),)
    filters: tuple[Filter, ...] = ()
    backend_refs: tuple[BackendRef, ...] = ()
    timeouts: Timeouts = Timeouts()
    retry: dict[str, Any] | None = None
    session_persistence: dict[str, Any] | None = None


class HTTPRouteSpec(Model, frozen=True):
    """What a route is to do."""

    parent_refs: tuple[ParentRef, ...] = ()
    hostnames: tuple[str, ...] = ()
    rules: tuple[RouteRule, ...] = ()


class RouteParentStatus(Model, frozen=True):
    """What a parent's controller says of a route."""

    parent_ref: ParentRef = ParentRef()
    controller_name: str = ""
    conditions: tuple[Condition, ...] = ()


class HTTPRouteStatus(Model, frozen=True):
    """What controllers say, each of its parents."""

    parents: tuple[RouteParentStatus, ...] = field(default_factory=no_items)


class HTTPRoute(Object, frozen=True):
    """Which requests go where."""

    spec: HTTPRouteSpec = HTTPRouteSpec()
    status: HTTPRouteStatus = HTTPRouteStatus()


class GrantFrom(Model, frozen=True):
    """Who may refer."""

    group: str = ""
    kind: str = ""
    namespace: str = ""


class GrantTo(Model, frozen=True):
    """What may be referred to; all of the kind without a name."""

    group: str = ""
    kind: str = ""
    name: str | None = None


class ReferenceGrantSpec(Model, frozen=True):
    """Who may refer to what of this namespace."""

    from_: tuple[GrantFrom, ...] = ()
    to: tuple[GrantTo, ...] = ()


class ReferenceGrant(Object, frozen=True):
    """A namespace's consent that others refer to what is in it."""

    spec: ReferenceGrantSpec = ReferenceGrantSpec()


def _kind(kind: type[K], version: str, plural: str, *, namespaced: bool = True) -> Resource[K]:
    name = kind.__name__
    return Resource(
        kind, group=GROUP, version=version, kind=name, plural=plural, singular=name.lower(), namespaced=namespaced,
        subresources=("status",), defined=True,
    )  # fmt: skip


GATEWAYCLASS = _kind(GatewayClass, "v1", "gatewayclasses", namespaced=False)
GATEWAY = _kind(Gateway, "v1", "gateways")
HTTPROUTE = _kind(HTTPRoute, "v1", "httproutes")
REFERENCEGRANT = _kind(ReferenceGrant, "v1beta1", "referencegrants")
"""In the version that every bundle has."""


def read(kind: type[K], obj: Object) -> K:
    """An object of the kind, in whatever form it came."""
    return obj if isinstance(obj, kind) else from_dict(kind, obj)
