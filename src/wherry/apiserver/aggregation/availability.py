"""Availability: whether each remote can be used, found out by looking and asking, told in its APIService's condition.

Owns the condition Available of every APIService. Wakes on these, their Services and EndpointSlices, and every 30 s.
Writes APIService/status, and what a remote says of itself into its Remote (`documents`). A check that fails is tried
again with growing pauses. https://kubernetes.io/docs/concepts/extend-kubernetes/api-extension/apiserver-aggregation/
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from wherry.api.apiregistration.apiservice import APISERVICE
from wherry.api.core.service import SERVICE
from wherry.api.discovery.endpointslice import ENDPOINTSLICE
from wherry.api.types.apiregistration import APIService, APIServiceCondition
from wherry.api.types.core import Service
from wherry.api.types.discovery import EndpointSlice
from wherry.apiserver.aggregation.documents import fetch
from wherry.apiserver.aggregation.forwarding import HTTPS
from wherry.apiserver.aggregation.remotes import AVAILABLE, Remote
from wherry.client.interface import Client
from wherry.machinery import conditions
from wherry.machinery.errors import APIError, ServiceUnavailable
from wherry.machinery.time import time_at
from wherry.store.entry import Event

if TYPE_CHECKING:
    from wherry.apiserver.api import Api

log = logging.getLogger(__name__)
EVERY = 30.0
FIRST_RETRY = 0.5
SERVICE_NAME = "kubernetes.io/service-name"
LOCAL = APIServiceCondition(
    type=AVAILABLE, status="True", reason="Local", message="Local APIServices are always available"
)
PASSED = APIServiceCondition(type=AVAILABLE, status="True", reason="Passed", message="all checks passed")


def looks_wrong(remote: Remote, service: Service | None, slices: Iterable[EndpointSlice]) -> APIServiceCondition | None:
    """What is known to be in the way before the remote is asked; None: nothing. Pure."""
    reference = remote.reference
    where = f'service/{reference.name} in "{reference.namespace}"'
    if service is None:
        return _failed("ServiceNotFound", f"{where} is not present")
    if service.spec.type != "ClusterIP":
        return None
    number = reference.port or HTTPS
    port = next((p for p in service.spec.ports if p.port == number), None)
    if port is None:
        return _failed("ServicePortError", f"{where} is not listening on port {number}")
    found = tuple(slices)
    if not found:
        return _failed("EndpointsNotFound", f"cannot find endpointslices for {where}")
    if not any(_serves(piece, port.name) for piece in found):
        text = f'endpointslices for {where} have no addresses with port name "{port.name}"'
        return _failed("MissingEndpoints", text)
    return None


def _serves(piece: EndpointSlice, port: str) -> bool:
    return any(e.conditions.ready is not False for e in piece.endpoints) and any(
        (p.name or "") == port and p.port is not None for p in piece.ports
    )


def _failed(reason: str, message: str) -> APIServiceCondition:
    return APIServiceCondition(type=AVAILABLE, status="False", reason=reason, message=message)


@dataclass(slots=True)
class _Due:
    """When a remote is looked at next (monotonic), and how long after a failure."""

    at: float = 0.0
    pause: float = FIRST_RETRY
    spec: Any = None


@dataclass(slots=True)
class Availability:
    """`run` it for ever."""

    api: Api
    client: Client
    _due: dict[tuple[str, str], _Due] = field(default_factory=dict)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _locals: bool = True

    async def run(self) -> None:
        """Follow what matters; check what is due."""
        api = self.api
        running: list[Any] = [
            api.window(APISERVICE).watch(api.windows.revision, self._service_changed),
            api.window(SERVICE).watch(api.windows.revision, self._target_changed),
            api.window(ENDPOINTSLICE).watch(api.windows.revision, self._slice_changed),
        ]
        try:
            while True:
                self._wake.clear()
                await self._locals_available()
                await self._check_due()
                await self.api.remotes.close()
                await self._sleep()
        finally:
            for one in running:
                one.stop()

    async def _sleep(self) -> None:
        now = self.api.clock.monotonic()
        wait = min((due.at - now for due in self._due.values()), default=EVERY)
        try:
            async with asyncio.timeout(max(0.0, min(wait, EVERY))):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _check_due(self) -> None:
        remotes = {remote.name: remote for remote in self.api.remotes}
        for name in self._due.keys() - remotes.keys():
            del self._due[name]
        now = self.api.clock.monotonic()
        checks = []
        for name, remote in remotes.items():
            due = self._due.setdefault(name, _Due(spec=remote.service.spec))
            if due.spec != remote.service.spec:
                due = self._due[name] = _Due(spec=remote.service.spec)
            if due.at <= now:
                checks.append(self._check(remote, due))
        await asyncio.gather(*checks)

    async def _check(self, remote: Remote, due: _Due) -> None:
        condition = await self._condition(remote)
        fine = condition.status == "True"
        due.at = self.api.clock.monotonic() + (EVERY if fine else due.pause)
        due.pause = FIRST_RETRY if fine else min(EVERY, due.pause * 2)
        if remote.documents.current and not fine:
            remote.documents.current = False
            self.api.remotes.changed()
        await self._write(remote.service, condition)

    async def _condition(self, remote: Remote) -> APIServiceCondition:
        reference = remote.reference
        service = self.api.find(SERVICE, reference.namespace, reference.name)
        slices = (
            entry.obj
            for entry in self.api.window(ENDPOINTSLICE).list(reference.namespace).items
            if entry.obj.metadata.labels.get(SERVICE_NAME) == reference.name
        )
        wrong = looks_wrong(remote, None if service is None else service.obj, slices)
        if wrong is not None:
            return wrong
        try:
            await fetch(self.api, remote)
        except ServiceUnavailable as error:
            return _failed("FailedDiscoveryCheck", str(error))
        return PASSED

    async def _locals_available(self) -> None:
        if not self._locals:
            return
        self._locals = False
        for entry in self.api.window(APISERVICE).list().items:
            if entry.obj.spec.service is None:
                await self._write(entry.obj, LOCAL)

    async def _write(self, service: APIService, condition: APIServiceCondition) -> None:
        found = self.api.find(APISERVICE, "", service.metadata.name)
        if found is None or found.obj.metadata.uid != service.metadata.uid:
            return
        present: APIService = found.obj
        kept = conditions.put(present.status.conditions, condition, time_at(self.api.clock.now()))
        if kept is present.status.conditions:
            return
        try:
            await self.client.replace(
                APISERVICE, replace(present, status=replace(present.status, conditions=kept)), "status"
            )
        except APIError as error:  # changed meanwhile, or gone: it is looked at again
            log.debug("%s: %s", service.metadata.name, error)

    def _soon(self, name: tuple[str, str]) -> None:
        due = self._due.get(name)
        if due is not None:
            due.at, due.pause = 0.0, FIRST_RETRY
        self._wake.set()

    def _service_changed(self, event: Event[APIService]) -> bool:
        service = event.entry.obj
        if event.type == "DELETED":
            return True
        if service.spec.service is None:
            if not conditions.is_true(service.status.conditions, AVAILABLE):
                self._locals = True
                self._wake.set()
        elif event.previous is None or event.previous.obj.spec != service.spec:
            self._soon((service.spec.group, service.spec.version))
        return True

    def _target_changed(self, event: Event[Service]) -> bool:
        if self.api.remotes:
            self._touch(event.entry.namespace, event.entry.name)
        return True

    def _slice_changed(self, event: Event[EndpointSlice]) -> bool:
        if self.api.remotes:
            self._touch(event.entry.namespace, event.entry.obj.metadata.labels.get(SERVICE_NAME, ""))
        return True

    def _touch(self, namespace: str, name: str) -> None:
        for remote in self.api.remotes:
            if (remote.reference.namespace, remote.reference.name) == (namespace, name):
                self._soon(remote.name)
