"""Tokens of the old kind: Secrets of type kubernetes.io/service-account-token are filled, and their use noted by day.

Owns `data.token`, `ca.crt` and `namespace` of such Secrets, the label kubernetes.io/legacy-token-last-used, and the
ConfigMap that says since when use is noted. A Secret whose account is gone is deleted. Wakes on both.
https://kubernetes.io/docs/concepts/configuration/secret/#serviceaccount-token-secrets
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from wherry.api.core.configmap import CONFIGMAP
from wherry.api.core.secret import SECRET
from wherry.api.core.serviceaccount import SERVICEACCOUNT
from wherry.api.types.core import ConfigMap, Secret
from wherry.apiserver.authn.tokens import LEGACY_LAST_USED
from wherry.client.interface import Client
from wherry.machinery.errors import AlreadyExists, APIError, Conflict, NotFound
from wherry.machinery.meta import Key, ObjectMeta
from wherry.store.entry import Event

if TYPE_CHECKING:
    from wherry.apiserver.api import Api

TYPE = "kubernetes.io/service-account-token"
NAME, UID = "kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"
TRACKING = Key("kube-system", "kube-apiserver-legacy-service-account-token-tracking")
NOTE = 10.0
"""Seconds between writing down which tokens were used."""


async def keep_legacy_tokens(api: Api, client: Client, ca: Path) -> None:
    """For ever."""
    waiting: set[Key] = set()
    wake = asyncio.Event()

    def secret_changed(event: Event[Secret]) -> bool:
        if event.type != "DELETED" and TYPE.encode() in event.entry.data:
            waiting.add(Key(event.entry.namespace, event.entry.name))
            wake.set()
        return True

    def account_changed(event: Event[Any]) -> bool:
        if event.type == "DELETED":
            waiting.update(_of_account(api, event.entry.namespace, event.entry.name))
            wake.set()
        return True

    running: list[Any] = [
        api.window(SECRET).watch(api.windows.revision, secret_changed),
        api.window(SERVICEACCOUNT).watch(api.windows.revision, account_changed),
    ]
    try:
        await _begin_tracking(api, client)
        waiting.update(Key(e.namespace, e.name) for e in api.window(SECRET).list().items if TYPE.encode() in e.data)
        while True:
            wake.clear()
            while waiting:
                await _fill(api, client, waiting.pop(), ca)
            await _note_use(api, client)
            try:
                async with asyncio.timeout(NOTE):
                    await wake.wait()
            except TimeoutError:
                continue
    finally:
        for one in running:
            one.stop()


def _of_account(api: Api, namespace: str, name: str) -> list[Key]:
    return [
        Key(entry.namespace, entry.name)
        for entry in api.window(SECRET).list(namespace).items
        if TYPE.encode() in entry.data and entry.obj.metadata.annotations.get(NAME) == name
    ]


async def _fill(api: Api, client: Client, key: Key, ca: Path) -> None:
    entry = api.find(SECRET, key.namespace, key.name)
    if entry is None or entry.obj.type != TYPE or entry.obj.metadata.deletion_timestamp is not None:
        return
    secret: Secret = entry.obj
    meta = secret.metadata
    account = api.find(SERVICEACCOUNT, key.namespace, meta.annotations.get(NAME, ""))
    try:
        if account is None or meta.annotations.get(UID, account.uid) != account.uid:
            await client.delete(SECRET, key, uid=meta.uid)
            return
        data = dict(secret.data)
        data["ca.crt"] = await asyncio.to_thread(ca.read_bytes)
        data["namespace"] = key.namespace.encode()
        if not data.get("token"):
            data["token"] = api.tokens.issue_legacy((key.namespace, account.name, account.uid), key.name).encode()
        annotations = {**meta.annotations, UID: account.uid}
        if data != secret.data or annotations != meta.annotations:
            await client.replace(SECRET, replace(secret, metadata=replace(meta, annotations=annotations), data=data))
    except (Conflict, NotFound):
        return  # its next change wakes us


async def _begin_tracking(api: Api, client: Client) -> None:
    if api.find(CONFIGMAP, TRACKING.namespace, TRACKING.name) is None:
        meta = ObjectMeta(name=TRACKING.name, namespace=TRACKING.namespace)
        try:
            await client.create(CONFIGMAP, ConfigMap(metadata=meta, data={"since": _day(api)}))
        except (AlreadyExists, NotFound):
            return


async def _note_use(api: Api, client: Client) -> None:
    today = _day(api)
    while api.tokens.used:
        namespace, name = api.tokens.used.pop()
        entry = api.find(SECRET, namespace, name)
        if entry is None or entry.obj.metadata.labels.get(LEGACY_LAST_USED) == today:
            continue
        try:
            await client.patch(SECRET, Key(namespace, name), {"metadata": {"labels": {LEGACY_LAST_USED: today}}})
        except APIError:
            continue  # noted at its next use


def _day(api: Api) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(api.clock.now()))
