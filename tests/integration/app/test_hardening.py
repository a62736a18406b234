"""What a cluster is like as `wherry up` makes it, held against what the CIS benchmark asks of control planes.

Sections 1.1 (files), 1.2 (the API server), 3 and 5.1 (who is there from the start) of the benchmark, as far as they
are about what runs here and not about flags of upstream's programs.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

import aiohttp
import pytest

from tests.integration.app.test_encryption import plane
from wherry.aio.clock import SystemClock
from wherry.api.core.serviceaccount import SERVICEACCOUNT
from wherry.api.rbac.clusterrolebinding import CLUSTERROLEBINDING
from wherry.api.types.core import ServiceAccount
from wherry.apiserver.admission.plugins import ADMISSION
from wherry.apiserver.authn.user import MASTERS, known
from wherry.apiserver.authz.rules import Attributes
from wherry.app import assemble
from wherry.app.config import Config
from wherry.host import keys
from wherry.host.keys import Pki
from wherry.machinery.meta import Key, ObjectMeta

pytestmark = pytest.mark.looptime(False)
ADMIN = known("test", MASTERS)


@asynccontextmanager
async def served(config: Config, *, admin: bool) -> AsyncIterator[tuple[assemble.ControlPlane, aiohttp.ClientSession]]:
    """A control plane and a client of the administrator, or of nobody."""
    async with plane(config) as running:
        if admin:
            tls = keys.client_context(config.pki / "ca.crt", Pki(config.pki, SystemClock()).admin)
        else:
            tls = ssl.create_default_context(cafile=str(config.pki / "ca.crt"))
        connector = aiohttp.TCPConnector(ssl=tls)
        async with aiohttp.ClientSession(f"https://127.0.0.1:{running.api.port}", connector=connector) as session:
            yield running, session


async def status(session: aiohttp.ClientSession, path: str) -> int:
    async with session.get(path) as answer:
        return answer.status


async def test_files_are_roots_alone(config: Config) -> None:
    """1.1: keys, certificates, store and audit log, while the server runs."""
    async with served(config, admin=True) as (_, session):
        assert await status(session, "/api/v1/secrets") == 200
        found = {path: path.stat() for folder in (config.pki, config.server) for path in folder.rglob("*")}
        loose = {path.name: oct(one.st_mode) for path, one in found.items() if path.is_file() and one.st_mode & 0o077}
        public = {name for name in loose if name.endswith((".crt", ".pub"))}
        assert set(loose) == public, loose
        assert {one.st_uid for one in found.values()} == {0}
        assert config.pki.stat().st_mode & 0o777 == 0o700
        assert any(path.name.startswith("state.db") for path in found)


async def test_strangers_get_health_and_nothing_else(config: Config) -> None:
    """1.2.1, 1.2.15: no anonymous requests, no profiling."""
    async with served(config, admin=False) as (_, session):
        assert await status(session, "/livez") == 200
        for path in ("/api/v1/namespaces", "/apis", "/metrics", "/debug/pprof/", "/logs/", "/openapi/v2"):
            assert await status(session, path) == 401
    async with served(config, admin=True) as (_, session):
        for path in ("/debug/pprof/", "/debug/flags/v", "/logs/kube-apiserver.log", "/swaggerapi"):
            assert await status(session, path) == 404


async def test_tls_is_of_today(config: Config) -> None:
    """1.2.29: nothing before TLS 1.2, no ciphers without forward secrecy or with SHA-1."""
    async with plane(config) as running:
        port = running.api.port
        for old, ciphers in (
            (True, "ALL:@SECLEVEL=0"),
            (False, "AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"),
        ):
            context = ssl.create_default_context(cafile=str(config.pki / "ca.crt"))
            context.set_ciphers(ciphers)
            with pytest.warns(DeprecationWarning, match="TLSv1") if old else nullcontext():
                context.minimum_version = ssl.TLSVersion.TLSv1 if old else ssl.TLSVersion.TLSv1_2
                context.maximum_version = ssl.TLSVersion.TLSv1_1 if old else ssl.TLSVersion.TLSv1_2
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
                with pytest.raises(aiohttp.ClientConnectorError):
                    await session.get(f"https://127.0.0.1:{port}/livez")


def test_what_admission_does_unasked() -> None:
    """1.2.3, 1.2.9 to 1.2.14."""
    names = {plugin.name for plugin in ADMISSION}
    assert names >= {
        "NamespaceLifecycle", "NodeRestriction", "ServiceAccount", "EventRateLimit", "DenyServiceExternalIPs",
        "PodSecurity", "LimitRanger", "ResourceQuota", "EndpointAddresses",
    }  # fmt: skip


def test_what_is_written_down_unasked() -> None:
    """1.2.16 to 1.2.19, 1.2.27: an audit log of 30 days, 10 files of 100 MiB; Secrets are encrypted."""
    config = Config()
    assert config.audit.enabled
    assert (config.audit.days, config.audit.files, config.audit.size) == (30, 10, 100)
    assert config.encrypt == ("secrets",)


async def test_nobody_is_an_administrator_unasked(config: Config) -> None:
    """5.1.1, 5.1.5: cluster-admin is for system:masters alone, and an account may ask who it is and no more."""
    async with plane(config) as running:
        client = running.api.client(ADMIN)
        bound = [b for b in (await client.list(CLUSTERROLEBINDING)).items if b.role_ref.name == "cluster-admin"]
        assert [(s.kind, s.name) for b in bound for s in b.subjects] == [("Group", "system:masters")]
        await client.create(SERVICEACCOUNT, ServiceAccount(metadata=ObjectMeta(name="plain", namespace="default")))
        await client.get(SERVICEACCOUNT, Key("default", "plain"))
        groups = ("system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated")
        authorizer = running.api.api.authorizer
        account = known("system:serviceaccount:default:plain", *groups)
        for resource in ("pods", "secrets", "configmaps", "serviceaccounts", "nodes", "namespaces"):
            for verb in ("get", "list", "create", "delete"):
                assert not authorizer.allowed(Attributes(account, verb, "", resource, namespace="default", name="x"))
