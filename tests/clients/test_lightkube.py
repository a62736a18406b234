"""lightkube: typed objects, server-side apply, watches, waiting, exec, logs, and a generic kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from lightkube import ApiError, Client, KubeConfig
from lightkube.generic_resource import create_namespaced_resource
from lightkube.models.core_v1 import Container, PodSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Pod
from lightkube.types import PatchType

from tests.support.definitions import definition, spec_of, version
from tests.support.image import TOOLS
from tests.support.manifests import deployment

pytestmark = [pytest.mark.host, pytest.mark.looptime(enabled=False)]


@pytest.fixture
def api(kubeconfig: Path, namespace: str) -> Iterator[Client]:
    """A client in the test's namespace."""
    with Client(config=KubeConfig.from_file(kubeconfig), namespace=namespace, field_manager="lightkube") as it:
        yield it


def test_objects(api: Client) -> None:
    api.create(ConfigMap(metadata=ObjectMeta(name="a", labels={"tier": "front"}), data={"key": "1"}))
    with pytest.raises(ApiError) as refused:
        api.create(ConfigMap(metadata=ObjectMeta(name="a")))
    assert refused.value.status.reason == "AlreadyExists"
    applied = api.apply(ConfigMap(metadata=ObjectMeta(name="a"), data={"mine": "2"}))
    assert applied.data == {"key": "1", "mine": "2"}
    with pytest.raises(ApiError) as conflict:
        api.apply(ConfigMap(metadata=ObjectMeta(name="a"), data={"mine": "3"}), field_manager="other")
    assert conflict.value.status.code == 409
    assert 'conflict with "lightkube"' in (conflict.value.status.message or "")
    api.apply(ConfigMap(metadata=ObjectMeta(name="a"), data={}))
    assert api.get(ConfigMap, "a").data == {"key": "1"}
    patch = [{"op": "replace", "path": "/data/key", "value": "4"}]
    assert api.patch(ConfigMap, "a", patch, patch_type=PatchType.JSON).data == {"key": "4"}
    assert [one.metadata.name for one in api.list(ConfigMap, labels={"tier": "front"}) if one.metadata] == ["a"]
    api.deletecollection(ConfigMap)
    with pytest.raises(ApiError, match='configmaps "a" not found'):
        api.get(ConfigMap, "a")


def test_a_deployment(api: Client) -> None:
    api.create(cast(Deployment, Deployment.from_dict(deployment("web", terminationGracePeriodSeconds=1))))
    api.wait(Deployment, "web", for_conditions=["Available"])
    scaled = api.patch(Deployment.Scale, "web", {"spec": {"replicas": 2}})
    assert scaled.spec is not None
    assert scaled.spec.replicas == 2
    for _, one in api.watch(Deployment, fields={"metadata.name": "web"}, server_timeout=60):
        assert one.status is not None
        if one.status.readyReplicas == 2:
            break
    api.delete(Deployment, "web")


def test_in_a_pod(api: Client) -> None:
    shell = ["sh", "-c", "for n in 1 2 3; do echo $n; done; exec sleep 3600"]
    spec = PodSpec(containers=[Container(name="main", image=TOOLS, command=shell)], terminationGracePeriodSeconds=1)
    api.create(Pod(metadata=ObjectMeta(name="one"), spec=spec))
    api.wait(Pod, "one", for_conditions=["Ready"])
    assert list(api.log("one")) == ["1\n", "2\n", "3\n"]
    followed = api.log("one", follow=True, tail_lines=2)
    assert [next(followed), next(followed)] == ["2\n", "3\n"]
    told = api.exec("one", command=["sh", "-c", "cat; echo err >&2; exit 3"], stdin="in\n", stdout=True, stderr=True)
    assert (told.stdout, told.stderr, told.exit_code) == ("in\n", "err\n", 3)


def test_a_generic_kind(api: Client) -> None:
    crd = definition(
        version(schema=spec_of({"size": {"type": "integer"}}), subresources={"status": {}}),
        kind="Tree",
        group="lightkube.wherry.test",
    )
    api.create(cast(CustomResourceDefinition, CustomResourceDefinition.from_dict(crd)))
    try:
        api.wait(CustomResourceDefinition, crd["metadata"]["name"], for_conditions=["Established"])
        trees = create_namespaced_resource("lightkube.wherry.test", "v1", "Tree", "trees")
        api.create(trees(metadata=ObjectMeta(name="oak"), spec={"size": 3}))
        api.patch(trees.Status, "oak", {"status": {"replicas": 5}}, patch_type=PatchType.MERGE)
        oak: Any = api.get(trees, "oak")
        assert (oak.spec, oak.status) == ({"size": 3}, {"replicas": 5})
        with pytest.raises(ApiError, match=r"spec\.size: Invalid value"):
            api.create(trees(metadata=ObjectMeta(name="ash"), spec={"size": "big"}))
    finally:
        api.delete(CustomResourceDefinition, crd["metadata"]["name"])
