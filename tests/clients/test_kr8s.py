"""kr8s: objects, waiting, exec, logs, a forwarded port, and a kind of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import kr8s
import pytest
from kr8s.objects import ConfigMap, CustomResourceDefinition, Deployment, Pod, new_class

from tests.support.definitions import definition, spec_of, version
from tests.support.manifests import deployment, pod, service

pytestmark = [
    pytest.mark.host,
    pytest.mark.looptime(enabled=False),
    pytest.mark.filterwarnings("ignore:Kubernetes version:UserWarning"),  # it knows older ones only
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),  # it leaves connections open
]


@pytest.fixture
def api(kubeconfig: Path, namespace: str) -> Any:
    """A client in the test's namespace."""
    return kr8s.api(kubeconfig=str(kubeconfig), namespace=namespace)


def test_objects(api: Any, namespace: str) -> None:
    assert api.version()["minor"] == "37"
    assert "kubernetes-admin" in str(api.whoami())
    made: Any = ConfigMap({"metadata": {"name": "a", "namespace": namespace}, "data": {"key": "1"}}, api=api)
    made.create()
    assert made.exists()
    made.patch({"data": {"other": "2"}})
    made.label(tier="front")
    made.annotate({"note": "x"})
    (found,) = api.get("configmaps", namespace=namespace, label_selector={"tier": "front"})
    assert dict(found.data) == {"key": "1", "other": "2"}
    assert found.annotations["note"] == "x"
    made.delete()
    with pytest.raises(kr8s.NotFoundError):
        _: Any = ConfigMap.get("a", namespace=namespace, api=api)


def test_a_deployment_and_its_pods(api: Any, namespace: str) -> None:
    web = Deployment(
        {**deployment("web", terminationGracePeriodSeconds=1), "metadata": {"name": "web", "namespace": namespace}},
        api=api,
    )
    web.create()
    web.wait("condition=Available", timeout=60)
    web.scale(2)
    web.wait("jsonpath='{.status.readyReplicas}'=2", timeout=60)
    names = {one.name for one in web.pods()}
    assert len(names) == 2
    with web.pods()[0].portforward(remote_port=8080, local_port="auto") as port:
        assert httpx.get(f"http://127.0.0.1:{port}/", timeout=10).text.startswith("1 web-")
    gone: set[str] = set()
    web.delete(propagation_policy="Foreground")
    for kind, one in api.watch("pods", namespace=namespace):
        if kind == "DELETED":
            gone.add(one.name)
        if gone == names:
            break
    web.wait("delete", timeout=30)
    assert not web.exists()


def test_in_a_pod(api: Any, namespace: str) -> None:
    manifest = pod("one", "for n in 1 2 3; do echo $n; done; exec sleep 3600")
    one = Pod({**manifest, "metadata": {"name": "one", "namespace": namespace}}, api=api)
    one.create()
    one.wait("condition=Ready", timeout=60)
    assert list(one.logs()) == ["1", "2", "3"]
    assert one.exec(["sh", "-c", "echo out; echo err >&2"]).stdout == b"out\n"
    failed = one.exec(["sh", "-c", "echo err >&2; exit 3"], check=False)
    assert (failed.returncode, failed.stderr) == (3, b"err\n")
    one.delete(grace_period=0)


@pytest.fixture
def trees(api: Any) -> Iterator[Any]:
    """A kind of one's own."""
    schema = spec_of({"replicas": {"type": "integer"}})
    scale = {"scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}}
    crd = CustomResourceDefinition(
        definition(version(schema=schema, subresources=scale), kind="Bush", group="kr8s.wherry.test"), api=api
    )
    crd.create()
    crd.wait("condition=Established", timeout=20)
    yield new_class("Bush", "kr8s.wherry.test/v1", asyncio=False, scalable=True, plural="bushs")
    crd.delete()


def test_own_kinds(api: Any, namespace: str, trees: Any) -> None:
    oak = trees({"metadata": {"name": "oak", "namespace": namespace}, "spec": {"replicas": 1}}, api=api)
    oak.create()
    oak.scale(4)
    assert oak.spec.replicas == 4
    with pytest.raises(kr8s.ServerError, match=r"spec\.replicas"):
        oak.patch({"spec": {"replicas": "many"}})
    oak.delete()


def test_services_reach_their_pods(api: Any, namespace: str) -> None:
    for manifest in (deployment("web", terminationGracePeriodSeconds=1), service("web")):
        kind = manifest["kind"]
        made = kr8s.objects.object_from_spec({**manifest, "metadata": {"name": "web", "namespace": namespace}}, api=api)
        made.create()
        if kind == "Deployment":
            made.wait("condition=Available", timeout=60)
    (front,) = api.get("services", "web", namespace=namespace)
    assert front.ready()
    assert front.proxy_http_get("/", port=80).text.startswith("1 web-")
