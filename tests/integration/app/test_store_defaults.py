"""What an earlier version stored gets this version's defaults before anything is served: nothing looks changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from wherry import api
from wherry.aio.clock import SystemClock
from wherry.api.apps.deployment import DEPLOYMENT
from wherry.api.apps.replicaset import REPLICASET
from wherry.api.core.pod import POD
from wherry.api.core.serviceaccount import SERVICEACCOUNT
from wherry.api.types.apps import Deployment, ReplicaSet
from wherry.api.types.core import Pod, ServiceAccount
from wherry.apiserver.authn.user import MASTERS, known
from wherry.app import assemble, store_defaults
from wherry.app.config import Config
from wherry.machinery.codec import from_dict, to_dict
from wherry.machinery.meta import Key, ObjectMeta
from wherry.store.sqlite import SqliteLog
from wherry.store.takeover import TakeOver

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


def as_before(key: str, value: bytes) -> bytes | None:
    """A value as an earlier version stored it."""
    return json.dumps(stripped(json.loads(value))).encode() if key.endswith("/default/web") else None


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
    log = await SqliteLog.open(config.database, takeover=TakeOver(mark=1, amend=as_before))
    strange = b'{"metadata":{"name":"odd","namespace":"default"},"spec":"nonsense"}'
    await log.append("/registry/core/pods/default/odd", strange, 0)
    await log.close()


async def test_templates_stay_equal_and_pods_may_be_updated(config: Config) -> None:
    await left_by_an_earlier_version(config)
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


async def test_all_of_an_object_stays_besides_its_defaults(config: Config) -> None:
    """Everything that a control plane makes, as it is stored: revisions, owners of fields and all."""
    await left_by_an_earlier_version(config)
    log = await SqliteLog.open(config.database)
    revision, before = await log.list("")
    await log.close()
    log = await SqliteLog.open(config.database, takeover=TakeOver(None, store_defaults.mark(), store_defaults.filled))
    assert log.revision == revision
    changed = 0
    for was, now in zip(before, (await log.list(""))[1], strict=True):
        assert was[:1] + was[2:] == now[:1] + now[2:]
        value, filled = json.loads(was.value), json.loads(now.value)
        if value != filled:
            changed += 1
            assert value["metadata"] == filled["metadata"]
            assert value["metadata"]["managedFields"]
            assert stripped(filled) == value
        else:
            assert was.value == now.value
    assert changed == 3
    await log.close()


def test_what_has_its_defaults_or_cannot_be_read_is_not_written() -> None:
    named = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "web", "namespace": "default"}}
    pod, custom = "/registry/core/pods/default/web", "/registry/example.com/pods/default/web"
    bare = json.dumps({**named, "spec": TEMPLATE["spec"]}).encode()
    full = store_defaults.filled(pod, bare)
    assert full is not None
    assert store_defaults.filled(pod, full) is None
    later = json.dumps({**json.loads(full), "later": {"version": "knows"}}).encode()
    assert store_defaults.filled(pod, later) is None
    assert store_defaults.filled(custom, bare) is None
    for strange in (b"", b"[]", json.dumps({**named, "spec": "nonsense"}).encode()):
        assert store_defaults.filled(pod, strange) is None


def test_the_mark_is_another_when_a_default_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = tmp_path / "core" / "defaults.py"
    code.parent.mkdir()
    code.write_text("A = 1\n")
    monkeypatch.setattr(api, "__path__", [str(tmp_path)])
    unread = store_defaults.mark.__wrapped__
    marks = [unread(), unread()]
    code.write_text("A = 2\n")
    marks.append(unread())
    assert marks[0] == marks[1] != marks[2]
    assert all(0 < mark < 1 << 63 for mark in marks)
