"""What DNS last knew, on disk: an agent that starts while the API server is away answers from it.

Written at most every ten seconds, only after changes, whole or not at all, readable by root only. It holds Services and
EndpointSlices. Believed until the first complete list has come.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from pathlib import Path

import msgspec

from wherry.api.core.service import SERVICE
from wherry.api.discovery.endpointslice import ENDPOINTSLICE
from wherry.api.types.core import Service
from wherry.api.types.discovery import EndpointSlice
from wherry.host import files
from wherry.machinery import codec
from wherry.machinery.meta import Key, Object, key_of
from wherry.network.dns_records import Zone
from wherry.network.proxy import service_of
from wherry.reconcile.cache import Caches

log = logging.getLogger(__name__)

_PAUSE = 10.0


class _Known(msgspec.Struct, frozen=True):
    services: tuple[Service, ...]
    slices: tuple[EndpointSlice, ...]


def load(file: Path, zone: Zone) -> frozenset[Key]:
    """Put what the file knows into the zone; whose names these are. Nothing when there is no readable file."""
    try:
        known = codec.decode(_Known, file.read_bytes())
    except (OSError, msgspec.DecodeError):
        return frozenset()
    pieces: dict[Key, list[EndpointSlice]] = defaultdict(list)
    for piece in known.slices:
        pieces[service_of(piece)].append(piece)
    for service in known.services:
        zone.put(service, pieces[key_of(service)])
    return frozenset(map(key_of, known.services))


class Memory:
    """Keeps the file as the caches are."""

    def __init__(self, caches: Caches, file: Path) -> None:
        self._caches = caches
        self._file = file
        self._changed = asyncio.Event()
        self._changed.set()
        caches.of(SERVICE).listen(self._on_change)
        caches.of(ENDPOINTSLICE).listen(self._on_change)

    def _on_change(self, old: Object | None, new: Object | None) -> None:
        self._changed.set()

    async def run(self) -> None:
        """Write after changes until cancelled."""
        await self._caches.synced((SERVICE, ENDPOINTSLICE))
        while True:
            await self._changed.wait()
            self._changed.clear()
            known = _Known(self._caches.of(SERVICE).list(), self._caches.of(ENDPOINTSLICE).list())
            await asyncio.to_thread(self._write, known)
            await asyncio.sleep(_PAUSE)

    def _write(self, known: _Known) -> None:
        try:
            files.write_if_changed(self._file, codec.encode(known))
        except OSError as error:
            log.warning("what DNS knows cannot be kept: %s", error)
