"""The official Python client: objects, patches, watches, exec and logs of a pod, the dynamic client."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config, dynamic, watch
from kubernetes.stream import stream

from tests.support.definitions import definition, foo, spec_of, version
from tests.support.manifests import deployment, pod

pytestmark = [
    pytest.mark.host,
    pytest.mark.looptime(enabled=False),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),  # it leaves WebSockets open
]


@pytest.fixture
def api(kubeconfig: Path) -> Iterator[Any]:
    """A client of its own, not the global one."""
    with config.new_client_from_config(str(kubeconfig)) as it:
        yield it


def config_map(name: str, value: str) -> Any:
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name, labels={"app": "x"}), data={"key": value})


def test_objects(api: Any, namespace: str) -> None:
    core: Any = client.CoreV1Api(api)
    made = core.create_namespaced_config_map(namespace, config_map("a", "1"))
    assert made.metadata.resource_version
    assert made.metadata.creation_timestamp.tzinfo is not None
    with pytest.raises(client.ApiException) as refused:
        core.create_namespaced_config_map(namespace, config_map("a", "1"))
    assert json.loads(refused.value.body or "")["reason"] == "AlreadyExists"
    made.data = {"key": "2"}
    changed = core.replace_namespaced_config_map("a", namespace, made)
    made.data = {"key": "3"}
    with pytest.raises(client.ApiException) as conflict:
        core.replace_namespaced_config_map("a", namespace, made)
    assert conflict.value.status == 409
    patched = core.patch_namespaced_config_map("a", namespace, {"data": {"other": "x"}})
    assert patched.data == {"key": "2", "other": "x"}
    assert int(patched.metadata.resource_version) > int(changed.metadata.resource_version)
    for number in range(5):
        core.create_namespaced_config_map(namespace, config_map(f"b{number}", "1"))
    names: list[str] = []
    token = None
    while token != "":
        page = core.list_namespaced_config_map(namespace, limit=2, _continue=token, label_selector="app=x")
        names += [item.metadata.name for item in page.items]
        token = page.metadata._continue or ""
    assert names == ["a", "b0", "b1", "b2", "b3", "b4"]
    core.delete_collection_namespaced_config_map(namespace, label_selector="app=x")
    assert core.list_namespaced_config_map(namespace, label_selector="app=x").items == []


def test_a_watch_follows_a_deployment(api: Any, namespace: str) -> None:
    apps: Any = client.AppsV1Api(api)
    apps.create_namespaced_deployment(namespace, deployment("web", terminationGracePeriodSeconds=1))
    since = apps.list_namespaced_deployment(namespace).metadata.resource_version
    follow: Any = watch.Watch()
    for event in follow.stream(apps.list_namespaced_deployment, namespace, resource_version=since, _request_timeout=60):
        if event["object"].status.ready_replicas == 1:
            follow.stop()
    apps.patch_namespaced_deployment_scale("web", namespace, {"spec": {"replicas": 2}})
    assert apps.read_namespaced_deployment_scale("web", namespace).spec.replicas == 2
    seen = []
    for event in follow.stream(apps.list_namespaced_deployment, namespace, timeout_seconds=60):
        seen.append(event["type"])
        if event["type"] == "DELETED":
            follow.stop()
        elif event["object"].status.ready_replicas == 2 and not event["object"].metadata.deletion_timestamp:
            apps.delete_namespaced_deployment("web", namespace, propagation_policy="Background")
    assert seen[0] == "ADDED"
    assert seen[-1] == "DELETED"


def test_in_a_pod(api: Any, namespace: str, kubeconfig: Path) -> None:
    core: Any = client.CoreV1Api(api)
    core.create_namespaced_pod(namespace, pod("one", "echo one; echo two; echo three; exec sleep 3600"))
    for event in (follow := watch.Watch()).stream(core.list_namespaced_pod, namespace, timeout_seconds=60):
        if any(one.type == "Ready" and one.status == "True" for one in event["object"].status.conditions or ()):
            follow.stop()
    assert core.read_namespaced_pod_log("one", namespace) == "one\ntwo\nthree\n"
    assert core.read_namespaced_pod_log("one", namespace, tail_lines=1, timestamps=True).endswith("Z three\n")
    lines = (follow := watch.Watch()).stream(core.read_namespaced_pod_log, "one", namespace)
    assert [next(lines) for _ in range(3)] == ["one", "two", "three"]
    follow.stop()
    with config.new_client_from_config(str(kubeconfig)) as apart:
        call = client.CoreV1Api(apart).connect_get_namespaced_pod_exec
        assert stream(call, "one", namespace, command=["echo", "hi"], stdout=True, stderr=True) == "hi\n"
        shell = stream(
            call, "one", namespace, command=["sh"], stdin=True, stdout=True, stderr=True, _preload_content=False
        )
        shell.write_stdin("echo out; echo err >&2; exit 3\n")
        shell.run_forever(timeout=20)
        assert shell.read_stdout(timeout=0) == "out\n"
        assert shell.read_stderr(timeout=0) == "err\n"
        assert shell.returncode == 3
        shell.close()


def test_own_kinds_with_the_dynamic_client(api: Any, namespace: str) -> None:
    size = spec_of({"size": {"type": "integer"}})
    crd = definition(version(schema=size, subresources={"status": {}}), kind="Tree", group="official.wherry.test")
    extensions: Any = client.ApiextensionsV1Api(api)
    extensions.create_custom_resource_definition(crd)
    try:
        for event in (follow := watch.Watch()).stream(extensions.list_custom_resource_definition, timeout_seconds=20):
            conditions = event["object"].status.conditions or ()
            if event["object"].metadata.name == crd["metadata"]["name"] and any(
                one.type == "Established" and one.status == "True" for one in conditions
            ):
                follow.stop()
        trees = dynamic.DynamicClient(api).resources.get(api_version="official.wherry.test/v1", kind="Tree")
        tree = {**foo("oak", spec={"size": 3}), "apiVersion": "official.wherry.test/v1", "kind": "Tree"}
        seen: list[tuple[str, str]] = []
        since = trees.get(namespace=namespace).metadata.resourceVersion
        follower = threading.Thread(
            target=lambda: seen.extend(
                (event["type"], event["object"].metadata.name)
                for event in trees.watch(namespace=namespace, resource_version=since, timeout=3)
            )
        )
        follower.start()
        trees.create(body=tree, namespace=namespace)
        applied = {**tree, "spec": {"size": 4}}
        done = trees.server_side_apply(
            body=applied, name="oak", namespace=namespace, field_manager="me", force_conflicts=True
        )
        assert done.spec.size == 4
        assert {entry.manager for entry in done.metadata.managedFields} >= {"me"}
        trees.delete(name="oak", namespace=namespace)
        follower.join(10)
        assert seen == [("ADDED", "oak"), ("MODIFIED", "oak"), ("DELETED", "oak")]
    finally:
        extensions.delete_custom_resource_definition(crd["metadata"]["name"])
