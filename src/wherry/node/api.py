"""The agent's own server (port 10250): the part of the kubelet API that the API server and monitoring use.

TLS with the node's serving certificate. On every path but /healthz a peer needs a client certificate of the cluster's
CA that is the API server's (CN wherry-apiserver) or an administrator's (O system:masters), or a bearer token whose user
may use that part of this node (delegation.py); for /away another node's certificate will do. ROUTES is the whole
table; whoever puts the agent together may add to it. Certificates are read again when their files change.
https://kubernetes.io/docs/reference/access-authn-authz/kubelet-authn-authz/
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from wherry.aio.clock import Clock
from wherry.aio.tls import CIPHERS
from wherry.api.types.core import Pod
from wherry.machinery.codec import encode
from wherry.machinery.errors import APIError
from wherry.node.config import AgentConfig
from wherry.node.delegation import Delegation
from wherry.node.fence import Fence
from wherry.node.metering import Meter
from wherry.node.observer import Observer
from wherry.node.peers import AWAY
from wherry.node.runtime.interface import Container, Runtime

log = logging.getLogger(__name__)

API_SERVER = "wherry-apiserver"
MASTERS = "system:masters"
NODES = "system:nodes"
CHECK_FILES = 10.0


class Serves(Protocol):
    """What handlers may ask of the agent."""

    config: AgentConfig
    runtime: Runtime
    clock: Clock
    observer: Observer
    meter: Meter
    delegation: Delegation
    fence: Fence
    started: float
    """When it started, epoch seconds."""
    tally: Counter[tuple[str, str, str, str, str, str]]
    """Probes: (type, result, container, pod, namespace, uid) -> how often."""

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


async def away(agent: Serves, _: web.Request) -> web.StreamResponse:
    """Whether we have no API: another node's agent asks that has none itself."""
    return web.Response(text=AWAY if agent.fence.away() else "here")


async def pods(agent: Serves, _: web.Request) -> web.StreamResponse:
    """This node's pods as a PodList."""
    body = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": agent.pods()}
    return web.Response(body=encode(body), content_type="application/json")


async def running_pods(agent: Serves, _: web.Request) -> web.StreamResponse:
    """Those of them that have running containers."""
    items = [pod for pod in agent.pods() if any(one.state.running for one in pod.status.container_statuses)]
    body = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}
    return web.Response(body=encode(body), content_type="application/json")


async def summary(agent: Serves, request: web.Request) -> web.StreamResponse:
    """Use by node, pod and container."""
    from wherry.node import machine, stats_summary

    brief = request.query.get("only_cpu_and_memory") == "true"
    look = await agent.meter.look()
    body = stats_summary.summary(agent.config.name, machine.booted(), look, only_cpu_and_memory=brief)
    return web.Response(body=encode(body), content_type="application/json")


async def resource_metrics(agent: Serves, _: web.Request) -> web.StreamResponse:
    """CPU, memory and swap as Prometheus text, as metrics-server reads it."""
    from wherry.node import stats_metrics

    return _text(stats_metrics.resource(await agent.meter.look()))


async def container_metrics(agent: Serves, _: web.Request) -> web.StreamResponse:
    """Everything about containers as Prometheus text."""
    from wherry.node import machine, stats_metrics

    return _text(stats_metrics.cadvisor(await agent.meter.look(), machine.cpus()))


async def own_metrics(agent: Serves, _: web.Request) -> web.StreamResponse:
    """The agent about itself."""
    from wherry.node import agent_metrics

    look = await agent.meter.look()
    own = agent.config
    return _text(agent_metrics.metrics(own.name, agent.pods(), look, started=agent.started, version=own.version))


async def probe_metrics(agent: Serves, _: web.Request) -> web.StreamResponse:
    """How often probes found what."""
    from wherry.node import agent_metrics

    return _text(agent_metrics.probes(agent.tally))


async def configz(agent: Serves, _: web.Request) -> web.StreamResponse:
    """What the agent was told at start, in the words of upstream's configuration."""
    from wherry.node import agent_metrics

    return web.Response(body=encode(agent_metrics.configz(agent.config)), content_type="application/json")


def _text(text: str) -> web.Response:
    headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
    return web.Response(body=text.encode(), headers=headers)


ROUTES: tuple[Route, ...] = (
    Route("GET", "/healthz", healthz),
    Route("GET", "/healthz/ping", healthz),
    Route("GET", "/healthz/syncloop", healthz),
    Route("GET", "/away", away),
    Route("GET", "/pods", pods),
    Route("GET", "/pods/", pods),
    Route("GET", "/runningpods", running_pods),
    Route("GET", "/runningpods/", running_pods),
    Route("GET", "/stats/summary", summary),
    Route("POST", "/stats/summary", summary),
    Route("GET", "/metrics", own_metrics),
    Route("GET", "/metrics/resource", resource_metrics),
    Route("GET", "/metrics/cadvisor", container_metrics),
    Route("GET", "/metrics/probes", probe_metrics),
    Route("GET", "/configz", configz),
)


def allowed(certificate: Mapping[str, object] | None, path: str) -> bool:
    """Whether the peer (as ssl's getpeercert tells it) may use this part of the agent."""
    subject = certificate.get("subject", ()) if certificate else ()
    names = [pair for part in subject for pair in part] if isinstance(subject, tuple) else []
    if path == "/away" and ("organizationName", NODES) in names:
        return True
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
        refused = "" if request.path == "/healthz" else await self._refuse(request)
        if refused:
            return web.Response(status=401 if refused == "Unauthorized" else 403, text=refused)
        try:
            return await handler(request)
        except web.HTTPException:
            raise
        except Exception:
            log.exception("%s %s", request.method, request.path)
            return web.Response(status=500, text="Internal Server Error")

    async def _refuse(self, request: web.Request) -> str:
        """Why a peer gets no answer, or ""."""
        transport = request.transport
        certificate = transport.get_extra_info("peercert") if transport else None
        if allowed(certificate, request.path):
            return ""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return "Forbidden" if certificate else "Unauthorized"
        try:
            status = await self._agent.delegation.status(token.strip(), request.method, request.path)
        except (APIError, OSError, TimeoutError) as error:
            log.info("who asks for %s cannot be told: %s", request.path, error)
            return "Unauthorized"
        return {200: "", 401: "Unauthorized"}.get(status, "Forbidden")

    async def run(self) -> None:
        """Serve until cancelled. Raises OSError when the port is taken."""
        config = self._agent.config
        if config.tls_cert is None or config.tls_key is None or config.client_ca is None:
            log.warning("no serving certificate: logs, exec and port-forward are not available on this node")
            await asyncio.Event().wait()
            return
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers(CIPHERS)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_OPTIONAL  # others bring a token
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
