"""The audit webhook: a real receiver over HTTPS gets every record, in batches, again after a failure, shortened.

https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/#webhook-backend
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import yaml
from aiohttp import web

from tests.integration.apiserver.conftest import Http
from tests.support.apiserver import Authority, Running, settings
from tests.support.webhook import Webhook, webhook_server
from wherry.aio.clock import SystemClock
from wherry.apiserver import kubeconfig
from wherry.apiserver.apiserver import ApiServer
from wherry.apiserver.audit import webhook as sender
from wherry.apiserver.audit.policy import read
from wherry.apiserver.audit.settings import AuditSettings
from wherry.apiserver.audit.webhook import AuditWebhook, Sending
from wherry.apiserver.webhooks.client import Target, WebhookClient
from wherry.store.memory import MemoryLog

pytestmark = pytest.mark.looptime(False)

MAPS = "/api/v1/namespaces/default/configmaps"
POLICY = {
    "kind": "Policy", "apiVersion": "audit.k8s.io/v1",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "RequestResponse", "users": ["kubernetes-admin"],
               "resources": [{"resources": ["configmaps"]}]}],
}  # fmt: skip


@dataclass(slots=True)
class Receiver:
    """Takes EventLists; `refuse` says how many of the next posts fail."""

    hook: Webhook
    refuse: int = 0
    lists: list[dict[str, Any]] = field(default_factory=list)
    posts: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    open: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def items(self) -> list[dict[str, Any]]:
        """Every record that was taken."""
        return [item for one in self.lists for item in one["items"]]

    async def take(self, request: web.Request) -> web.StreamResponse:
        """One post."""
        body = await request.read()
        self.posts += 1
        self.arrived.set()
        await self.open.wait()
        if self.refuse:
            self.refuse -= 1
            return web.Response(status=503, text="not now")
        self.lists.append(msgspec.json.decode(body))
        return web.Response(status=200)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for posts until it is true."""
        async with asyncio.timeout(10):
            while not condition():
                self.arrived.clear()
                await self.arrived.wait()
                await asyncio.sleep(0)


@asynccontextmanager
async def receiving(authority: Authority) -> AsyncIterator[Receiver]:
    async with webhook_server(authority) as hook:
        receiver = Receiver(hook)
        receiver.open.set()
        hook.posted = receiver.take
        yield receiver


@asynccontextmanager
async def audited(folder: Path, sending: Sending, **more: Any) -> AsyncIterator[tuple[Http, Receiver]]:
    """A server whose log goes to a receiver alone."""
    config, authority = settings(folder)
    async with receiving(authority) as receiver:
        target = Target(url=f"{receiver.hook.url}/records", ca=receiver.hook.ca)
        audit = AuditSettings(None, read(POLICY), webhook=target, sending=sending, **more)
        server = ApiServer(replace(config, audit=audit), MemoryLog(), SystemClock())
        await server.start()
        running = Running(server, authority, folder)
        try:
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=running.tls())) as session:
                yield Http(running, session), receiver
        finally:
            await server.stop()


async def create(http: Http, name: str, data: str = "x") -> int:
    return (await http("POST", MAPS, {"metadata": {"name": name}, "data": {"k": data}})).code


async def test_records_go_together(tmp_path: Path) -> None:
    async with audited(tmp_path, Sending()) as (http, receiver):
        for number in range(20):
            assert await create(http, f"m{number}") == 201
        assert receiver.lists == []  # nobody has waited for it
        await receiver.until(lambda: len(receiver.items) >= 20)
        first = receiver.lists[0]
        assert (first["kind"], first["apiVersion"]) == ("EventList", "audit.k8s.io/v1")
        assert len(receiver.lists) <= 3
        names = [item["objectRef"]["name"] for item in receiver.items]
        assert names == [f"m{number}" for number in range(20)]
        assert receiver.items[0]["requestObject"]["data"] == {"k": "x"}
        assert receiver.items[0]["responseObject"]["metadata"]["uid"]


async def test_a_batch_is_sent_again(tmp_path: Path) -> None:
    """Once, in order, however often it was refused."""
    async with audited(tmp_path, Sending(backoff=0.01)) as (http, receiver):
        receiver.refuse = sender.TRIES - 1
        assert await create(http, "a") == 201
        await receiver.until(lambda: receiver.lists)
        assert receiver.posts == sender.TRIES
        assert await create(http, "b") == 201
        await receiver.until(lambda: len(receiver.items) == 2)
        assert [item["objectRef"]["name"] for item in receiver.items] == ["a", "b"]


async def test_what_is_given_up_is_counted(tmp_path: Path) -> None:
    async with audited(tmp_path, Sending("blocking", backoff=0.001)) as (http, receiver):
        receiver.refuse = sender.TRIES
        assert await create(http, "a") == 201
        assert (receiver.posts, receiver.lists) == (sender.TRIES, [])
        metrics = (await http("GET", "/metrics")).body
        assert b'apiserver_audit_error_total{plugin="webhook"} 1\n' in metrics


async def test_a_blocking_webhook_has_the_record_before_the_client_has_the_answer(tmp_path: Path) -> None:
    async with audited(tmp_path, Sending("blocking")) as (http, receiver):
        receiver.open.clear()
        asking = asyncio.create_task(create(http, "a"))
        async with asyncio.timeout(10):
            await receiver.arrived.wait()
        assert (await http("GET", f"{MAPS}/../../nodes")).code in (200, 404)  # others, of whom nothing is told, go on
        assert not asking.done()
        receiver.open.set()
        assert await asking == 201
        assert [item["objectRef"]["name"] for item in receiver.items] == ["a"]


async def test_nothing_is_changed_that_a_blocking_webhook_does_not_take(tmp_path: Path) -> None:
    async with audited(tmp_path, Sending("blocking", backoff=0.001), on_failure="refuse") as (http, receiver):
        receiver.refuse = 10 * sender.TRIES
        refused = await http("POST", MAPS, {"metadata": {"name": "a"}})
        assert (refused.code, refused.body["reason"]) == (503, "ServiceUnavailable")
        assert (await http("GET", f"{MAPS}/a")).code == 404
        receiver.refuse = 0
        assert await create(http, "a") == 201
        stages = [
            i["stage"] for i in receiver.items if i["verb"] == "create" and i["objectRef"].get("name", "a") == "a"
        ]
        assert stages[-2:] == ["RequestReceived", "ResponseComplete"]


async def test_a_large_record_goes_without_bodies(tmp_path: Path) -> None:
    async with audited(tmp_path, Sending("blocking", largest=10_000)) as (http, receiver):
        assert await create(http, "small", "x" * 1000) == 201
        assert await create(http, "large", "x" * 20_000) == 201
        small, large = receiver.items
        assert small["requestObject"]["data"]["k"] == "x" * 1000
        assert "audit.k8s.io/truncated" not in small["annotations"]
        assert "requestObject" not in large
        assert "responseObject" not in large
        assert large["annotations"]["audit.k8s.io/truncated"] == "true"
        assert large["objectRef"]["name"] == "large"
        assert (await http("GET", f"{MAPS}?labelSelector={'x' * 7000}&fieldSelector={'y' * 7000}")).code == 400
        assert len(receiver.items) == 2  # even without bodies it was too large


async def test_batches_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "BATCH", 10)
    monkeypatch.setattr(sender, "BATCH_BYTES", 1000)
    monkeypatch.setattr(sender, "QUEUED", 30)
    lost: list[int] = []
    async with receiving(Authority(tmp_path)) as receiver:
        client = WebhookClient(lambda *_: ("", 0))
        webhook = AuditWebhook(client, Target(url=receiver.hook.url, ca=receiver.hook.ca), lost.append)
        for _ in range(25):
            webhook.put(b"1")
        for size in (600, 600, 2000):
            webhook.put(b'"%s"' % (b"x" * size))
        for _ in range(5):
            webhook.put(b"2")
        assert lost == [1, 1, 1]  # those that did not fit
        job = asyncio.create_task(webhook.keep())
        await receiver.until(lambda: len(receiver.items) == 30)
        job.cancel()
        await asyncio.gather(job, return_exceptions=True)
        await client.close()
    assert [len(one["items"]) for one in receiver.lists] == [10, 10, 6, 1, 1, 2]


async def test_a_receiver_nobody_vouches_for_gets_nothing(tmp_path: Path) -> None:
    other = Authority(tmp_path / "other")
    lost: list[int] = []
    async with receiving(Authority(tmp_path)) as receiver:
        client = WebhookClient(lambda *_: ("", 0))
        target = Target(url=receiver.hook.url, ca=other.certificate.read_bytes())
        webhook = AuditWebhook(client, target, lost.append, Sending("blocking", backoff=0.001))
        job = asyncio.create_task(webhook.keep())
        assert await webhook.give(b"{}") is False
        job.cancel()
        await asyncio.gather(job, return_exceptions=True)
        await client.close()
    assert (lost, receiver.posts) == ([1], 0)


@pytest.mark.parametrize("shown", ["pair", "token", "nothing"])
async def test_credentials_of_a_kubeconfig_are_shown(tmp_path: Path, shown: str) -> None:
    """A receiver that takes records only from whom it knows. (Fails when the credentials of the file are left out.)"""
    authority = Authority(tmp_path / "receiver")
    pair = authority.issue("auditor")
    user = {
        "pair": {"client-certificate": pair.certificate.name, "client-key": pair.key.name},
        "token": {"token": "let-me-in"}, "nothing": {},
    }[shown]  # fmt: skip
    file = authority.folder / "audit.kubeconfig"
    lost: list[int] = []
    seen: list[tuple[str, str]] = []
    async with webhook_server(authority) as hook:
        hook.tls.verify_mode = ssl.CERT_OPTIONAL
        hook.tls.load_verify_locations(authority.certificate)

        async def take(request: web.Request) -> web.StreamResponse:
            assert request.transport is not None
            peer = request.transport.get_extra_info("peercert") or {}
            names = [value for part in peer.get("subject", ()) for key, value in part if key == "commonName"]
            seen.append((" ".join(names), request.headers.get("Authorization", "")))
            return web.Response(status=200 if seen[-1] != ("", "") else 401)

        hook.posted = take
        cluster = {"server": f"{hook.url}/records", "certificate-authority": authority.certificate.name}
        content = {"clusters": [{"name": "a", "cluster": cluster}], "users": [{"name": "b", "user": user}]}
        file.write_text(yaml.safe_dump(content))
        found = kubeconfig.read(file)
        client = WebhookClient(lambda *_: ("", 0))
        target = Target(url=found.url, ca=found.ca, pair=found.pair, token=found.token)
        webhook = AuditWebhook(client, target, lost.append, Sending("blocking", backoff=0.001))
        job = asyncio.create_task(webhook.keep())
        assert await webhook.give(b"{}") is (shown != "nothing")
        assert await client.post(Target(url=hook.url, ca=found.ca, token="another"), b"{}", 5) == b""
        job.cancel()
        await asyncio.gather(job, return_exceptions=True)
        await client.close()
    expected = {"pair": ("auditor", ""), "token": ("", "Bearer let-me-in"), "nothing": ("", "")}[shown]
    assert seen[0] == expected
    assert seen[-1] == ("", "Bearer another")  # another target sees nothing of them
    assert "let-me-in" not in repr(target)
    assert "PRIVATE KEY" not in repr(target)
