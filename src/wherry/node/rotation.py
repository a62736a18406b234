"""Rotation: an agent whose server is on another machine renews its own certificates, long before they end.

Owns: the files of its client and its serving certificate (`host/enrolment.py`). Woken by: time, and the node's
addresses. Writes: CertificateSigningRequests. Each certificate is renewed between 70 and 90 % of its life, at a moment
that follows from its serial number, so that nodes which joined together do not ask together; the serving one also as
soon as it lacks an address of the node. Whoever uses the files takes them up without a restart.
https://kubernetes.io/docs/reference/access-authn-authz/kubelet-tls-bootstrapping/#certificate-rotation
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wherry.aio.clock import Clock
from wherry.api.certificates.certificatesigningrequest import CERTIFICATESIGNINGREQUEST
from wherry.api.types.certificates import CertificateSigningRequest, CertificateSigningRequestSpec
from wherry.client.interface import Client, Select
from wherry.host import enrolment
from wherry.host.enrolment import Held
from wherry.machinery import conditions
from wherry.machinery.errors import APIError
from wherry.machinery.meta import ObjectMeta

log = logging.getLogger(__name__)

EARLIEST, LATEST = 0.7, 0.9
LOOK = 60.0
"""Seconds between looks, and between a refusal and the next request."""
PATIENCE = 900.0
"""Seconds a request may wait to be approved and signed, by people where rules do not."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One certificate of the node: its file, who signs it, and the names it must have now."""

    path: Path
    signer: str
    names: Callable[[], tuple[str, ...]] = tuple


def renewal(held: Held) -> float:
    """When a certificate is to be renewed, epoch seconds."""
    share = EARLIEST + (LATEST - EARLIEST) * (held.serial % 1000) / 1000
    return held.start + (held.end - held.start) * share


def due(held: Held | None, names: tuple[str, ...], now: float) -> bool:
    """Whether a certificate must be asked for now."""
    return held is None or now >= renewal(held) or not held.names >= frozenset(names)


class Rotation:
    """See the module."""

    def __init__(self, client: Client, clock: Clock, node: str, kept: tuple[Kept, ...]) -> None:
        self._client, self._clock, self._node, self._kept = client, clock, node, kept

    async def run(self) -> None:
        """Look now and every minute, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK)

    async def look(self) -> bool:
        """Renew what is due; whether all is well afterwards. What fails is tried again at the next look."""
        well = True
        for one in self._kept:
            if due(enrolment.held(one.path), one.names(), self._clock.now()):
                try:
                    await self._renew(one)
                except (APIError, OSError, TimeoutError, Refused) as error:
                    well = False
                    log.warning(
                        "the node's certificate %s is not renewed: %s", one.path.name, str(error) or "no answer"
                    )
        return well

    async def _renew(self, one: Kept) -> None:
        """Raises Refused, APIError, TimeoutError, OSError."""
        pending = enrolment.ask(self._node, one.names())
        wanted = CertificateSigningRequest(
            metadata=ObjectMeta(generate_name="csr-"),
            spec=CertificateSigningRequestSpec(
                signer_name=one.signer, request=pending.request, usages=enrolment.USAGES[one.signer]
            ),
        )
        made = await self._client.create(CERTIFICATESIGNINGREQUEST, wanted)
        async with asyncio.timeout(PATIENCE):
            certificate = await self._signed(made.metadata.name)
        if not pending.fits(certificate):
            raise Refused(f"request {made.metadata.name} got a certificate for another key")
        pending.keep(one.path, certificate)  # a kilobyte, once in months: not worth a thread
        log.info("the node has a new certificate: %s", one.path.name)

    async def _signed(self, name: str) -> bytes:
        async for event in self._client.watch(CERTIFICATESIGNINGREQUEST, Select(fields=f"metadata.name={name}")):
            if event.obj is None:
                continue
            status = event.obj.status
            if status.certificate:
                return status.certificate
            for condition in ("Denied", "Failed"):
                found = conditions.get(status.conditions, condition)
                if found is not None:
                    raise Refused(f"request {name} is {condition.lower()}: {found.message}")
            if event.type == "DELETED":
                raise Refused(f"request {name} was deleted")
        raise Refused(f"nobody tells of request {name} any more")


class Refused(Exception):
    """A request was denied; the text says why."""
