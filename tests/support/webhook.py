"""A real webhook behind TLS, in the test's own process.

async with webhook_server(authority) as hook:
    hook.answers["/deny"] = lambda review: {"allowed": False}     # review["request"] -> response
    hook.client_config("/deny")                                    # by URL, with the authority's certificate
    hook.reviews["/deny"]                                          # what it was asked
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.support.apiserver import Authority

Json = dict[str, Any]
Answer = Callable[[Json], Json]


@dataclass(slots=True)
class Webhook:
    """A started server."""

    port: int
    ca: bytes
    tls: ssl.SSLContext
    answers: dict[str, Answer] = field(default_factory=dict)
    """Path -> response to the `request` of an AdmissionReview; the uid is added."""
    raw: dict[str, Callable[[web.Request], web.StreamResponse]] = field(default_factory=dict)
    """Path -> any answer at all."""
    reviews: dict[str, list[Json]] = field(default_factory=dict)
    peers: set[tuple[str, int]] = field(default_factory=set)
    """Where connections came from."""
    delay_s: float = 0.0
    posted: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
    """Answers everything, whatever the path."""

    @property
    def url(self) -> str:
        """Without a path."""
        return f"https://127.0.0.1:{self.port}"

    def client_config(self, path: str) -> Json:
        """A WebhookClientConfig."""
        return {"url": self.url + path, "caBundle": base64.b64encode(self.ca).decode()}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer whatever is asked."""
        peer = request.transport.get_extra_info("peername") if request.transport else None
        if peer:
            self.peers.add((peer[0], peer[1]))
        if self.posted is not None:
            return await self.posted(request)
        if request.path in self.raw:
            await request.read()
            return self.raw[request.path](request)
        review = await request.json()
        self.reviews.setdefault(request.path, []).append(review["request"])
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        response = {"uid": review["request"]["uid"], **self.answers[request.path](review["request"])}
        return web.json_response({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response})


@asynccontextmanager
async def webhook_server(authority: Authority, *hosts: str) -> AsyncIterator[Webhook]:
    """Listen on a free port of 127.0.0.1 with a certificate for localhost and `hosts`."""
    pair = authority.issue("webhook", server=True, hosts=hosts)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(str(pair.certificate), str(pair.key))
    hook = Webhook(0, authority.certificate.read_bytes(), context)
    runner = web.ServerRunner(web.Server(hook.handle), shutdown_timeout=0.1)  # type: ignore[arg-type] # any request
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    hook.port = runner.addresses[0][1]
    try:
        yield hook
    finally:
        await runner.cleanup()
