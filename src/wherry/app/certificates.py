"""Certificates of a running cluster: renewed in time, re-issued when this machine's addresses change, taken up live.

The server process looks every minute; it also renews the certificates of this machine's nodes in their folders, and
their agents take them up by themselves (`follow`).
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from wherry.aio.clock import Clock
from wherry.app import addresses
from wherry.app.config import Config
from wherry.host.keys import Pair, Pki

log = logging.getLogger(__name__)
EVERY = 60.0


class Served(Protocol):
    """A TLS server whose certificate may be replaced."""

    @property
    def tls(self) -> ssl.SSLContext | None:
        """Its context, None while it does not listen."""


async def renew(config: Config, pki: Pki, clock: Clock, served: Served) -> None:
    """Look now and every minute, until cancelled."""
    while True:
        changed = await asyncio.to_thread(ensure, config, pki)
        if changed and served.tls is not None:
            served.tls.load_cert_chain(pki.server.certificate, pki.server.key)
            log.info("took up new certificates")
        await asyncio.sleep(EVERY)


def ensure(config: Config, pki: Pki) -> bool:
    """Everything that is due or no longer fits is issued anew; returns whether anything was."""
    changed = pki.ensure(addresses.server_names(config), addresses.server_addresses(config))
    for node in config.machines():
        folder = config.node_root(node.name) / "pki"
        changed |= pki.ensure_node(folder, node.name, addresses.node_addresses(config, node.name))
    return changed


async def follow(pair: Pair, reload: Callable[[], None]) -> None:
    """Call `reload` whenever the files of a certificate have changed, until cancelled."""
    seen = _stamp(pair.certificate)
    while True:
        await asyncio.sleep(EVERY)
        now = _stamp(pair.certificate)
        if now != seen:
            seen = now
            reload()


def _stamp(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
