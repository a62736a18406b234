"""A second machine joins, carries pods that reach Services, is refused what it may not have, and leaves without trace.

Two network namespaces on one bridge act as the machines: the server is in one, `wherry join` runs in the other.
"""

from __future__ import annotations

import json
import shlex
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.image import SERVE
from tests.support.manifests import Json, deployment, service
from tests.support.rest import Follower, Rest
from tests.support.segment import Machine, Segment, ip
from wherry.app import tree
from wherry.app.config import Config, node_name
from wherry.host import enrolment
from wherry.testing import place
from wherry.testing.cluster import Cluster

pytestmark = [pytest.mark.host, pytest.mark.looptime(enabled=False)]
PODS = "/api/v1/namespaces/default/pods"
FIRST = node_name(socket.gethostname())
ASK = """
import socket, sys
for _ in range(int(sys.argv[3])):
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5) as s:
        s.sendall(b"GET / HTTP/1.1\\r\\nConnection: close\\r\\n\\r\\n")
        print(s.makefile().read().split()[-1])
"""


@dataclass(frozen=True)
class Two:
    """Two machines: the cluster's, and one that is to join it with the command `join`."""

    cluster: Cluster
    other: Machine
    join: tuple[str, ...]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, tools: Path) -> Iterator[Two]:
    """A cluster of one node beside an empty machine."""
    folder = tmp_path_factory.mktemp("join")
    with Cluster(folder / "cluster") as cluster, Segment(cluster.place) as segment:
        cluster.load_image(tools)
        line = cluster.wherry("token", "create", "--description", "rack 7")
        yield Two(cluster, segment.machine(folder / "other"), tuple(shlex.split(line)[1:]))


def changed(command: tuple[str, ...], flag: str, value: str) -> list[str]:
    """The command with another value of a flag."""
    words = list(command)
    words[words.index(flag) + 1] = value
    return words


def spread(cluster: Cluster, name: str, nodes: set[str]) -> None:
    """A Deployment with a pod on each of two nodes behind a Service that both pods reach, by address and by name."""
    constraint = {
        "maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": name}},
    }  # fmt: skip
    for item in (deployment(name, replicas=2, topologySpreadConstraints=[constraint]), service(name)):
        cluster.kubectl("apply", "-f", "-", stdin=json.dumps(item))
    cluster.kubectl("rollout", "status", f"deployment/{name}", "--timeout=60s")
    found = json.loads(cluster.kubectl("get", "pods", "-l", f"app={name}", "-o", "json"))["items"]
    pods: dict[str, Json] = {pod["spec"]["nodeName"]: pod for pod in found}
    assert pods.keys() == nodes
    names = {pod["metadata"]["name"] for pod in pods.values()}
    address = cluster.kubectl("get", "service", name, "-o", "jsonpath={.spec.clusterIP}")
    for pod in pods.values():
        execute = ("exec", pod["metadata"]["name"], "--", *SERVE[:-1], "-c", ASK)
        assert set(cluster.kubectl(*execute, address, "80", "20").split()) == names
        assert set(cluster.kubectl(*execute, f"{name}.default", "80", "20").split()) == names


def test_what_is_refused_leaves_nothing(two: Two) -> None:
    before = two.other.processes()
    name = ("--name", "second")
    clash = two.other.wherry(*two.join, check=False)
    assert clash.splitlines()[-1] == (
        f"error: a node named {FIRST} is already there; give another with --name, or remove that one with"
        f" `wherry node remove {FIRST}` on the server's machine"
    )
    for flag, value, said in (
        ("--token", "aaaaaa.bbbbbbbbbbbbbbbb", "error: the token is wrong or has expired; make a new one with"),
        ("--ca-hash", "sha256:" + "0" * 64, "error: the cluster at"),
    ):
        told = two.other.wherry(*changed(two.join, flag, value), *name, check=False).splitlines()[-1]
        assert told.startswith(said)
    assert not two.other.root.exists()
    assert two.other.processes() == before


def test_a_node_joins_and_its_pods_reach_services(two: Two, tools: Path) -> None:
    cluster, other = two.cluster, two.other
    joined = json.loads(other.wherry(*two.join, "--name", "second", "-o", "json"))
    assert (joined["changed"], joined["node"]) == (True, "second")
    again = json.loads(other.wherry(*two.join, "--name", "second", "-o", "json"))
    assert not again["changed"], again["steps"]
    assert not json.loads(other.wherry("up", "-o", "json"))["changed"]
    assert "second" in other.wherry("status")
    other.wherry("image", "load", str(tools))
    papers = Config(root=str(other.root), join="x").node_root("second") / "pki"
    assert {path.name: path.stat().st_mode & 0o777 for path in papers.iterdir()} == dict.fromkeys(
        ("ca.crt", "client.pem", "server.pem"), 0o600
    )
    spread(cluster, "web", {FIRST, "second"})
    held = enrolment.held(papers / "server.pem")
    assert held is not None
    assert held.names >= {"second"}


def test_a_node_is_removed_and_its_machine_left_as_it_was(two: Two) -> None:
    cluster, other = two.cluster, two.other
    cluster.kubectl("patch", "deployment", "web", "--type=json",
                    "-p", '[{"op": "remove", "path": "/spec/template/spec/topologySpreadConstraints"}]')  # fmt: skip
    cluster.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    cluster.wherry("node", "remove", "second")
    rest = Rest(cluster.kubeconfig)
    with Follower(rest, "/api/v1/nodes") as nodes:
        nodes.wait(lambda objects: {o["metadata"]["name"] for o in objects.values()} == {FIRST}, 10, "only the first")
    with Follower(rest, PODS) as pods:
        pods.wait(lambda objects: {o["spec"].get("nodeName") for o in objects.values()} == {FIRST}, 30, "pods moved")
    said = "does not let node second in: it was removed there, or its certificate has ended; run `wherry join` again"
    for command in ("status", "up"):
        assert said in " ".join(other.wherry(command, check=False).split())
    config = Config(root=str(other.root))
    run = config.run
    assert "`wherry node remove second --force` on the server's machine" in other.wherry("delete", "--yes")
    assert other.processes() == []
    assert not other.root.exists()
    assert not run.exists()
    assert tree.shims(run) == []
    assert tree.groups(config.cgroup()) == []
    assert tree.mounts((other.root, run)) == []
    [token] = json.loads(cluster.wherry("token", "list", "-o", "json"))
    assert token["description"] == "rack 7"
    assert "." not in token["id"]
    cluster.wherry("token", "delete", token["id"])
    refused = other.wherry(*two.join, "--name", "second", check=False).splitlines()[-1]
    assert refused.startswith("error: the token is wrong or has expired")


def test_a_node_past_a_router_is_reached_through_the_overlay(two: Two, tools: Path, tmp_path: Path) -> None:
    cluster = two.cluster
    far = place.take()
    other = Machine(far.netns, far.address, tmp_path / "far")
    try:
        join = shlex.split(cluster.wherry("token", "create", "--ttl", "10m"))[1:]
        other.wherry(*join, "--name", "far")
        other.wherry("image", "load", str(tools))
        spread(cluster, "wide", {FIRST, "far"})
        [link] = json.loads(ip("-n", far.netns, "-d", "-j", "link", "show", "type", "vxlan"))
        assert link["linkinfo"]["info_data"]["local"] == str(far.address)
        cluster.kubectl("delete", "deployment,service", "wide", "--timeout=60s")
        cluster.wherry("node", "remove", "far")
    finally:
        other.wherry("delete", "--yes")
        left = ip("-n", far.netns, "-o", "link", "show", "type", "vxlan")
        far.close()
    assert left == ""
