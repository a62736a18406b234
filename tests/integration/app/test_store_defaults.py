"""What an earlier version stored gets this version's defaults before anything is served: nothing looks changed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from wherry.aio.clock import SystemClock
from wherry.api.apps.deployment import DEPLOYMENT
from wherry.api.apps.replicaset import REPLICASET
from wherry.api.core.pod import POD
from wherry.api.core.serviceaccount import SERVICEACCOUNT
from wherry.api.types.apps import Deployment, ReplicaSet
from wherry.api.types.core import Pod, ServiceAccount
from wherry.apiserver.authn.user import MASTERS, known
from wherry.app import assemble, store_copies, store_defaults, version
from wherry.app.config import Config
from wherry.machinery.codec import from_dict, to_dict
from wherry.machinery.meta import Key, ObjectMeta
from wherry.store.sqlite import SqliteLog

pytestmark = pytest.mark.looptime(False)
LABELS = {"app": "web"}
TEMPLATE: dict[str, Any] = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
SPEC: dict[str, Any] = {"replicas": 1, "selector": {"matchLabels": LABELS}, "template": TEMPLATE}
ADDED = ("terminationMessagePolicy", "terminationMessagePath")
"""Fields that play the part of those that came with this version."""


def stripped(value: Any) -> Any:
    """Without the fields that were added."""
    match value:
        case dict():
            return {name: stripped(one) for name, one in value.items() if name not in ADDED}
        case list():
            return [stripped(one) for one in value]
        case _:
            return value


async def left_by_an_earlier_version(config: Config) -> None:
    """A pod, a Deployment and its ReplicaSet, stored before the fields were there."""
    plane = await assemble.control_plane(config, SystemClock(), frozenset({"api"}))
    named = {"metadata": {"name": "web", "namespace": "default"}}
    try:
        client = plane.api.client(known("test", MASTERS))
        own = ServiceAccount(metadata=ObjectMeta(name="default", namespace="default"))
        await client.create(SERVICEACCOUNT, own)
        await client.create(POD, from_dict(Pod, {**named, "spec": TEMPLATE["spec"]}))
        await client.create(DEPLOYMENT, from_dict(Deployment, {**named, "spec": SPEC}))
        await client.create(REPLICASET, from_dict(ReplicaSet, {**named, "spec": SPEC}))
    finally:
        await plane.stop()
    log = await SqliteLog.open(config.database)
    for record in (await log.list("/registry/"))[1]:
        if record.key.endswith("/default/web"):
            await log.append(record.key, json.dumps(stripped(json.loads(record.value))).encode(), record.revision)
    strange = b'{"metadata":{"name":"odd","namespace":"default"},"spec":"nonsense"}'
    await log.append("/registry/core/pods/default/odd", strange, 0)
    await log.close()


async def test_templates_stay_equal_and_pods_may_be_updated(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    await left_by_an_earlier_version(config)
    monkeypatch.setattr(version, "wherry", lambda: "0.99.0")
    plane = await assemble.control_plane(config, SystemClock(), frozenset({"api"}))
    try:
        client = plane.api.client(known("test", MASTERS))
        pod = await client.get(POD, Key("default", "web"))
        assert pod.spec.containers[0].termination_message_policy == "File"
        assert pod.metadata.generation == 1
        changed = replace(pod, metadata=replace(pod.metadata, labels={"seen": "yes"}))
        updated = await client.replace(POD, changed)
        assert updated.metadata.generation == 1
        deployment = await client.get(DEPLOYMENT, Key("default", "web"))
        replicas = await client.get(REPLICASET, Key("default", "web"))
        assert deployment.spec.template == replicas.spec.template
        assert deployment.metadata.generation == 1
        assert to_dict(deployment)["spec"]["template"]["spec"]["containers"][0]["terminationMessagePath"]
    finally:
        await plane.stop()
    assert store_copies.opened_by(config) == "0.99.0"


async def test_what_has_its_defaults_or_cannot_be_read_is_not_written(config: Config) -> None:
    await left_by_an_earlier_version(config)
    log = await SqliteLog.open(config.database)
    try:
        first = await store_defaults.fill(log)
        assert first >= 3
        revision = log.revision
        assert await store_defaults.fill(log) == 0
        assert log.revision == revision
    finally:
        await log.close()
