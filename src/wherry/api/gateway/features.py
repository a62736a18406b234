"""What of the Gateway API wherry supports, by upstream's names, sorted as a GatewayClass lists them. Pure.

https://gateway-api.sigs.k8s.io/reference/spec/#supportedfeature
"""

from __future__ import annotations

from wherry.api.gateway.addresses import NOTE, OWN
from wherry.api.gateway.kinds import GatewayClass

FEATURES = (
    "Gateway",
    "GatewayAddressEmpty",
    "GatewayHTTPListenerIsolation",
    "GatewayPort8080",
    "HTTPRoute",
    "HTTPRoute303RedirectStatusCode",
    "HTTPRoute307RedirectStatusCode",
    "HTTPRoute308RedirectStatusCode",
    "HTTPRouteBackendProtocolH2C",
    "HTTPRouteBackendProtocolWebSocket",
    "HTTPRouteBackendRequestHeaderModification",
    "HTTPRouteBackendTimeout",
    "HTTPRouteCORS",
    "HTTPRouteDestinationPortMatching",
    "HTTPRouteHostRewrite",
    "HTTPRouteMethodMatching",
    "HTTPRouteNamedRouteRule",
    "HTTPRouteParentRefPort",
    "HTTPRoutePathRedirect",
    "HTTPRoutePathRewrite",
    "HTTPRoutePortRedirect",
    "HTTPRouteQueryParamMatching",
    "HTTPRouteRequestMirror",
    "HTTPRouteRequestMultipleMirrors",
    "HTTPRouteRequestPercentageMirror",
    "HTTPRouteRequestTimeout",
    "HTTPRouteResponseHeaderModification",
    "HTTPRouteSchemeRedirect",
    "ReferenceGrant",
)
"""Of every class of wherry's."""
OWN_ADDRESS = ("GatewayInfrastructure",)
"""Beside them, of those whose Gateways have addresses of their own."""


def features(found: GatewayClass) -> tuple[str, ...]:
    """What a class supports."""
    own = found.metadata.annotations.get(NOTE) == OWN
    return tuple(sorted((*FEATURES, *OWN_ADDRESS))) if own else FEATURES
