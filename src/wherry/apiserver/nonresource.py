"""Everything that is not a resource: health, version, metrics, discovery, OpenAPI, token keys.

https://kubernetes.io/docs/reference/using-api/health-checks/
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from wherry.apiserver.discovery import Discovery
from wherry.apiserver.http import Answer, Request, Response
from wherry.apiserver.openapi import OpenApi
from wherry.apiserver.routes import RequestInfo
from wherry.apiserver.views import VIEWS
from wherry.machinery import codec
from wherry.machinery.errors import MethodNotAllowed, NotFound

if TYPE_CHECKING:
    from wherry.apiserver.api import Api

Check = Callable[[], str]
"""A named health check: "" when fine, or what is wrong."""
_TEXT = "text/plain; charset=utf-8"
_OPEN = ("/healthz", "/livez", "/readyz", "/version")
PATHS = (
    "/.well-known/openid-configuration", "/api", "/api/v1", "/apis", "/healthz", "/livez", "/metrics", "/openapi/v2",
    "/openapi/v3", "/openid/v1/jwks", "/readyz", "/version",
)  # fmt: skip


class NonResource:
    """Answers by path. `checks` are named; /livez leaves out those whose name is in `ready_only`."""

    def __init__(self, api: Api, checks: dict[str, Check], ready_only: frozenset[str] = frozenset()) -> None:
        self._api = api
        self._checks = checks
        self._ready_only = ready_only
        self._discovery = Discovery(api.served)
        self._openapi = OpenApi(api.served, api.version.get("gitVersion", ""))
        self._requests: Counter[str] = Counter()

    def count(self, verb: str) -> None:
        """For the metrics."""
        self._requests[verb] += 1

    def open_to_all(self, path: str) -> bool:
        """Whether no rule is needed to read it."""
        return path in _OPEN or path.startswith(tuple(f"{p}/" for p in _OPEN[:3]))

    async def answer(self, request: Request, info: RequestInfo) -> Answer:  # noqa: PLR0911 - one row per path
        """The document at a path. Raises NotFound, MethodNotAllowed."""
        if request.method not in ("GET", "HEAD"):
            raise MethodNotAllowed("the server does not allow this method on the requested resource")
        path = info.path
        first = path.split("/")[1]
        match first:
            case "api" | "apis":
                return self._discovery.answer(request, path)
            case "healthz" | "livez" | "readyz":
                return self._health(request, first, path.removeprefix(f"/{first}").strip("/"))
            case "openapi":
                return await self._openapi.answer(request, path)
            case "version" if path == "/version":
                return Response(codec.encode(dict(self._api.version)))
            case "metrics" if path == "/metrics":
                return Response(self._metrics().encode(), content_type="text/plain; version=0.0.4")
            case "":
                return Response(codec.encode({"paths": self._paths()}))
            case _:
                return self._documents(path)

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
                        "id_token_signing_alg_values_supported": ["ES256"],
                    }
                )
            )
        raise NotFound("the server could not find the requested resource")

    def _paths(self) -> list[str]:
        groups = [
            place
            for group, versions in self._api.served.versions().items()
            if group
            for place in (f"/apis/{group}", *(f"/apis/{group}/{version}" for version in versions))
        ]
        return sorted((*PATHS, *groups))

    def _health(self, request: Request, kind: str, only: str) -> Response:
        excluded = request.query.all("exclude")
        names = [n for n in self._checks if n not in excluded and (kind == "readyz" or n not in self._ready_only)]
        if only:
            if only not in self._checks:
                raise NotFound("the server could not find the requested resource")
            names = [only]
        results = {name: self._checks[name]() for name in names}
        failed = [name for name, problem in results.items() if problem]
        if not failed and "verbose" not in request.query:
            return Response(b"ok", content_type=_TEXT, headers={"X-Content-Type-Options": "nosniff"})
        lines = [f"[-]{n} failed: reason withheld" if n in failed else f"[+]{n} ok" for n in names]
        lines.append(f"{kind} check {'failed' if failed else 'passed'}")
        return Response(("\n".join(lines) + "\n").encode(), 500 if failed else 200, _TEXT)

    def _metrics(self) -> str:
        lines = ["# TYPE apiserver_request_total counter"]
        lines += [f'apiserver_request_total{{verb="{verb}"}} {n}' for verb, n in sorted(self._requests.items())]
        windows = self._api.windows
        lines += ["# TYPE wherry_store_revision gauge", f"wherry_store_revision {windows.revision}"]
        lines.append("# TYPE apiserver_storage_objects gauge")
        lines += [
            f'apiserver_storage_objects{{resource="{resource}"}} {len(windows.of(resource))}'
            for resource in self._api.served
            if "list" in resource.verbs and resource not in VIEWS
        ]
        return "\n".join(lines) + "\n"
