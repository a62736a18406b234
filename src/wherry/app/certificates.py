"""Certificates of a running cluster: renewed in time, re-issued when this machine's addresses change, taken up live.

The server process looks every minute; it also renews the certificates of this machine's nodes in their folders, where
their agents' client takes them up by itself.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import Protocol

from wherry.aio.clock import Clock
from wherry.app import addresses
from wherry.app.config import Config
from wherry.host.keys import Pki

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
