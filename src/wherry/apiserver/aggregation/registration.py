"""Registration: every group version served here has an APIService, made and kept by this server.

Owns APIServices labelled kube-aggregator.kubernetes.io/automanaged: "onstart" ones (built-in groups) are made, repaired
or removed at start; "true" ones (custom resources' groups) at every change, with the definitions they come from. An
APIService without the label, of whatever name, belongs to its user and is never touched.
https://kubernetes.io/docs/concepts/extend-kubernetes/api-extension/apiserver-aggregation/
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec.structs import replace

from wherry.api.apiregistration.apiservice import APISERVICE
from wherry.api.types.apiregistration import APIService, APIServiceSpec
from wherry.apiserver.aggregation import priorities
from wherry.client.interface import Client
from wherry.machinery.errors import AlreadyExists, Conflict, NotFound
from wherry.machinery.meta import Key, ObjectMeta
from wherry.store.entry import Event

if TYPE_CHECKING:
    from wherry.apiserver.api import Api

LABEL = "kube-aggregator.kubernetes.io/automanaged"
ON_START, ALWAYS = "onstart", "true"
PAUSE = 0.05
"""Changes that come together (a definition with many versions) are seen together."""


async def keep_registered(api: Api, client: Client) -> None:
    """At start everything, then what custom resources change, for ever."""
    wake = asyncio.Event()
    api.served.on_change(wake.set)

    def sink(event: Event[APIService]) -> bool:
        if event.entry.obj.metadata.labels.get(LABEL) == ALWAYS or event.type == "DELETED":
            wake.set()
        return True

    running = api.window(APISERVICE).watch(api.windows.revision, sink)
    try:
        await register(api, client, (ON_START, ALWAYS))
        while True:
            await wake.wait()
            await asyncio.sleep(PAUSE)
            wake.clear()
            await register(api, client, (ALWAYS,))
    finally:
        running.stop()


async def register(api: Api, client: Client, kinds: tuple[str, ...]) -> None:
    """Bring the automatic APIServices of these kinds about. Raises APIError when one cannot be written."""
    wanted = {service.metadata.name: service for service in automatic(api)}
    present = {entry.name: entry.obj for entry in api.window(APISERVICE).list().items}
    for name, service in present.items():
        managed = service.metadata.labels.get(LABEL)
        if managed in kinds and name not in wanted:
            await client.delete(APISERVICE, Key("", name), uid=service.metadata.uid)
    for name, service in wanted.items():
        if service.metadata.labels[LABEL] in kinds:
            await _ensure(client, service, present.get(name))


async def _ensure(client: Client, wanted: APIService, present: APIService | None) -> None:
    try:
        if present is None:
            await client.create(APISERVICE, wanted)
        elif present.metadata.labels.get(LABEL) and (
            present.spec != wanted.spec or present.metadata.labels[LABEL] != wanted.metadata.labels[LABEL]
        ):
            labels = {**present.metadata.labels, **wanted.metadata.labels}
            await client.replace(
                APISERVICE, replace(present, metadata=replace(present.metadata, labels=labels), spec=wanted.spec)
            )
    except (AlreadyExists, Conflict, NotFound):
        return  # somebody else was first; its change wakes us


def automatic(api: Api) -> Iterator[APIService]:
    """The APIServices of all group versions served here, but of the aggregator's own group."""
    for group, versions in api.served.versions().items():
        if group == priorities.OWN:
            continue
        for version in versions:
            least, position = priorities.of(group, version)
            managed = ON_START if priorities.built_in(group) else ALWAYS
            yield APIService(
                metadata=ObjectMeta(name=f"{version}.{group}", labels={LABEL: managed}),
                spec=APIServiceSpec(
                    group=group, version=version, group_priority_minimum=least, version_priority=position
                ),
            )
