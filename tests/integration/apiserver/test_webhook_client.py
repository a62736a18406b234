"""The webhook client against a real TLS server: whom it trusts, what it follows, how long it waits."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.support.apiserver import Authority
from tests.support.webhook import Webhook, webhook_server
from wherry.apiserver.webhooks import client as module
from wherry.apiserver.webhooks.client import CallFailed, ServiceTarget, Target, WebhookClient
from wherry.machinery.errors import ServiceUnavailable

pytestmark = pytest.mark.looptime(False)


@pytest.fixture
async def hook(tmp_path: Path) -> AsyncIterator[Webhook]:
    async with webhook_server(Authority(tmp_path / "hook"), "hook.demo.svc") as server:
        server.raw["/echo"] = lambda _: web.Response(body=b"{}")
        yield server


@pytest.fixture
async def client(hook: Webhook) -> AsyncIterator[WebhookClient]:
    def resolve(namespace: str, name: str, port: int) -> tuple[str, int]:
        if (namespace, name, port) != ("demo", "hook", 8443):
            raise ServiceUnavailable(f'no endpoints available for service "{name}"')
        return "127.0.0.1", hook.port

    made = WebhookClient(resolve)
    yield made
    await made.close()


def url(hook: Webhook, path: str) -> Target:
    return Target(url=hook.url + path, ca=hook.ca)


async def test_a_url_with_its_bundle(hook: Webhook, client: WebhookClient) -> None:
    assert await client.post(url(hook, "/echo"), b"{}", 5) == b"{}"


async def test_a_service_is_known_by_its_name_and_dialled_at_its_endpoint(hook: Webhook, client: WebhookClient) -> None:
    target = Target(ServiceTarget("demo", "hook", "/echo", 8443), ca=hook.ca)
    seen: list[str] = []

    def echo(request: web.Request) -> web.Response:
        seen.append(request.host)
        return web.Response(body=b"{}")

    hook.raw["/echo"] = echo
    assert await client.post(target, b"{}", 5) == b"{}"
    assert seen == ["hook.demo.svc:8443"]


async def test_a_service_without_endpoints_says_so(hook: Webhook, client: WebhookClient) -> None:
    target = Target(ServiceTarget("demo", "gone", "/echo", 443), ca=hook.ca)
    with pytest.raises(CallFailed) as refused:
        await client.post(target, b"{}", 5)
    assert str(refused.value) == (
        'Post "https://gone.demo.svc:443/echo?timeout=5s": no endpoints available for service "gone"'
    )


async def test_another_authority_is_not_trusted(hook: Webhook, client: WebhookClient, tmp_path: Path) -> None:
    for ca in (Authority(tmp_path / "other").certificate.read_bytes(), b""):
        with pytest.raises(CallFailed, match="x509: certificate signed by unknown authority"):
            await client.post(Target(url=hook.url + "/echo", ca=ca), b"{}", 5)


async def test_a_certificate_for_another_service_is_refused(tmp_path: Path) -> None:
    async with webhook_server(Authority(tmp_path / "a"), "other.demo.svc") as hook:
        client = WebhookClient(lambda *_: ("127.0.0.1", hook.port))
        hook.raw["/echo"] = lambda _: web.Response(body=b"{}")
        with pytest.raises(CallFailed, match=r"not valid for 'hook\.demo\.svc'"):
            await client.post(Target(ServiceTarget("demo", "hook", "/echo"), ca=hook.ca), b"{}", 5)
        await client.close()


async def test_no_redirect_is_followed_and_nothing_of_it_is_repeated(hook: Webhook, client: WebhookClient) -> None:
    """CVE-2020-8561: a webhook sends the API server to the metadata service of the cloud."""
    asked: list[str] = []
    location = ""

    def elsewhere(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=307, headers={"Location": location}, text="secret body")

    hook.raw["/redirect"] = elsewhere
    hook.raw["/secret"] = elsewhere
    for place in ("http://169.254.169.254/latest/meta-data", f"{hook.url}/secret", "http://127.0.0.1:1/"):
        location = place
        with pytest.raises(CallFailed) as refused:
            await client.post(url(hook, "/redirect"), b"{}", 5)
        assert "status code 307" in str(refused.value)
        assert "secret" not in str(refused.value)
    assert asked == ["/redirect"] * 3


async def test_a_slow_webhook_times_out(hook: Webhook, client: WebhookClient) -> None:
    hook.delay_s = 30
    hook.answers["/slow"] = lambda _: {"allowed": True}
    with pytest.raises(CallFailed, match=r'/slow\?timeout=100ms": context deadline exceeded'):
        await client.post(url(hook, "/slow"), b'{"request":{}}', 0.1)


async def test_a_server_that_hangs_in_its_answer_times_out(client: WebhookClient) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(CallFailed, match="context deadline exceeded"):
        await client.post(Target(url=f"https://127.0.0.1:{port}/"), b"{}", 0.1)
    server.close()


async def test_an_answer_without_end_is_cut(
    hook: Webhook, client: WebhookClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LIMIT", 1000)
    hook.raw["/long"] = lambda _: web.Response(body=b"x" * 1001)
    hook.raw["/just"] = lambda _: web.Response(body=b"x" * 1000)
    with pytest.raises(CallFailed, match="longer than 1000 bytes"):
        await client.post(url(hook, "/long"), b"{}", 5)
    assert len(await client.post(url(hook, "/just"), b"{}", 5)) == 1000


async def test_nobody_listens(hook: Webhook, client: WebhookClient) -> None:
    with pytest.raises(CallFailed, match=r"dial tcp 127\.0\.0\.1:1: connect: connection refused"):
        await client.post(Target(url="https://127.0.0.1:1/x", ca=hook.ca), b"{}", 5)


async def test_a_bundle_that_is_none(client: WebhookClient) -> None:
    for ca in (b"rubbish", b"\xff\x00", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        with pytest.raises(CallFailed, match="unable to load root certificates"):
            await client.post(Target(url="https://127.0.0.1:1/x", ca=ca), b"{}", 5)


async def test_connections_are_used_again(hook: Webhook, client: WebhookClient) -> None:
    for _ in range(5):
        await client.post(url(hook, "/echo"), b"{}", 5)
    assert len(hook.peers) == 1


async def test_a_kept_connection_that_was_closed_meanwhile_is_made_anew(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "a")
    client = WebhookClient(lambda *_: ("127.0.0.1", port))
    for _ in range(2):
        async with webhook_server(authority, "hook.demo.svc") as hook:
            port = hook.port
            hook.raw["/echo"] = lambda _: web.Response(body=b"{}")
            assert await client.post(Target(ServiceTarget("demo", "hook", "/echo"), ca=hook.ca), b"{}", 5) == b"{}"
    await client.close()
