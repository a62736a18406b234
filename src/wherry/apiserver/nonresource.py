"""Everything that is not a resource: health, version, metrics, discovery, OpenAPI, token keys.

https://kubernetes.io/docs/reference/using-api/health-checks/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wherry.apiserver.aggregation.forwarding import forward
from wherry.apiserver.aggregation.remotes import Remote
from wherry.apiserver.discovery import Discovery
from wherry.apiserver.health import Health
from wherry.apiserver.http import Answer, Request, Response
from wherry.apiserver.measures import Measures
from wherry.apiserver.openapi import OpenApi
from wherry.apiserver.routes import RequestInfo
from wherry.machinery import codec
from wherry.machinery.errors import NoSuchPath, no_such_method
from wherry.machinery.metrics import render

if TYPE_CHECKING:
    from wherry.apiserver.api import Api

_OPEN = ("/healthz", "/livez", "/readyz", "/version")
PATHS = (
    "/.well-known/openid-configuration", "/api", "/api/v1", "/apis", "/healthz", "/livez", "/metrics", "/openapi/v2",
    "/openapi/v3", "/openid/v1/jwks", "/readyz", "/version",
)  # fmt: skip


class NonResource:
    """Answers by path."""

    def __init__(self, api: Api, measures: Measures, health: Health) -> None:
        self._api = api
        self._health = health
        self._discovery = Discovery(api.served, api.remotes)
        self._openapi = OpenApi(api.served, api.remotes, api.version.get("gitVersion", ""))
        self._measures = measures

    def open_to_all(self, path: str) -> bool:
        """Whether no rule is needed to read it."""
        return path in _OPEN or path.startswith(tuple(f"{p}/" for p in _OPEN[:3]))

    async def answer(self, request: Request, info: RequestInfo) -> Answer:  # noqa: PLR0911 - one row per path
        """The document at a path. Raises NotFound, MethodNotAllowed."""
        if request.method not in ("GET", "HEAD"):
            raise no_such_method()
        path = info.path
        first = path.split("/")[1]
        remote = self._elsewhere(path) if self._api.remotes else None
        if remote is not None:
            return await forward(self._api, remote, request)
        match first:
            case "api" | "apis":
                return self._discovery.answer(request, path)
            case "healthz" | "livez" | "readyz":
                return self._health.answer(request, first, path.removeprefix(f"/{first}").strip("/"))
            case "openapi":
                return await self._openapi.answer(request, path)
            case "version" if path == "/version":
                return Response(codec.encode(dict(self._api.version)))
            case "metrics" if path == "/metrics/slis":
                return Response(render(self._health.families()).encode(), content_type="text/plain; version=0.0.4")
            case "metrics" if path == "/metrics":
                return Response(self._measures.text().encode(), content_type="text/plain; version=0.0.4")
            case "":
                return Response(codec.encode({"paths": self._paths()}))
            case _:
                return self._documents(path)

    def _elsewhere(self, path: str) -> Remote | None:
        """The remote that answers a discovery or OpenAPI document of one group version."""
        parts = path.removeprefix("/openapi/v3").strip("/").split("/")
        return self._api.remotes.find(parts[1], parts[2]) if len(parts) == 3 and parts[0] == "apis" else None

    def _documents(self, path: str) -> Response:
        issuer = self._api.tokens.issuer
        if path == "/openid/v1/jwks":
            return Response(codec.encode(self._api.tokens.jwks()), content_type="application/jwk-set+json")
        if path == "/.well-known/openid-configuration":
            return Response(
                codec.encode(
                    {
                        "issuer": issuer,
                        "jwks_uri": f"{issuer}/openid/v1/jwks",
                        "response_types_supported": ["id_token"],
                        "subject_types_supported": ["public"],
                        "id_token_signing_alg_values_supported": list(self._api.tokens.algorithms),
                    }
                )
            )
        raise NoSuchPath

    def _paths(self) -> list[str]:
        groups = [
            place
            for group, versions in self._discovery.versions().items()
            if group
            for place in (f"/apis/{group}", *(f"/apis/{group}/{version}" for version in versions))
        ]
        return sorted((*PATHS, *groups))
