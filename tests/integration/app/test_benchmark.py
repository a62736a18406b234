"""The benchmark's facts, gathered from a running control plane: right where it is right, and wrong where it is not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from tests.integration.app.test_encryption import plane
from wherry.aio.clock import SystemClock
from wherry.api.core.secret import SECRET
from wherry.api.core.serviceaccount import SERVICEACCOUNT
from wherry.api.rbac.clusterrolebinding import CLUSTERROLEBINDING
from wherry.api.types.core import Secret, ServiceAccount
from wherry.api.types.rbac import ClusterRoleBinding, RoleRef, Subject
from wherry.apiserver.authn.user import MASTERS, known
from wherry.app import certificates, keeper
from wherry.app import config as configuration
from wherry.app.benchmark import checks
from wherry.app.benchmark.facts import Facts
from wherry.app.benchmark.gather import gather
from wherry.app.config import Audit, Config
from wherry.app.supervise import Unit
from wherry.client.interface import Client
from wherry.host import files
from wherry.host.keys import Pki
from wherry.machinery.meta import ObjectMeta

pytestmark = pytest.mark.looptime(False)
ADMIN = known("test", MASTERS)
AGENTLESS = {"1.2.4", "1.2.5"}
"""What asks agents, and there are none here."""


@pytest.fixture
def config(config: Config) -> Config:
    """As `wherry up` leaves it: keys of the node, the administrator's credentials, files that say what to start."""
    certificates.ensure(config, Pki(config.pki, SystemClock()))
    configuration.save(config)
    config.server.chmod(0o700)
    files.write(config.admin_kubeconfig, "credentials")
    return config


@pytest.fixture(autouse=True)
def units(config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with the files that say what to start."""
    monkeypatch.setattr(configuration, "RUN", tmp_path / "run" / "wherry")
    keep = keeper.choose(config.run, tmp_path / "log")
    assert isinstance(keep, keeper.Supervised)
    for name in ("server", "agent-n1"):
        files.private_folder(keep.file(name).parent)
        files.write(keep.file(name), Unit(name, ("true",), "log").encode())
    return keep.file("server").parent


async def facts_of(config: Config, prepare: Callable[[Client], Awaitable[object]] | None = None) -> Facts:
    """Look at a control plane that runs."""
    async with plane(config) as running:
        client = running.api.client(ADMIN)
        for namespace in ("default", "kube-public", "kube-system"):
            meta = ObjectMeta(name="default", namespace=namespace)
            await client.create(SERVICEACCOUNT, ServiceAccount(metadata=meta))
        secret = Secret(metadata=ObjectMeta(name="s", namespace="default"), data={"k": b"a value to be looked for"})
        await client.create(SECRET, secret)
        if prepare is not None:
            await prepare(client)
        return await asyncio.to_thread(gather, config, SystemClock())


def troubles(facts: Facts, section: str) -> set[str]:
    """The checks of a section that found something."""
    found = checks.judge(checks.chosen([section]), facts)
    return {one.id for one in found if one.status in ("fail", "warn")} - AGENTLESS


async def test_a_control_plane_as_it_is_made(config: Config) -> None:
    facts = await facts_of(config)
    assert troubles(facts, "1.1") == set()
    assert troubles(facts, "1.2") == {"1.2.11"}
    assert facts.plane is not None
    assert facts.plane.sought == 1
    assert facts.plane.token_seconds == 3607
    assert set(facts.plane.admission.values()) == {403, 404}


async def test_a_control_plane_that_was_opened(config: Config, units: Path) -> None:
    """Files, encryption, audit log, anonymous requests, rights of everybody: each is found."""
    access = config.state / "access.yaml"
    access.write_text(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\nanonymous: {enabled: true}\n"
    )
    config = msgspec.structs.replace(config, encrypt=(), audit=Audit(enabled=False), access=str(access))
    (units / "server.json").chmod(0o644)
    config.server.chmod(0o755)
    (config.pki / "sa.key").chmod(0o640)
    config.admin_kubeconfig.chmod(0o644)

    async def open_to_all(client: Client) -> None:
        everybody = (Subject(kind="Group", name="system:authenticated", api_group="rbac.authorization.k8s.io"),)
        role = RoleRef(kind="ClusterRole", name="view", api_group="rbac.authorization.k8s.io")
        made = ClusterRoleBinding(metadata=ObjectMeta(name="all"), subjects=everybody, role_ref=role)
        await client.create(CLUSTERROLEBINDING, made)
        nobody = (Subject(kind="User", name="wherry-bench-nobody", api_group="rbac.authorization.k8s.io"),)
        one = ClusterRoleBinding(metadata=ObjectMeta(name="one"), subjects=nobody, role_ref=role)
        await client.create(CLUSTERROLEBINDING, one)

    facts = await facts_of(config, open_to_all)
    assert troubles(facts, "1.1") == {"1.1.1", "1.1.3", "1.1.5", "1.1.7", "1.1.11", "1.1.13", "1.1.21"}
    expected = {"1.2.1", "1.2.6", "1.2.11", "1.2.16", "1.2.17", "1.2.18", "1.2.19", "1.2.27", "1.2.28"}
    assert troubles(facts, "1.2") == expected
