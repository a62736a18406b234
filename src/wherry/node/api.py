"""The agent's own server (port 10250): the part of the kubelet API that the API server and monitoring use.

TLS with the node's serving certificate; a client certificate of the cluster's CA is required, and of those only the API
server (CN wherry-apiserver) and administrators (O system:masters) get an answer, on every path but /healthz. ROUTES is
the whole table; whoever puts the agent together may add to it. Certificates are read again when their files change.
https://kubernetes.io/docs/reference/access-authn-authz/kubelet-authn-authz/
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from wherry.aio.clock import Clock
from wherry.api.types.core import Pod
from wherry.machinery.codec import encode
from wherry.node.config import AgentConfig
from wherry.node.observer import Observer
from wherry.node.runtime.interface import Container, Runtime

log = logging.getLogger(__name__)

API_SERVER = "wherry-apiserver"
MASTERS = "system:masters"
CHECK_FILES = 10.0


class Serves(Protocol):
    """What handlers may ask of the agent."""

    config: AgentConfig
    runtime: Runtime
    clock: Clock
    observer: Observer

    def pods(self) -> list[Pod]:
        """All pods of this node with their present status."""

    def find(self, namespace: str, name: str) -> Pod | None:
        """A pod by name."""

    def container_of(self, pod: Pod, name: str) -> Container | None:
        """The newest container of that name."""

    def sandbox_of(self, pod: Pod) -> str:
        """The id of its present sandbox, or ""."""


Handler = Callable[[Serves, web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """One entry of the table. `path` is in aiohttp's notation: /containerLogs/{namespace}/{pod}/{container}"""

    method: str
    path: str
    handler: Handler


async def healthz(_: Serves, __: web.Request) -> web.StreamResponse:
    """We answer."""
    return web.Response(text="ok")


async def pods(agent: Serves, _: web.Request) -> web.StreamResponse:
    """This node's pods as a PodList."""
    body = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": agent.pods()}
    return web.Response(body=encode(body), content_type="application/json")


async def summary(agent: Serves, _: web.Request) -> web.StreamResponse:
    """Use of CPU and memory by node, pod and container, in the shape of /stats/summary."""
    from wherry.node import usage

    return web.Response(body=encode(await usage.summary(agent)), content_type="application/json")


async def resource_metrics(agent: Serves, _: web.Request) -> web.StreamResponse:
    """The same as Prometheus text, as metrics-server reads it."""
    from wherry.node import usage

    return web.Response(text=await usage.metrics(agent), content_type="text/plain")


ROUTES: tuple[Route, ...] = (
    Route("GET", "/healthz", healthz),
    Route("GET", "/pods", pods),
    Route("GET", "/stats/summary", summary),
    Route("GET", "/metrics/resource", resource_metrics),
)


def allowed(certificate: Mapping[str, object] | None) -> bool:
    """Whether the peer (as ssl's getpeercert tells it) may use the agent."""
    subject = certificate.get("subject", ()) if certificate else ()
    names = [pair for part in subject for pair in part] if isinstance(subject, tuple) else []
    return ("commonName", API_SERVER) in names or ("organizationName", MASTERS) in names


class AgentServer:
    """Serves a table of routes for one agent."""

    def __init__(self, agent: Serves, routes: tuple[Route, ...] = ROUTES) -> None:
        self._agent = agent
        self._app = web.Application(middlewares=[self._guard])
        for route in routes:
            self._app.router.add_route(route.method, route.path, self._bind(route.handler))

    def _bind(self, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await handler(self._agent, request)

        return handle

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        transport = request.transport
        if request.path != "/healthz" and not allowed(transport.get_extra_info("peercert") if transport else None):
            return web.Response(status=403, text="Forbidden")
        try:
            return await handler(request)
        except web.HTTPException:
            raise
        except Exception:
            log.exception("%s %s", request.method, request.path)
            return web.Response(status=500, text="Internal Server Error")

    async def run(self) -> None:
        """Serve until cancelled. Raises OSError when the port is taken."""
        config = self._agent.config
        if config.tls_cert is None or config.tls_key is None or config.client_ca is None:
            log.warning("no serving certificate: logs, exec and port-forward are not available on this node")
            await asyncio.Event().wait()
            return
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(config.client_ca)
        context.load_cert_chain(config.tls_cert, config.tls_key)
        runner = web.AppRunner(self._app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, None, config.port, ssl_context=context, reuse_address=True).start()
            await self._keep_fresh(context, config)
        finally:
            await runner.cleanup()

    async def _keep_fresh(self, context: ssl.SSLContext, config: AgentConfig) -> None:
        files = [one for one in (config.tls_cert, config.tls_key, config.client_ca) if one is not None]
        stamps = [one.stat().st_mtime_ns for one in files]
        while True:
            await asyncio.sleep(CHECK_FILES)
            try:
                now = [one.stat().st_mtime_ns for one in files]
                if now != stamps:
                    context.load_verify_locations(files[2])
                    context.load_cert_chain(files[0], files[1])
                    stamps = now
            except (OSError, ssl.SSLError) as error:
                log.info("the new serving certificate cannot be read yet: %s", error)
