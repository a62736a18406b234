"""Serves HTTPS to those alone who have a certificate of the front proxy's authority, as aggregated API servers do."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web


@asynccontextmanager
async def behind_proxy(
    handle: Callable[[Any], Awaitable[web.StreamResponse]], certificate: Path, key: Path, proxies: Path
) -> AsyncIterator[int]:
    """Serve on a free port of localhost, which it yields; clients must have a certificate of `proxies`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(proxies)
    context.verify_mode = ssl.CERT_REQUIRED
    runner = web.ServerRunner(web.Server(handle, handler_cancellation=True), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
