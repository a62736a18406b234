"""What people do with kubectl, with the newest and the oldest kubectl at hand."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.image import TOOLS, TOOLS_2
from tests.support.kubectl import Kubectl, oldest
from tests.support.manifests import Json, deployment, pod, service
from tests.support.rest import Follower, Rest
from wherry.app.kubectl import program
from wherry.testing.cluster import Cluster

pytestmark = [pytest.mark.host, pytest.mark.looptime(enabled=False)]
OLD = "oldest"
TALK = """
trap 'echo bye; exit 0' TERM
echo boot $(cat /proc/uptime)
i=0; while sleep 0.2; do i=$((i+1)); echo $i; done
"""


@pytest.fixture(params=["bundled", OLD])
def kubectl(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[Kubectl]:
    """A kubectl in a namespace of its own."""
    path = oldest() if request.param == OLD else program()
    if not path:
        pytest.skip("the distribution's kubectl cannot be had")
    it = Kubectl(path, cluster, f"{request.node.originalname.removeprefix('test_').replace('_', '-')}-{request.param}")
    cluster.kubectl("create", "namespace", it.namespace)
    yield it
    cluster.kubectl("delete", "namespace", it.namespace, "--timeout=60s")


def manifest(*items: Json) -> str:
    """For standard input."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def rolled_out(kubectl: Kubectl) -> None:
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/web", "--timeout=60s")


def field(kubectl: Kubectl, path: str, kind: str = "deployment", name: str = "web") -> str:
    return kubectl("get", kind, name, "-o", f"jsonpath={{{path}}}")


def test_apply_look_and_change(kubectl: Kubectl, tmp_path: Path) -> None:
    web = manifest(deployment("web", replicas=2), service("web"))
    assert kubectl("apply", "-f", "-", stdin=web) == "deployment.apps/web created\nservice/web created\n"
    assert kubectl("apply", "-f", "-", stdin=web) == "deployment.apps/web unchanged\nservice/web unchanged\n"
    rolled_out(kubectl)
    wide = kubectl("get", "deployment,replicaset,pods,service", "-o", "wide")
    assert re.search(r"deployment.apps/web +2/2 +2 +2 +\S+ +web +wherry.test/tools:1 +app=web", wide), wide
    assert len(re.findall(r"pod/web-\S+ +1/1 +Running +0 +\S+ +10\.244\.\d+\.\d+ ", wide)) == 2, wide
    assert "replicas: 2" in kubectl("get", "deployment", "web", "-o", "yaml")
    shown = kubectl("describe", *kubectl("get", "pods", "-o", "name").split()[:1])
    assert "Successfully assigned" in shown
    assert re.search(r"Normal +Started ", shown)
    assert "ScalingReplicaSet" in kubectl("describe", "deployment", "web")
    assert "maxUnavailable" in kubectl("explain", "deployment.spec.strategy.rollingUpdate")
    more = tmp_path / "more.json"
    more.write_text(manifest(deployment("web", replicas=3)))
    difference = kubectl("diff", "-f", str(more), check=False)
    assert "-  replicas: 2\n+  replicas: 3\n" in difference
    assert field(kubectl, ".spec.replicas") == "2"
    kubectl("label", "deployment", "web", "tier=front")
    kubectl("annotate", "deployment", "web", "note=x")
    kubectl("edit", "deployment", "web", editor="sed -i s/tier:.front/tier:\\ back/")
    assert field(kubectl, ".metadata.labels.tier") == "back"
    kubectl("patch", "deployment", "web", "-p", '{"spec":{"minReadySeconds":2}}')
    kubectl("patch", "deployment", "web", "--type=merge", "-p", '{"spec":{"minReadySeconds":1}}')
    kubectl("patch", "deployment", "web", "--type=json", "-p", '[{"op":"remove","path":"/spec/minReadySeconds"}]')
    assert field(kubectl, ".spec.minReadySeconds") == ""
    kubectl("expose", "deployment", "web", "--name=again", "--port=81", "--target-port=8080")
    assert field(kubectl, ".spec.ports[0].port", "service", "again") == "81"
    kubectl("delete", "deployment", "web", "--cascade=orphan")
    assert kubectl("get", "replicaset", "-o", "name").count("replicaset.apps/web-") == 1
    kubectl("delete", "replicaset", "--all", "--timeout=60s")
    kubectl("wait", "pods", "--for=delete", "-l", "app=web", "--timeout=60s", check=False)
    assert "No resources found" in kubectl("get", "pods", check=False)


def test_rollouts(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=manifest(deployment("web")))
    rolled_out(kubectl)
    kubectl("set", "image", "deployment/web", f"web={TOOLS_2}")
    rolled_out(kubectl)
    assert re.findall(r"^\d", kubectl("rollout", "history", "deployment/web"), re.MULTILINE) == ["1", "2"]
    kubectl("rollout", "undo", "deployment/web")
    rolled_out(kubectl)
    assert field(kubectl, ".spec.template.spec.containers[0].image") == TOOLS
    kubectl("rollout", "restart", "deployment/web")
    rolled_out(kubectl)
    kubectl("scale", "deployment", "web", "--replicas=2")
    rolled_out(kubectl)
    kubectl("wait", "deployment/web", "--for=condition=Available", "--timeout=30s")
    assert field(kubectl, ".status.readyReplicas") == "2"


def test_refusals_and_questions(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "c", "--from-literal=a=b")
    assert kubectl("create", "configmap", "c", check=False).endswith('configmaps "c" already exists\n')
    kubectl("create", "configmap", "d")
    wrong = manifest(deployment("web", replicas=-1))
    assert "spec.replicas: Invalid value: -1: must be greater than or equal to 0" in kubectl(
        "create", "-f", "-", stdin=wrong, check=False
    )
    unknown = manifest({**deployment("web"), "spec": {**deployment("web")["spec"], "replica": 1}})
    assert "replica" in kubectl("create", "-f", "-", stdin=unknown, check=False)
    assert 'deployments.apps "web" not found' in kubectl("get", "deployment", "web", check=False)
    assert kubectl("auth", "can-i", "create", "pods") == "yes\n"
    stranger = ("auth", "can-i", "create", "pods", "--as=system:serviceaccount:default:default")
    assert kubectl(*stranger, check=False).startswith("no")
    kinds = kubectl("api-resources", "--namespaced=true")
    assert re.search(r"^deployments +deploy +apps/v1 +true +Deployment$", kinds, re.MULTILINE), kinds


def test_in_a_pod(kubectl: Kubectl, rest: Rest, tmp_path: Path) -> None:
    kubectl("run", "one", f"--image={TOOLS}", "--", "sh", "-c", TALK)
    kubectl("wait", "pod/one", "--for=condition=Ready", "--timeout=30s")
    with kubectl.start("logs", "-f", "one") as follow:
        assert follow.stdout is not None
        first = follow.stdout.readline()
        assert first.startswith("boot ")
        assert [follow.stdout.readline() for _ in range(5)] == [f"{n}\n" for n in range(1, 6)]
        follow.kill()
    assert len(kubectl("logs", "one", "--tail=2").splitlines()) == 2
    assert kubectl("logs", "one", "--since=1h").startswith(first)
    assert re.match(r"\d{4}-\d\d-\d\dT\S+Z boot ", kubectl("logs", "one", "--timestamps"))
    assert kubectl("exec", "-i", "one", "--", "sh", "-c", "cat; echo $?", stdin="a\nb\n") == "a\nb\n0\n"
    assert "exit code 3" in kubectl("exec", "one", "--", "sh", "-c", "exit 3", check=False)
    shown = kubectl.on_terminal(
        ["exec", "-it", "one", "--", "sh"], "stty size; tty; echo $((6*7)); exit\n", rows=33, columns=77
    )
    assert "33 77" in shown, shown
    assert "/dev/pts/" in shown
    assert "42" in shown
    there, back = tmp_path / "there", tmp_path / "back"
    there.write_bytes(bytes(range(256)) * 5000)
    kubectl("cp", str(there), "one:/tmp/there")
    kubectl("cp", "one:/tmp/there", str(back))
    assert back.read_bytes() == there.read_bytes()
    with Follower(rest, f"/api/v1/namespaces/{kubectl.namespace}/pods") as pods:
        kubectl("exec", "one", "--", "kill", "1")
        key = f"{kubectl.namespace}/one"
        pods.wait(lambda seen: seen[key]["status"]["containerStatuses"][0]["restartCount"] == 1, 30, "a restart")
    previous = kubectl("logs", "one", "--previous")
    assert previous.startswith(first)
    assert previous.endswith("bye\n")
    kubectl("delete", "pod", "one", "--now")


def test_forward_a_port(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=manifest(deployment("web"), service("web")))
    rolled_out(kubectl)
    for target in ("deployment/web", "service/web"):
        remote = ":80" if target == "service/web" else ":8080"
        with kubectl.start("port-forward", target, remote) as forward:
            assert forward.stdout is not None
            found = re.match(r"Forwarding from 127.0.0.1:(\d+) -> 8080", forward.stdout.readline())
            assert found is not None
            for _ in range(3):
                with contextlib.closing(http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=10)) as client:
                    client.request("GET", "/")
                    assert client.getresponse().read().startswith(b"1 web-")
            forward.kill()


def test_chores_on_a_node(kubectl: Kubectl) -> None:
    (node,) = kubectl.cluster.node_names
    kubectl("apply", "-f", "-", stdin=manifest(deployment("web")))
    rolled_out(kubectl)
    before = kubectl("get", "pods", "-o", "name")
    try:
        kubectl("drain", node, "--ignore-daemonsets", "--force", "--pod-selector=app=web", "--timeout=60s")
        assert "SchedulingDisabled" in kubectl("get", "node", node)
        assert before not in kubectl("get", "pods", "-o", "name", "--field-selector=status.phase=Pending")
    finally:
        kubectl("uncordon", node)
    kubectl("taint", "node", node, "special=yes:NoSchedule")
    kubectl("taint", "node", node, "special-")
    kubectl("cordon", node)
    kubectl("uncordon", node)
    rolled_out(kubectl)
    assert "Scheduled" in kubectl("get", "events", "--sort-by=.lastTimestamp")


def test_debug_a_pod(namespace: str, cluster: Cluster) -> None:
    kubectl = Kubectl(program(), cluster, namespace)
    kubectl("apply", "-f", "-", stdin=manifest(pod("quiet")))
    kubectl("wait", "pod/quiet", "--for=condition=Ready", "--timeout=30s")
    shown = kubectl.on_terminal(
        ["debug", "-it", "quiet", f"--image={TOOLS}", "--target=main", "--", "sh"],
        "\npidof sleep | wc -w; exit\n", rows=24, columns=80,
    )  # fmt: skip
    assert re.search(r"^1\r?$", shown, re.MULTILINE), shown
