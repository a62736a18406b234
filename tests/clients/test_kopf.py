"""An operator on kopf, unchanged and as a process of its own: handlers, finalizers, retries, status, events."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.definitions import definition, version
from tests.support.image import TOOLS
from tests.support.rest import Follower, Refused, Rest
from wherry.testing.cluster import Cluster

pytestmark = [pytest.mark.host, pytest.mark.looptime(enabled=False)]
OPERATOR = Path(__file__).with_name("gardens.py")
GROUP = "kopf.wherry.test"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
STATUS = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
BEDS = {"type": "object", "properties": {"beds": {"type": "integer"}, "image": {"type": "string"}}}


@pytest.fixture
def kind(rest: Rest) -> Iterator[str]:
    """The kind of gardens is defined."""
    schema = {"type": "object", "properties": {"spec": BEDS, "status": STATUS}}
    crd = definition(version(schema=schema, subresources={"status": {}}), kind="Garden", group=GROUP)
    rest.call("POST", DEFINITIONS, crd)
    with Follower(rest, DEFINITIONS) as follower:
        follower.wait(lambda seen: condition(seen["/gardens." + GROUP], "Established"), 20, "established")
    yield f"/apis/{GROUP}/v1"
    rest.call("DELETE", f"{DEFINITIONS}/gardens.{GROUP}")


def condition(item: dict[str, Any], kind: str) -> bool:
    return any(one["type"] == kind and one["status"] == "True" for one in item["status"].get("conditions", ()))


@contextlib.contextmanager
def operator(cluster: Cluster, namespace: str, log: Path) -> Iterator[None]:
    """The operator runs; ended as a pod's process would be, it ends well."""
    argv = [sys.executable, "-m", "kopf", "run", "--standalone", "--namespace", namespace, str(OPERATOR)]
    environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}
    with log.open("a") as sink, subprocess.Popen(argv, env=environment, stdout=sink, stderr=sink) as process:
        try:
            yield
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0, "it did not end well"
        except AssertionError as error:
            raise AssertionError(f"{error}; the operator said:\n{log.read_text()}") from error
        finally:
            process.kill()


def garden(beds: int) -> dict[str, Any]:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "Garden",
        "metadata": {"name": "kew"},
        "spec": {"beds": beds, "image": TOOLS},
    }


def test_an_operator(cluster: Cluster, rest: Rest, namespace: str, kind: str, tmp_path: Path) -> None:
    gardens = f"{kind}/namespaces/{namespace}/gardens"
    deployments = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    key = f"{namespace}/kew"
    with operator(cluster, namespace, tmp_path / "log"), Follower(rest, gardens) as follower:
        rest.call("POST", gardens, garden(2))
        follower.wait(lambda seen: seen.get(key, {}).get("status", {}).get("ready") == 2, 60, "two beds")
        made = rest.get(f"{gardens}/kew")
        assert made["metadata"]["finalizers"] == [f"{GROUP}/finalizer"]
        assert made["status"]["plant"] == {"deployment": "kew-beds"}
        assert rest.get(f"{deployments}/kew-beds")["metadata"]["ownerReferences"][0]["uid"] == made["metadata"]["uid"]
        cluster.kubectl("patch", "garden", "kew", "-n", namespace, "--type=merge", "-p", '{"spec":{"beds":1}}')
        follower.wait(lambda seen: seen[key]["status"].get("change") == "2 -> 1", 30, "the change")
        follower.wait(lambda seen: seen[key]["status"].get("ready") == 1, 60, "one bed")
        events = f"/api/v1/namespaces/{namespace}/events"
        with Follower(rest, events) as told:
            cluster.kubectl("patch", "garden", "kew", "-n", namespace, "--type=merge", "-p", '{"spec":{"beds":10}}')
            told.wait(lambda seen: any(one["reason"] == "TooLarge" for one in seen.values()), 30, "a refusal")
        assert rest.get(f"{deployments}/kew-beds")["spec"]["replicas"] == 1
    with Follower(rest, gardens) as follower:
        rest.call("DELETE", f"{gardens}/kew")
        assert "deletionTimestamp" in rest.get(f"{gardens}/kew")["metadata"]
        with operator(cluster, namespace, tmp_path / "log"):
            follower.wait(lambda seen: key not in seen, 60, "the end")
    assert rest.get(f"/api/v1/namespaces/{namespace}/configmaps/kew-was-here")["data"] == {"tries": "2"}
    with Follower(rest, deployments) as follower:
        follower.wait(lambda seen: not seen, 30, "the garbage collected")
    with pytest.raises(Refused, match="not found"):
        rest.get(f"{gardens}/kew")
