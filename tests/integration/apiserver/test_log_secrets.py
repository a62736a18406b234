"""No credential and no Secret is logged, at any verbosity, whatever fails (CVE-2019-11250, CVE-2020-8563 to -8566).

Everything that carries one is done here with a planted word in it, in good and bad ways; then every log record of the
process, its arguments and tracebacks included, and what was printed, are searched for those words.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from tests.integration.apiserver.conftest import Http
from tests.integration.apiserver.test_access import as_user, token_of
from tests.integration.apiserver.test_outside_access import outside
from tests.support.apiserver import running_apiserver
from tests.support.webhook import webhook_server
from wherry.aio.clock import SystemClock
from wherry.app.access import load

pytestmark = pytest.mark.looptime(False)

SECRETS = "/api/v1/namespaces/demo/secrets"
PLANTED = "pl4nt3d"
MERGE = "application/merge-patch+json"


class Everything(logging.Handler):
    """Keeps what every record says, and what it was made of."""

    def __init__(self) -> None:
        super().__init__(1)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        parts = [record.getMessage(), repr(record.args), repr(record.__dict__)]
        if record.exc_info:
            parts += traceback.format_exception(*record.exc_info)
        self.said.append("\n".join(parts))


@pytest.fixture
def everything() -> Iterator[Everything]:
    """All loggers, as loud as they can be."""
    handler, root = Everything(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(1)
    loud = [logging.getLogger(name) for name in ("wherry", "aiohttp", "asyncio", "joserfc")]
    levels = [one.level for one in loud]
    for one in loud:
        one.setLevel(1)
    yield handler
    for one, before in zip(loud, levels, strict=True):
        one.setLevel(before)
    root.setLevel(level)
    root.removeHandler(handler)


async def use_tokens(http: Http, words: list[str]) -> None:
    """Tokens of accounts: made, used, reviewed, spoilt; and credentials that are none."""
    made = (await token_of(http)).body["status"]["token"]
    words += [made, made.split(".")[2]]
    spoilt = f"{made[:-3]}AAA"
    review = "/apis/authentication.k8s.io/v1/tokenreviews"
    async with as_user(http, "") as nobody:
        for value in (f"Bearer {made}", f"Bearer {spoilt}", f"Bearer {PLANTED}", f"Basic {PLANTED}", f"{PLANTED} x",
                      f"Bearer abcdef.0123456789{PLANTED}", f"Bearer {PLANTED}.{PLANTED}.{PLANTED}"):  # fmt: skip
            await nobody("GET", "/api/v1/pods", Authorization=value)
            await nobody("GET", f"/api/v1/pods?access_token={PLANTED}", Authorization=value)
    for token in (made, spoilt, PLANTED):
        await http("POST", review, {"spec": {"token": token}})
    await http("POST", review, {"spec": {"token": {"x": PLANTED}}})
    bootstrap = {"token-id": "abcdef", "token-secret": f"{PLANTED}x12345678", "usage-bootstrap-authentication": "true"}
    secret = {"metadata": {"name": "bootstrap-token-abcdef"}, "type": "bootstrap.kubernetes.io/token"}
    await http("POST", "/api/v1/namespaces/kube-system/secrets", {**secret, "stringData": bootstrap})
    async with as_user(http, "") as nobody:
        await nobody("GET", "/api/v1/pods", Authorization=f"Bearer abcdef.{PLANTED}x12345678")


async def use_secrets(http: Http) -> None:
    """Secrets: made, changed, refused, wrongly typed, applied, watched."""
    data = {"k": base64.b64encode(PLANTED.encode()).decode()}
    await http("POST", SECRETS, {"metadata": {"name": "s"}, "data": data})
    for body in ({"data": {"k": PLANTED}}, {"stringData": {"k": [PLANTED]}}, {"data": {"k": {"x": PLANTED}}},
                 {"type": PLANTED}, {"metadata": {"labels": {"k": f"-{PLANTED}-"}}}, {PLANTED: PLANTED}):  # fmt: skip
        await http("PATCH", f"{SECRETS}/s", body, MERGE)
        await http("POST", SECRETS, {"metadata": {"name": "t"}, **body})
        await http("PUT", f"{SECRETS}/s", {"metadata": {"name": "s"}, **body})
    applied = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": data}
    await http("PATCH", f"{SECRETS}/s?fieldManager=other", applied, "application/apply-patch+yaml")
    await http("POST", SECRETS, f'{{"metadata":{{"name":"u"}},"data":{{"k":"{PLANTED}'.encode())
    await http("POST", SECRETS, f"stringData: [{PLANTED}".encode(), "application/yaml")
    await http("GET", f"{SECRETS}?watch=1&timeoutSeconds=1")
    wide = f"{SECRETS}?fieldSelector=metadata.name%3D{PLANTED}%2Cx"
    await http("GET", wide)


async def use_webhooks(http: Http, folder: Path) -> None:
    """Webhooks that see Secrets, and answer with what they saw, wrongly."""
    from aiohttp import web

    from tests.support.apiserver import Authority

    async with webhook_server(Authority(folder / "hooks")) as hook:
        rule = {"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["secrets"]}
        away = {"Location": f"https://{PLANTED}/"}
        hook.raw = {
            "/error": lambda _: web.Response(status=500, text=PLANTED),
            "/rubbish": lambda _: web.Response(text=PLANTED),
            "/away": lambda _: web.Response(status=302, headers=away),
        }
        hook.answers["/patch"] = lambda _: {
            "allowed": True, "patchType": "JSONPatch",
            "patch": base64.b64encode(f'[{{"op":"add","path":"/{PLANTED}/x","value":1}}]'.encode()).decode(),
        }  # fmt: skip
        for n, path in enumerate((*hook.raw, "/patch")):
            one: dict[str, Any] = {
                "name": f"w{n}.example.com", "clientConfig": hook.client_config(path), "rules": [rule],
                "sideEffects": "None", "admissionReviewVersions": ["v1"],
                "failurePolicy": "Ignore" if n % 2 else "Fail",
            }  # fmt: skip
            place = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
            body = {"metadata": {"name": "w"}, "webhooks": [one]}
            assert (await http("POST", place, body)).code == 201
            await http("POST", SECRETS, {"metadata": {"generateName": "h-"}, "stringData": {"k": PLANTED}})
            await http("DELETE", f"{place}/w")


async def test_no_word_of_a_credential_is_logged(
    tmp_path: Path, everything: Everything, capfd: pytest.CaptureFixture[str]
) -> None:
    """(Fails when a request's headers, a token, or a body that cannot be read is logged.)"""
    words = [PLANTED, base64.b64encode(PLANTED.encode()).decode().rstrip("=")]
    async with outside(tmp_path / "outside") as other:
        documents = other.documents()
        tokens = other.folder / "tokens.kubeconfig"
        content = yaml.safe_load(tokens.read_text())
        tokens.write_text(yaml.safe_dump({**content, "users": [{"name": "b", "user": {"token": f"{PLANTED}-ours"}}]}))
        file = tmp_path / "access.yaml"
        file.write_text(yaml.safe_dump_all(documents))
        access = load(file, SystemClock())
        async with (
            running_apiserver(
                tmp_path, bearers=access.bearers, anonymous=access.anonymous, webhooks_before=access.before,
                webhooks_after=access.after,
            ) as running,
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=running.tls())) as session,
        ):  # fmt: skip
            http = Http(running, session)
            assert (await http("POST", "/api/v1/namespaces", {"metadata": {"name": "demo"}})).code == 201
            await http("POST", "/api/v1/namespaces/demo/serviceaccounts", {"metadata": {"name": "default"}})
            everything.said.clear()
            await use_tokens(http, words)
            for broken in (False, True):
                other.redirect = broken
                issued = other.token(sub="ann", team=PLANTED)
                words.append(issued.split(".")[2])
                async with as_user(http, "") as nobody:
                    await nobody("GET", "/api/v1/pods", Authorization=f"Bearer {issued}")
                    await nobody("GET", "/api/v1/pods", Authorization=f"Bearer other-{PLANTED}")
            await use_secrets(http)
            await use_webhooks(http, tmp_path)
            await asyncio.sleep(0)
    printed = capfd.readouterr()
    said = [*everything.said, printed.out, printed.err]
    assert len(everything.said) > 10  # there were records to look at
    assert [text[:300] for text in said for word in words if word in text] == []
