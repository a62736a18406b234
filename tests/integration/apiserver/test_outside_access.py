"""Who comes in from outside (OIDC, webhooks, bootstrap tokens, proxies) and whom others let do something."""

from __future__ import annotations

import asyncio
import base64
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import yaml
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.integration.apiserver.conftest import Answered, Http
from tests.support.apiserver import Authority, Running, running_apiserver
from wherry.aio.clock import SystemClock
from wherry.app.access import load
from wherry.app.config import ConfigError

pytestmark = pytest.mark.looptime(False)

SELF = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
ACCESS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
TOKENS = "/apis/authentication.k8s.io/v1/tokenreviews"


@dataclass
class Outside:
    """An issuer of tokens and two webhooks on one port of localhost."""

    folder: Path
    port: int = 0
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one", "use": "sig"}))
    tokens: list[dict[str, Any]] = field(default_factory=list)
    access: list[dict[str, Any]] = field(default_factory=list)
    redirect: bool = False
    followed: int = 0

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    async def handle(self, request: Any) -> web.StreamResponse:
        path = request.path.removeprefix("/elsewhere")
        if self.redirect and path == request.path:
            return web.Response(status=302, headers={"Location": f"{self.url}/elsewhere{path}"})
        self.followed += path != request.path
        match path:
            case "/.well-known/openid-configuration":
                return _json({"issuer": self.url, "jwks_uri": f"{self.url}/keys"})
            case "/keys":
                return _json({"keys": [{**self.key.as_dict(private=False), "use": "sig"}]})
            case "/tokens":
                spec = (await request.json())["spec"]
                self.tokens.append(spec)
                user = {"username": "hooked", "groups": ["outside"], "extra": {"a": ["b"]}}
                status = {"authenticated": True, "user": user} if spec["token"] == "open sesame" else {}
                return _json({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status})
            case "/access":
                spec = (await request.json())["spec"]
                self.access.append(spec)
                status = {"allowed": spec["user"] == "hooked", "denied": spec["user"] == "banned", "reason": "because"}
                return _json({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "status": status})
            case _:
                return web.Response(status=404)

    def token(self, **claims: Any) -> str:
        now = int(time.time())
        whole = {"iss": self.url, "aud": "wherry", "exp": now + 600, "sub": "ann", "groups": ["dev"], **claims}
        return jwt.encode({"alg": "RS256", "kid": "one"}, whole, self.key)

    def kubeconfig(self, path: str) -> Path:
        authority = base64.b64encode((self.folder / "ca.crt").read_bytes()).decode()
        file = self.folder / f"{path}.kubeconfig"
        cluster = {"server": f"{self.url}/{path}", "certificate-authority-data": authority}
        file.write_text(yaml.safe_dump({"clusters": [{"name": "a", "cluster": cluster}]}))
        return file

    def documents(self) -> list[dict[str, Any]]:
        webhook = {
            "connectionInfo": {"type": "KubeConfigFile", "kubeConfigFile": str(self.kubeconfig("access"))},
            "failurePolicy": "NoOpinion", "timeout": "5s", "subjectAccessReviewVersion": "v1",
            "matchConditionSubjectAccessReviewVersion": "v1",
            "matchConditions": [{"expression": "!('system:masters' in request.?groups.orValue([]))"},
                                {"expression": "has(request.resourceAttributes)"}],
        }  # fmt: skip
        mappings = {
            "username": {"claim": "sub", "prefix": "oidc:"},
            "groups": {"expression": "claims.groups.map(g, 'oidc:' + g)"},
            "uid": {"claim": "sub"},
            "extra": [{"key": "example.com/team", "valueExpression": "claims.?team.orValue('')"}],
        }
        return [
            {
                "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration",
                "jwt": [{
                    "issuer": {"url": self.url, "audiences": ["wherry"],
                               "certificateAuthority": (self.folder / "ca.crt").read_text()},
                    "claimMappings": mappings,
                    "claimValidationRules": [{"expression": "claims.exp - claims.?iat.orValue(claims.exp) <= 86400"}],
                    "userValidationRules": [{"expression": "!user.username.endsWith(':root')", "message": "no root"}],
                }],
                "anonymous": {"enabled": True, "conditions": [{"path": "/livez"}]},
            },
            {
                "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthorizationConfiguration",
                "authorizers": [{"type": "Webhook", "name": "hook", "webhook": webhook},
                                {"type": "Node", "name": "node"}, {"type": "RBAC", "name": "rbac"}],
            },
            {
                "apiVersion": "wherry/v1", "kind": "AccessConfiguration",
                "tokenWebhook": {"kubeconfig": str(self.kubeconfig("tokens"))},
            },
        ]  # fmt: skip


def _json(body: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")


@asynccontextmanager
async def outside(folder: Path) -> AsyncIterator[Outside]:
    pair = Authority(folder, "outside-ca").issue("outside", server=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    made = Outside(folder)
    runner = web.ServerRunner(web.Server(made.handle), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "localhost", 0, ssl_context=context).start()
    made.port = runner.addresses[0][1]
    try:
        yield made
    finally:
        await runner.cleanup()


@dataclass
class World:
    """A server, what is outside, a client of the administrator and one of nobody."""

    running: Running
    other: Outside
    admin: Http
    nobody: Http

    async def who(self, token: str) -> Answered:
        return await self.nobody("POST", SELF, {}, Authorization=f"Bearer {token}")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with outside(tmp_path / "outside") as other:
        path = tmp_path / "access.yaml"
        path.write_text(yaml.safe_dump_all(other.documents()))
        access = load(path, SystemClock())
        async with (
            running_apiserver(
                tmp_path, bearers=access.bearers, anonymous=access.anonymous, webhooks_before=access.before,
                webhooks_after=access.after,
            ) as running,
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=running.tls())) as first,
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=running.tls(""))) as second,
        ):  # fmt: skip
            yield World(running, other, Http(running, first), Http(running, second))


async def test_tokens_of_an_issuer(world: World) -> None:
    found = await world.who(world.other.token(team="red"))
    assert found.body["status"]["userInfo"] == {
        "username": "oidc:ann", "uid": "ann", "groups": ["oidc:dev", "system:authenticated"],
        "extra": {"example.com/team": ["red"]},
    }  # fmt: skip
    for bad in (
        world.other.token(aud="others"), world.other.token(exp=int(time.time()) - 5), world.other.token(sub="root"),
        world.other.token(sub=""), world.other.token(groups=[1]), world.other.token(nbf=int(time.time()) + 600),
        world.other.token(iat=int(time.time()) - 900_000), world.other.token()[:-4] + "AAAA",
    ):  # fmt: skip
        assert (await world.who(bad)).code == 401


async def test_an_issuer_that_sends_elsewhere_is_not_followed(world: World) -> None:
    """Nor is a webhook: what it would answer there is good, and counts for nothing."""
    world.other.redirect = True
    assert (await world.who(world.other.token())).code == 401
    assert (await world.who("open sesame")).code == 401
    assert world.other.followed == 0


async def test_tokens_that_a_webhook_knows(world: World) -> None:
    for _ in range(2):
        found = await world.who("open sesame")
        assert found.body["status"]["userInfo"] == {
            "username": "hooked", "groups": ["outside", "system:authenticated"], "extra": {"a": ["b"]},
        }  # fmt: skip
    assert len(world.other.tokens) == 1
    assert (await world.who("close sesame")).code == 401
    reviewed = await world.admin("POST", TOKENS, {"spec": {"token": "open sesame", "audiences": ["vault"]}})
    assert not reviewed.body["status"].get("authenticated")


async def test_a_webhook_lets_and_bans(world: World) -> None:
    listed = await world.nobody(
        "GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Da&labelSelector=x%20in%20(1,2)",
        Authorization="Bearer open sesame",
    )  # fmt: skip
    assert listed.code == 200
    attributes = world.other.access[-1]["resourceAttributes"]
    assert attributes == {
        "verb": "list", "version": "v1", "resource": "pods",
        "fieldSelector": {"requirements": [{"key": "spec.nodeName", "operator": "In", "values": ["a"]}]},
        "labelSelector": {"requirements": [{"key": "x", "operator": "In", "values": ["1", "2"]}]},
    }  # fmt: skip
    asked = len(world.other.access)
    spec = {
        "user": "banned",
        "groups": ["system:authenticated"],
        "resourceAttributes": {"verb": "get", "resource": "pods"},
    }
    status = (await world.admin("POST", ACCESS, {"spec": spec})).body["status"]
    assert status == {"allowed": False, "denied": True, "reason": "because"}
    assert (await world.admin("POST", ACCESS, {"spec": spec})).body["status"] == status
    assert len(world.other.access) == asked + 1
    spec = {"user": "ann", "groups": ["system:masters"], "resourceAttributes": {"verb": "get", "resource": "pods"}}
    assert (await world.admin("POST", ACCESS, {"spec": spec})).body["status"]["allowed"]
    assert len(world.other.access) == asked + 1


async def test_anonymous_only_where_the_file_says(world: World) -> None:
    assert (await world.nobody("GET", "/livez")).code == 200
    assert (await world.nobody("GET", "/readyz")).code == 401


async def test_bootstrap_tokens(world: World) -> None:
    data = {
        "token-id": "abcdef", "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true",
        "auth-extra-groups": "system:bootstrappers:workers",
    }  # fmt: skip
    secrets = "/api/v1/namespaces/kube-system/secrets"
    body = {"metadata": {"name": "bootstrap-token-abcdef"}, "type": "bootstrap.kubernetes.io/token", "stringData": data}
    assert (await world.admin("POST", secrets, body)).code == 201
    token = "abcdef.0123456789abcdef"
    info = (await world.who(token)).body["status"]["userInfo"]
    assert (info["username"], info["groups"]) == (
        "system:bootstrap:abcdef",
        ["system:bootstrappers:workers", "system:bootstrappers", "system:authenticated"],
    )
    assert (await world.who("abcdef.0123456789abcdee")).code == 401
    for change in (
        {"expiration": "2020-01-01T00:00:00Z"}, {"expiration": "soon"}, {"usage-bootstrap-authentication": "no"},
        {"auth-extra-groups": "system:masters"},
    ):  # fmt: skip
        await world.admin("PUT", f"{secrets}/bootstrap-token-abcdef", {**body, "stringData": {**data, **change}})
        assert (await world.who(token)).code == 401


async def test_a_proxy_speaks_for_users(world: World, tmp_path: Path) -> None:
    running = world.running
    context = running.tls("")
    context.load_cert_chain(tmp_path / "front-proxy" / "front-proxy-client.crt",
                            tmp_path / "front-proxy" / "front-proxy-client.key")  # fmt: skip
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        proxy = Http(running, session)
        headers = {"X-Remote-User": "ann", "X-Remote-Uid": "7", "X-Remote-Extra-Acme.com%2fproject": "x"}
        raw = await proxy("POST", SELF, {}, **{k.replace("-", "_"): v for k, v in headers.items()})
        assert raw.body["status"]["userInfo"] == {
            "username": "ann", "uid": "7", "groups": ["system:authenticated"], "extra": {"acme.com/project": ["x"]},
        }  # fmt: skip
        assert (await proxy("POST", SELF, {})).code == 401
        async with session.post(running.url + SELF, json={}, headers={"X_Remote_User": "ann"}) as answer:
            assert answer.status == 401
    mine = await world.admin("POST", SELF, {}, X_Remote_User="root", X_Remote_Group="system:masters")
    assert mine.body["status"]["userInfo"]["username"] == "kubernetes-admin"


def _broken(documents: list[dict[str, Any]], how: str) -> str:
    """Break a file; what is then said."""
    jwt_, hooks = documents[0]["jwt"][0], documents[1]["authorizers"]
    match how:
        case "url":
            jwt_["issuer"]["url"] = "http://x"
        case "username":
            del jwt_["claimMappings"]["username"]
        case "expression":
            jwt_["userValidationRules"][0]["expression"] = "1 +"
        case "rbac":
            hooks.pop()
        case "timeout":
            hooks[0]["webhook"]["timeout"] = "1m"
        case "key":
            documents[2]["x"] = 1
        case _:
            documents.append({"kind": "Pod"})
    return SAID[how]


SAID = {
    "url": "jwt[0].issuer.url: 'http://x' is not a plain https URL",
    "username": "jwt[0].claimMappings.username: give a claim or",
    "expression": "jwt[0].userValidationRules[0].expression",
    "rbac": "authorizers: RBAC must be there once",
    "timeout": "authorizers[0].webhook.timeout: 1m is out of range",
    "key": "unknown field `x`",
    "kind": "kind: 'Pod' is not known",
}


@pytest.mark.parametrize("how", SAID)
async def test_a_file_that_cannot_work_says_why(tmp_path: Path, how: str) -> None:
    async with outside(tmp_path / "outside") as other:
        documents = other.documents()
        text = _broken(documents, how)
        path = tmp_path / "access.yaml"
        path.write_text(yaml.safe_dump_all(documents))
        with pytest.raises(ConfigError) as caught:
            load(path, SystemClock())
        assert str(caught.value).startswith(f"{path}: ")
        assert text in str(caught.value)


async def test_proxies_that_are_clients_do_not_start(tmp_path: Path) -> None:
    from wherry.apiserver.authn.requestheader import RequestHeader, SharedAuthority

    with pytest.raises(SharedAuthority, match="every client could speak for everybody"):
        async with running_apiserver(tmp_path, proxies=(RequestHeader(tmp_path / "pki" / "ca.crt"),)):
            await asyncio.sleep(0)
