"""Trust: the ConfigMap by which other API servers learn whose clients and proxies to believe.

Owns kube-system/extension-apiserver-authentication. Wakes when it is changed or deleted, and every minute (the files of
the authorities may have been renewed). What others (another API server) have added stays; only certificates that have
expired are taken out. https://kubernetes.io/docs/tasks/extend-kubernetes/configure-aggregation-layer/
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from msgspec.structs import replace

from wherry.aio.clock import Clock
from wherry.api.core.configmap import CONFIGMAP
from wherry.api.types.core import ConfigMap
from wherry.apiserver.authn.requestheader import RequestHeader, facts
from wherry.client.interface import Client, Select
from wherry.machinery.errors import AlreadyExists, Conflict, NotFound
from wherry.machinery.meta import Key, ObjectMeta

NAME = Key("kube-system", "extension-apiserver-authentication")
EVERY = 60.0


async def keep_published(client: Client, client_ca: Path, proxies: Sequence[RequestHeader], clock: Clock) -> None:
    """For ever."""
    wake = asyncio.Event()

    async def follow() -> None:
        select = Select(namespace=NAME.namespace, fields=f"metadata.name={NAME.name}")
        async for event in client.watch(CONFIGMAP, select):
            if event.type != "BOOKMARK":
                wake.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(follow())
        while True:
            wake.clear()
            await publish(client, client_ca, proxies, clock.now())
            try:
                async with asyncio.timeout(EVERY):
                    await wake.wait()
            except TimeoutError:
                continue


async def publish(client: Client, client_ca: Path, proxies: Sequence[RequestHeader], now: float) -> None:
    """Write the ConfigMap if it is not as it should be."""
    ca = await asyncio.to_thread(client_ca.read_text)
    proxy_ca = "\n".join([await asyncio.to_thread(proxy.ca.read_text) for proxy in proxies])
    try:
        present = await client.get(CONFIGMAP, NAME)
    except NotFound:
        present = None
    wanted = data(present.data if present is not None else {}, ca, proxy_ca, proxies, now)
    try:
        if present is None:
            meta = ObjectMeta(name=NAME.name, namespace=NAME.namespace)
            await client.create(CONFIGMAP, ConfigMap(metadata=meta, data=wanted))
        elif present.data != wanted:
            await client.replace(CONFIGMAP, replace(present, data=wanted))
    except (AlreadyExists, Conflict, NotFound):
        return  # the watch tells what it is now


def data(
    present: Mapping[str, str], ca: str, proxy_ca: str, proxies: Sequence[RequestHeader], now: float
) -> dict[str, str]:  # fmt: skip
    """What the ConfigMap must say: ours and what is there, together. Pure."""
    out = {"client-ca-file": bundle(present.get("client-ca-file", ""), ca, now)}
    if not proxies:
        return out
    out["requestheader-client-ca-file"] = bundle(present.get("requestheader-client-ca-file", ""), proxy_ca, now)
    for key in facts(proxies[0]):
        own = [value for proxy in proxies for value in facts(proxy)[key]]
        out[key] = msgspec.json.encode(list(dict.fromkeys((*_listed(present.get(key, "")), *own)))).decode()
    return out


def _listed(text: str) -> list[str]:
    try:
        return msgspec.json.decode(text, type=list[str]) if text else []
    except msgspec.DecodeError:
        return []


def bundle(present: str, own: str, now: float) -> str:
    """The certificates of both PEM texts, each once, without those that have expired."""
    found: dict[bytes, None] = {}
    for text in (present, own):
        try:
            certificates = x509.load_pem_x509_certificates(text.encode()) if text.strip() else []
        except ValueError:
            continue
        for certificate in certificates:
            if certificate.not_valid_after_utc.timestamp() > now:
                found[certificate.public_bytes(Encoding.PEM)] = None
    return b"".join(found).decode()
