"""Upstream's adapter of metrics, unchanged: it finds out by itself who the API server and its users are, asks whether
they may read, and autoscalers follow what it says of pods, of objects and of what is outside."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients import program
from tests.support.apiserver import Authority
from tests.support.manifests import deployment
from tests.support.rest import Rest
from wherry.testing.cluster import Cluster

pytestmark = [pytest.mark.host, pytest.mark.looptime(enabled=False)]
Json = dict[str, Any]
PORT, WRITING = 6543, 8080
CUSTOM, EXTERNAL = "custom.metrics.k8s.io", "external.metrics.k8s.io"
SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
METRICS = {
    "pods": {
        "type": "Pods",
        "pods": {"metric": {"name": "hits"}, "target": {"type": "AverageValue", "averageValue": "10"}},
    },
    "object": {
        "type": "Object",
        "object": {
            "describedObject": {"apiVersion": "v1", "kind": "Service", "name": "adapter"},
            "metric": {"name": "queue"},
            "target": {"type": "AverageValue", "averageValue": "10"},
        },
    },
    "outside": {  # the adapter says 44
        "type": "External",
        "external": {
            "metric": {"name": "other-external-metric"},
            "target": {"type": "AverageValue", "averageValue": "22"},
        },
    },
}


class Shop:
    """A namespace with Deployments that are scaled by the adapter."""

    def __init__(self, cluster: Cluster, rest: Rest, namespace: str) -> None:
        self.cluster, self.rest, self.namespace = cluster, rest, namespace

    def path(self, api: str, *parts: str) -> str:
        return "/".join((api, "namespaces", self.namespace, *parts))

    def scaled(self, name: str) -> None:
        item = deployment(name)
        item["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 1
        self.rest.call("POST", self.path("/apis/apps/v1", "deployments"), item)
        spec = {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "maxReplicas": 3, "metrics": [METRICS[name]],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
        }  # fmt: skip
        scaler = {"metadata": {"name": name}, "spec": spec}
        self.rest.call("POST", self.path("/apis/autoscaling/v2", "horizontalpodautoscalers"), scaler)

    def say(self, place: str, value: str) -> None:
        """Tell the adapter what to say of an object of the namespace: `pods/<name>/hits`."""
        connection = http.client.HTTPConnection(self.cluster.address, WRITING, timeout=10)
        with contextlib.closing(connection):
            path = f"/write-metrics/namespaces/{self.namespace}/{place}"
            connection.request("POST", path, json.dumps(value), {"Content-Type": "application/json"})
            assert connection.getresponse().status == 200

    def say_of_pods(self, name: str, value: str) -> None:
        listed = self.rest.get(self.path("/api/v1", f"pods?labelSelector=app%3D{name}"))["items"]
        for pod in listed:
            self.say(f"pods/{pod['metadata']['name']}/hits", value)

    def sized(self, name: str, replicas: int) -> None:
        self.until(self.path("/apis/apps/v1", "deployments", name), lambda item: item["spec"]["replicas"] == replicas)

    def active(self, name: str, reason: str) -> str:
        """Wait until ScalingActive has this reason; its message."""

        def conditions(item: Json) -> list[Json]:
            listed: list[Json] = item.get("status", {}).get("conditions", [])
            return [one for one in listed if (one["type"], one["reason"]) == ("ScalingActive", reason)]

        path = self.path("/apis/autoscaling/v2", "horizontalpodautoscalers", name)
        return str(conditions(self.until(path, conditions))[0]["message"])

    def until(self, path: str, holds: Any, seconds: float = 40) -> Json:
        """Wait for an object to be so."""
        end = time.monotonic() + seconds
        while not holds(found := self.rest.get(path)):
            assert time.monotonic() < end, (found, self.cluster.kubectl("-n", self.namespace, "describe", "hpa"))
            time.sleep(0.2)
        return found


@pytest.fixture
def shop(cluster: Cluster, rest: Rest, namespace: str, certificate: tuple[str, ...], tmp_path: Path) -> Iterator[Shop]:
    """The adapter's Service leads to the node's own address, which an EndpointSlice of ours says."""
    made = Shop(cluster, rest, namespace)
    ca = base64.b64encode((tmp_path / "adapter" / "ca.crt").read_bytes()).decode()
    rest.call(
        "POST", made.path("/api/v1", "services"), {"metadata": {"name": "adapter"}, "spec": {"ports": [{"port": 443}]}}
    )
    piece = {
        "metadata": {"name": "adapter", "labels": {"kubernetes.io/service-name": "adapter"}}, "addressType": "IPv4",
        "endpoints": [{"addresses": [cluster.address]}], "ports": [{"name": "", "port": PORT}],
    }  # fmt: skip
    rest.call("POST", made.path("/apis/discovery.k8s.io/v1", "endpointslices"), piece)
    names = []
    for group, version in ((CUSTOM, "v1beta2"), (CUSTOM, "v1beta1"), (EXTERNAL, "v1beta1")):
        spec = {
            "group": group, "version": version, "groupPriorityMinimum": 100, "caBundle": ca,
            "versionPriority": 200 if version == "v1beta2" else 100,
            "service": {"namespace": namespace, "name": "adapter", "port": 443},
        }  # fmt: skip
        names.append(f"{version}.{group}")
        rest.call("POST", SERVICES, {"metadata": {"name": names[-1]}, "spec": spec})
    yield made
    for name in names:
        rest.call("DELETE", f"{SERVICES}/{name}")


@pytest.fixture
def certificate(namespace: str, tmp_path: Path) -> tuple[str, ...]:
    """What the adapter serves with."""
    pair = Authority(tmp_path / "adapter").issue("adapter", server=True, hosts=[f"adapter.{namespace}.svc"])
    return f"--tls-cert-file={pair.certificate}", f"--tls-private-key-file={pair.key}"


@contextlib.contextmanager
def running(cluster: Cluster, certificate: tuple[str, ...], said: Path) -> Iterator[None]:
    """The adapter, beside the cluster's node; what it said is shown when the test fails meanwhile."""
    flags = [f"--{part}-kubeconfig={cluster.kubeconfig}" for part in ("lister", "authentication", "authorization")]
    argv = [str(program.build_adapter() / "test-adapter"), f"--secure-port={PORT}", *flags, *certificate]
    with said.open("wb") as output:
        process = subprocess.Popen(cluster.place.argv(argv), stdout=output, stderr=subprocess.STDOUT)
        try:
            yield
        except BaseException:
            print(said.read_text()[-6000:])  # noqa: T201 - for whoever reads the failure
            raise
        finally:
            process.kill()
            process.wait()


def test_upstreams_adapter(cluster: Cluster, certificate: tuple[str, ...], shop: Shop, tmp_path: Path) -> None:
    def available(item: Json) -> bool:
        conditions = item.get("status", {}).get("conditions", [])
        return any((one["type"], one["status"]) == ("Available", "True") for one in conditions)

    with running(cluster, certificate, tmp_path / "adapter.log"):
        for name in (f"v1beta2.{CUSTOM}", f"v1beta1.{CUSTOM}", f"v1beta1.{EXTERNAL}"):
            shop.until(f"{SERVICES}/{name}", available)
        for name in METRICS:
            shop.scaled(name)
        shop.sized("outside", 2)
        shop.say("services/adapter/queue", "30")
        shop.sized("object", 3)
        shop.say_of_pods("pods", "20")
        shop.sized("pods", 2)
        for version in ("v1beta2", "v1beta1"):
            found = shop.rest.get(shop.path(f"/apis/{CUSTOM}/{version}", "services", "adapter", "queue"))
            assert found["items"][0]["value"] == "30"
        stranger = cluster.kubectl(
            "get", "--raw", shop.path(f"/apis/{EXTERNAL}/v1beta1", "other-external-metric"), "--as=eve", check=False
        )
        assert 'User "eve" cannot list resource "other-external-metric"' in stranger
        shop.say("services/adapter/queue", "1")
        shop.say_of_pods("pods", "1")
        for name in ("object", "pods"):
            shop.sized(name, 1)
    said = "the server is currently unable to handle the request (get pods.custom.metrics.k8s.io *)"
    assert shop.active("pods", "FailedGetPodsMetric").endswith(said)
    with running(cluster, certificate, tmp_path / "again.log"):
        assert shop.active("outside", "ValidMetricFound")
        assert shop.active("pods", "FailedGetPodsMetric")
