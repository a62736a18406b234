"""The audit log of a running server: every change before its answer, with one id, and no secret in it."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from tests.integration.apiserver.conftest import Http
from tests.support.apiserver import Running, settings
from wherry.aio.clock import SystemClock
from wherry.apiserver.apiserver import ApiServer
from wherry.apiserver.audit.auditor import OnFailure
from wherry.apiserver.audit.file import NAME, AuditFile, verify
from wherry.apiserver.audit.policy import DEFAULT, Policy, read
from wherry.apiserver.audit.settings import AuditSettings
from wherry.store.memory import MemoryLog

pytestmark = pytest.mark.looptime(False)

MAPS = "/api/v1/namespaces/default/configmaps"
SECRETS = "/api/v1/namespaces/default/secrets"
EVERYTHING = {"kind": "Policy", "apiVersion": "audit.k8s.io/v1"}


@asynccontextmanager
async def audited(folder: Path, policy: Policy = DEFAULT, on_failure: OnFailure = "continue") -> AsyncIterator[Http]:
    """A server that keeps a log in `folder/audit`."""
    config, authority = settings(folder)
    audit = AuditSettings(folder / "audit", policy, on_failure=on_failure)
    server = ApiServer(replace(config, audit=audit), MemoryLog(), SystemClock())
    await server.start()
    running = Running(server, authority, folder)
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=running.tls())) as session:
            yield Http(running, session)
    finally:
        await server.stop()


def records(folder: Path) -> list[dict[str, Any]]:
    """Every record so far."""
    lines = (folder / "audit" / NAME).read_bytes().splitlines()
    return [one for one in map(msgspec.json.decode, lines) if one["kind"] == "Event"]


def about(folder: Path, resource: str) -> list[dict[str, Any]]:
    """Records about a resource in namespace `default`, or about one without namespaces."""
    found = [(one, one.get("objectRef", {})) for one in records(folder)]
    return [one for one, of in found if of.get("resource") == resource and of.get("namespace", "default") == "default"]


async def test_a_change_is_told_before_it_is_answered(tmp_path: Path) -> None:
    """(Fails when records are written after the answer, or when the id is another one.)"""
    async with audited(tmp_path) as http:
        answer = await http("POST", MAPS, {"metadata": {"generateName": "m-"}, "data": {"k": "not for the log"}})
        (one,) = about(tmp_path, "configmaps")
        assert one["auditID"] == answer.headers["Audit-Id"]
        assert (one["stage"], one["verb"], one["level"]) == ("ResponseComplete", "create", "Metadata")
        assert one["responseStatus"]["code"] == 201
        assert one["user"]["username"] == "kubernetes-admin"
        assert one["sourceIPs"] == ["127.0.0.1"]
        assert one["objectRef"]["name"] == answer.body["metadata"]["name"]
        assert one["annotations"]["authentication.wherry.io/method"] == "client-certificate"
        assert one["annotations"]["authorization.k8s.io/reason"] == ""  # a master
        await http("GET", MAPS)
        await http("DELETE", f"{MAPS}/none")
        assert [one["verb"] for one in about(tmp_path, "configmaps")] == ["create", "delete"]
        refused = about(tmp_path, "configmaps")[1]["responseStatus"]
        assert (refused["code"], refused["reason"]) == (404, "NotFound")
        assert b"not for the log" not in (tmp_path / "audit" / NAME).read_bytes()
    verify(tmp_path / "audit", lambda _: None)


async def test_bodies_by_level_and_never_of_secrets(tmp_path: Path) -> None:
    """RequestResponse tells what was sent and answered, on one line; of secrets and tokens only that it happened."""
    policy = read({**EVERYTHING, "omitManagedFields": True, "rules": [{"level": "RequestResponse"}]})
    async with audited(tmp_path, policy) as http:
        body = b'{"metadata":\n{"name":"m"},\n "data":{"k":"v"}}'
        assert (await http("POST", MAPS, body)).code == 201
        yaml = b"metadata: {name: y}\ndata: {k: v}\n"
        assert (await http("POST", MAPS, yaml, "application/yaml")).code == 201
        patch = {"data": {"k": "w"}}
        assert (await http("PATCH", f"{MAPS}/m", patch, "application/merge-patch+json")).code == 200
        created = [one for one in about(tmp_path, "configmaps") if one["verb"] == "create"]
        assert {one["stage"] for one in created} == {"RequestReceived", "ResponseComplete"}
        ended = [one for one in created if one["stage"] == "ResponseComplete"]
        assert [one["requestObject"]["data"] for one in ended] == [{"k": "v"}, {"k": "v"}]
        assert all("managedFields" not in one["responseObject"]["metadata"] for one in ended)
        (patched,) = [x for x in about(tmp_path, "configmaps") if x["verb"] == "patch" and "responseObject" in x]
        assert patched["requestObject"] == patch
        await http("POST", SECRETS, {"metadata": {"name": "s"}, "stringData": {"k": "hunter2"}})
        await http("GET", f"{SECRETS}/s")
        account = "/api/v1/namespaces/default/serviceaccounts"
        await http("POST", account, {"metadata": {"name": "robot"}})
        token = (await http("POST", f"{account}/robot/token", {"spec": {}})).body["status"]["token"]
        review = {"spec": {"token": token}}
        await http("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)
        async with http.session.get(f"{http.running.url}/api", headers={"Authorization": f"Bearer {token}"}):
            pass
    raw = (tmp_path / "audit" / NAME).read_bytes()
    assert b"hunter2" not in raw
    assert b"aHVudGVyMg" not in raw
    assert token.encode() not in raw
    assert {one["level"] for one in about(tmp_path, "secrets")} == {"Metadata"}


async def test_refusals_impersonation_and_strangers(tmp_path: Path) -> None:
    """Who really asked, whom they wanted to be, and who was turned away at the door."""
    async with audited(tmp_path) as http:
        await http("POST", MAPS, {"metadata": {"name": "m"}}, **{"Impersonate-User": "eve"})
        (one,) = about(tmp_path, "configmaps")
        assert (one["user"]["username"], one["impersonatedUser"]["username"]) == ("kubernetes-admin", "eve")
        assert one["annotations"]["authorization.k8s.io/decision"] == "forbid"
        nobody = aiohttp.TCPConnector(ssl=http.running.tls(""))
        headers = {"Authorization": "Bearer stolen", "User-Agent": "caf\udce9"}
        async with (
            aiohttp.ClientSession(connector=nobody) as session,
            session.post(http.running.url + MAPS, json={}, headers=headers) as answer,
        ):
            assert answer.status == 401
        assert about(tmp_path, "configmaps")[1]["responseStatus"]["code"] == 401


async def test_streams_are_told_at_both_ends(tmp_path: Path) -> None:
    """A watch, where the policy wants it."""
    policy = read({**EVERYTHING, "omitStages": ["RequestReceived"], "rules": [{"level": "Metadata"}]})
    async with audited(tmp_path, policy) as http:
        answer = await http("GET", f"{MAPS}?watch=1&timeoutSeconds=1")
        stages = [one["stage"] for one in records(tmp_path) if one["auditID"] == answer.headers["Audit-Id"]]
    assert stages[:1] == ["ResponseStarted"]
    stages = [one["stage"] for one in records(tmp_path) if one["auditID"] == answer.headers["Audit-Id"]]
    assert stages == ["ResponseStarted", "ResponseComplete"]


async def test_what_controllers_change_is_told(tmp_path: Path) -> None:
    """Parts of the process itself, by their names."""
    async with audited(tmp_path):
        for _ in range(100):
            if about(tmp_path, "prioritylevelconfigurations"):
                break
            await asyncio.sleep(0.02)
        levels = about(tmp_path, "prioritylevelconfigurations")
        assert {one["user"]["username"] for one in levels} == {"system:apiserver"}


@pytest.mark.parametrize("on_failure", ["continue", "refuse"])
async def test_when_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_failure: OnFailure) -> None:
    """Either life goes on and the loss is counted, or nothing changes without a record."""

    def full(self: AuditFile, record: bytes) -> None:
        self.lost += 1
        raise OSError(errno.ENOSPC, "No space left on device")

    async with audited(tmp_path, on_failure=on_failure) as http:
        with monkeypatch.context() as patched:
            patched.setattr(AuditFile, "write", full)
            answer = await http("POST", MAPS, {"metadata": {"name": "m"}})
        metrics = (await http("GET", "/metrics")).body.decode()
        found = await http("GET", f"{MAPS}/m")
        assert (await http("POST", MAPS, {"metadata": {"name": "later"}})).code == 201
    assert 'apiserver_audit_error_total{plugin="log"}' in metrics
    if on_failure == "refuse":
        assert answer.code == 503
        assert found.code == 404
    else:
        assert answer.code == 201
        assert found.code == 200
    verify(tmp_path / "audit", lambda _: None)
