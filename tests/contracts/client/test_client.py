"""The Client contract, held by the fake, by the in-process client, and by the client over HTTPS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.support.apiserver import running_apiserver
from tests.support.cluster import Cluster
from wherry.aio.clock import SystemClock
from wherry.api.apps.deployment import DEPLOYMENT
from wherry.api.core.configmap import CONFIGMAP
from wherry.api.core.namespace import NAMESPACE
from wherry.api.core.node import NODE
from wherry.api.types.apps import Deployment, DeploymentSpec
from wherry.api.types.core import ConfigMap, Container, Namespace, Node, PodSpec, PodTemplateSpec
from wherry.client.http import HTTPClient, from_kubeconfig
from wherry.client.interface import Client, Event, Select
from wherry.machinery.errors import AlreadyExists, Conflict, NotFound
from wherry.machinery.meta import Key, LabelSelector, ObjectMeta

pytestmark = pytest.mark.looptime(False)


@pytest.fixture(params=["fake", "inprocess", "https"])
async def client(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Client]:
    """One implementation; namespace `demo` is there."""
    if request.param == "fake":
        fake = Cluster(SystemClock())
        await _prepare(fake)
        yield fake
        return
    async with running_apiserver(tmp_path) as running:
        await _prepare(running.client())
        if request.param == "inprocess":
            yield running.client()
        else:
            made = HTTPClient(from_kubeconfig(running.kubeconfig()), SystemClock())
            yield made
            await made.close()


async def _prepare(client: Client) -> None:
    try:
        await client.create(NAMESPACE, Namespace(metadata=ObjectMeta(name="demo")))
    except AlreadyExists:
        return


def config(name: str, **data: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="demo", labels={"name": name}), data=data)


def deployment(replicas: int) -> Deployment:
    labels = {"app": "web"}
    template = PodTemplateSpec(
        metadata=ObjectMeta(labels=labels), spec=PodSpec(containers=(Container(name="c", image="i"),))
    )
    spec = DeploymentSpec(replicas=replicas, selector=LabelSelector(match_labels=labels), template=template)
    return Deployment(metadata=ObjectMeta(name="web", namespace="demo"), spec=spec)


async def take(events: AsyncIterator[Event[ConfigMap]], until: str) -> list[tuple[str, str]]:
    """(type, name) up to the first of type `until`, bookmarks left out."""
    found: list[tuple[str, str]] = []
    async with asyncio.timeout(10):
        async for event in events:
            if event.type != "BOOKMARK":
                found.append((event.type, event.obj.metadata.name if event.obj is not None else ""))
            if event.type == until:
                return found
    raise AssertionError("the watch ended")


async def test_what_is_created_is_returned_as_stored(client: Client) -> None:
    made = await client.create(CONFIGMAP, config("a", x="1"))
    assert made.metadata.uid
    assert made.metadata.resource_version.isdigit()
    assert made.metadata.creation_timestamp
    assert await client.get(CONFIGMAP, Key("demo", "a")) == made


async def test_generated_names_differ(client: Client) -> None:
    bare = ConfigMap(metadata=ObjectMeta(generate_name="x-", namespace="demo"))
    one, other = await client.create(CONFIGMAP, bare), await client.create(CONFIGMAP, bare)
    assert one.metadata.name.startswith("x-")
    assert one.metadata.name != other.metadata.name


async def test_refusals(client: Client) -> None:
    made = await client.create(CONFIGMAP, config("a"))
    with pytest.raises(AlreadyExists):
        await client.create(CONFIGMAP, config("a"))
    with pytest.raises(NotFound):
        await client.get(CONFIGMAP, Key("demo", "b"))
    with pytest.raises(NotFound):
        await client.replace(CONFIGMAP, config("b"))
    with pytest.raises(NotFound):
        await client.delete(CONFIGMAP, Key("demo", "b"))
    await client.replace(CONFIGMAP, replace(made, data={"x": "1"}))
    with pytest.raises(Conflict):
        await client.replace(CONFIGMAP, replace(made, data={"x": "2"}))
    with pytest.raises(Conflict):
        await client.delete(CONFIGMAP, Key("demo", "a"), uid="00000000-0000-0000-0000-000000000000")


async def test_a_write_that_changes_nothing_is_no_revision(client: Client) -> None:
    made = await client.create(CONFIGMAP, config("a", x="1"))
    again = await client.replace(CONFIGMAP, made)
    assert again.metadata.resource_version == made.metadata.resource_version


async def test_generation_counts_specs_and_status_is_apart(client: Client) -> None:
    made = await client.create(DEPLOYMENT, deployment(1))
    assert made.metadata.generation == 1
    status = replace(made.status, observed_generation=1, replicas=7)
    with_status = await client.replace(
        DEPLOYMENT, replace(made, status=status, spec=replace(made.spec, replicas=9)), "status"
    )
    assert (with_status.status.replicas, with_status.spec.replicas, with_status.metadata.generation) == (7, 1, 1)
    scaled = await client.replace(
        DEPLOYMENT, replace(with_status, spec=replace(made.spec, replicas=2), status=made.status)
    )
    assert (scaled.status.replicas, scaled.spec.replicas, scaled.metadata.generation) == (7, 2, 2)


async def test_merge_patches_and_their_preconditions(client: Client) -> None:
    made = await client.create(CONFIGMAP, config("a", x="1", y="2"))
    patched = await client.patch(CONFIGMAP, Key("demo", "a"), {"data": {"x": None, "z": "3"}})
    assert patched.data == {"y": "2", "z": "3"}
    stale = {"metadata": {"resourceVersion": made.metadata.resource_version}, "data": {"w": "4"}}
    with pytest.raises(Conflict):
        await client.patch(CONFIGMAP, Key("demo", "a"), stale)


async def test_finalizers_hold_what_is_deleted(client: Client) -> None:
    held = replace(config("a"), metadata=replace(config("a").metadata, finalizers=("example.com/hold",)))
    made = await client.create(CONFIGMAP, held)
    await client.delete(CONFIGMAP, Key("demo", "a"), uid=made.metadata.uid)
    dying = await client.get(CONFIGMAP, Key("demo", "a"))
    assert dying.metadata.deletion_timestamp is not None
    await client.replace(CONFIGMAP, replace(dying, metadata=replace(dying.metadata, finalizers=())))
    with pytest.raises(NotFound):
        await client.get(CONFIGMAP, Key("demo", "a"))


async def test_propagation_leaves_its_finalizer(client: Client) -> None:
    await client.create(CONFIGMAP, config("a"))
    await client.delete(CONFIGMAP, Key("demo", "a"), propagation="Foreground")
    assert (await client.get(CONFIGMAP, Key("demo", "a"))).metadata.finalizers == ("foregroundDeletion",)
    await client.create(CONFIGMAP, config("b"))
    await client.delete(CONFIGMAP, Key("demo", "b"), propagation="Orphan")
    assert (await client.get(CONFIGMAP, Key("demo", "b"))).metadata.finalizers == ("orphan",)


async def test_selections(client: Client) -> None:
    for name in ("a", "b"):
        await client.create(CONFIGMAP, config(name))
    by_label = await client.list(CONFIGMAP, Select(namespace="demo", labels="name in (b,c)"))
    assert [o.metadata.name for o in by_label.items] == ["b"]
    by_field = await client.list(CONFIGMAP, Select(fields="metadata.name=a"))
    assert [o.metadata.name for o in by_field.items] == ["a"]
    elsewhere = await client.list(CONFIGMAP, Select(namespace="default", labels="name"))
    assert elsewhere.items == ()


async def test_watch_tells_what_is_and_what_becomes(client: Client) -> None:
    select = Select(namespace="demo", labels="name")
    await client.create(CONFIGMAP, config("a"))
    events = client.watch(CONFIGMAP, select)
    assert await take(events, "SYNCED") == [("ADDED", "a"), ("SYNCED", "")]
    await client.create(CONFIGMAP, config("b"))
    await client.patch(CONFIGMAP, Key("demo", "a"), {"data": {"x": "1"}})
    await client.delete(CONFIGMAP, Key("demo", "a"))
    assert await take(events, "DELETED") == [("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "a")]


async def test_watch_goes_on_from_a_revision(client: Client) -> None:
    await client.create(CONFIGMAP, config("a"))
    since = (await client.list(CONFIGMAP)).revision
    await client.create(CONFIGMAP, config("b"))
    events = client.watch(CONFIGMAP, Select(namespace="demo"), since)
    assert await take(events, "ADDED") == [("ADDED", "b")]


async def test_a_watch_shows_what_was_written_with_its_revision(client: Client) -> None:
    """What "read your own writes" rests on."""
    events = client.watch(CONFIGMAP, Select(namespace="demo", labels="name"))
    await take(events, "SYNCED")
    made = await client.create(CONFIGMAP, config("a"))
    async with asyncio.timeout(10):
        async for event in events:
            if event.obj is not None:
                break
    assert event.revision == int(made.metadata.resource_version)
    assert event.obj == made


async def test_cluster_scoped_kinds(client: Client) -> None:
    made = await client.create(NODE, Node(metadata=ObjectMeta(name="n1")))
    assert made.metadata.namespace == ""
    assert (await client.get(NODE, Key("", "n1"))).metadata.uid == made.metadata.uid
