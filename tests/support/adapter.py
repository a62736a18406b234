"""An adapter of metrics, for tests of autoscaling by aggregation: real TLS, serves the custom and the external metrics
API, and asks the API server by SubjectAccessReview who may read, as adapters that people install do.

`pods`, `objects` and `outside` are what it measures; `broken` says, by group, what is wrong with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec
from aiohttp import web

from tests.support.behind_proxy import behind_proxy
from wherry.machinery import selectors

CUSTOM, EXTERNAL = "custom.metrics.k8s.io", "external.metrics.k8s.io"
Broken = Literal["down", "hangs", "breaks off", "odd"]
Ask = Callable[[str, str, Mapping[str, Any] | None], Awaitable[dict[str, Any]]]
MOMENT = "2026-11-26T12:00:00Z"


@dataclass
class Adapter:
    """`ask(method, path, body)` reaches the API server. `readers`: who has read."""

    ask: Ask
    port: int = 0
    pods: dict[str, str] = field(default_factory=dict)
    """Metric -> the value of every pod."""
    objects: dict[str, str] = field(default_factory=dict)
    """`ingresses.networking.k8s.io/shop/hits`, `metrics/hits` -> the value."""
    outside: dict[str, list[tuple[dict[str, str], str]]] = field(default_factory=dict)
    """Metric -> labels and value of each series."""
    broken: dict[str, Broken] = field(default_factory=dict)
    readers: set[str] = field(default_factory=set)

    async def handle(self, request: Any) -> web.StreamResponse:
        """Everything."""
        _, _, group, *rest = request.path.split("/")
        if group not in (CUSTOM, EXTERNAL):
            return _json({"paths": []}, 404)
        if group in self.broken:
            return await self._badly(self.broken[group], request)
        if len(rest) == 1:
            return _json({"kind": "APIResourceList", "groupVersion": f"{group}/{rest[0]}", "resources": []})
        return await self._read(request, group, rest[1:])

    async def _read(self, request: Any, group: str, rest: list[str]) -> web.Response:
        """`rest`: namespaces, its name, and what is asked for in it."""
        if not await self._may(request, group, rest):
            return _refused(403, "Forbidden", "no right to read metrics")
        if group == EXTERNAL:
            return self._outside(rest[2], request.query.get("labelSelector", ""))
        if rest[2:4] == ["pods", "*"]:
            return await self._pods(rest[1], rest[4], request.query["labelSelector"])
        return self._object("/".join(rest[2:]))

    async def _badly(self, how: Broken, request: Any) -> web.StreamResponse:
        match how:
            case "down":
                return web.Response(status=503, text="gone fishing")
            case "hangs":
                await asyncio.Event().wait()
            case "breaks off":
                answer = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "4096"})
                await answer.prepare(request)
                await answer.write(b'{"items":[')
                request.transport.abort()
                return answer
            case "odd":
                return _json({"items": [{"value": "several", "describedObject": {"name": "p"}}]})
        raise AssertionError(how)

    async def _may(self, request: Any, group: str, rest: list[str]) -> bool:
        user, groups = request.headers["X-Remote-User"], request.headers.getall("X-Remote-Group")
        self.readers.add(user)
        resource, name, part = (*rest[2:], "", "")[:3]
        asked = {"verb": "get", "group": group, "namespace": rest[1], "resource": resource, "name": name,
                 "subresource": part}  # fmt: skip
        body = {"spec": {"user": user, "groups": groups, "resourceAttributes": asked}}
        review = await self.ask("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body)
        return bool(review["status"]["allowed"])

    async def _pods(self, namespace: str, metric: str, selector: str) -> web.Response:
        if metric not in self.pods:
            return _refused(404, "NotFound", f"the server could not find the metric {metric} for pods")
        wants = selectors.parse_labels(selector)
        found = (await self.ask("GET", f"/api/v1/namespaces/{namespace}/pods", None))["items"]
        named = [pod["metadata"]["name"] for pod in found if wants(pod["metadata"].get("labels") or {})]
        return _values([({"kind": "Pod", "name": name}, self.pods[metric]) for name in named])

    def _object(self, place: str) -> web.Response:
        if place not in self.objects:
            return _refused(404, "NotFound", f"the server could not find the metric {place}")
        return _values([({"name": place.split("/")[1]}, self.objects[place])])

    def _outside(self, metric: str, selector: str) -> web.Response:
        wants = selectors.parse_labels(selector)
        series = [(labels, value) for labels, value in self.outside.get(metric, ()) if wants(labels)]
        items = [{"metricName": metric, "metricLabels": labels, "timestamp": MOMENT, "value": value}
                 for labels, value in series]  # fmt: skip
        return _json({"kind": "ExternalMetricValueList", "items": items})


def _values(found: list[tuple[dict[str, str], str]]) -> web.Response:
    items = [{"describedObject": of, "timestamp": MOMENT, "value": value} for of, value in found]
    return _json({"kind": "MetricValueList", "items": items})


def _refused(code: int, reason: str, message: str) -> web.Response:
    return _json({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}, code)


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")


@asynccontextmanager
async def adapter(certificate: Path, key: Path, proxies: Path, ask: Ask) -> AsyncIterator[Adapter]:
    """Serve on a free port of localhost; clients must have a certificate of `proxies`."""
    made = Adapter(ask)
    async with behind_proxy(made.handle, certificate, key, proxies) as made.port:
        yield made
