"""Network policies of a real cluster: only what is allowed, from a pod's first act to its last, whoever is killed.

WHERRY_STARTS says how many pods start whose first act is to connect to a peer that is denied (20; `make deny-starts`:
1,000).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.flood import Flood
from tests.support.image import SERVE
from tests.support.manifests import Json, pod, processes, ready
from tests.support.rest import Follower, Rest
from wherry.host import links, netns
from wherry.testing.cluster import Cluster

pytestmark = [
    pytest.mark.host,
    pytest.mark.looptime(enabled=False),
    # Python 3.11 forgets to close a TLS socket whose peer is killed before the handshake (SSLSocket._create).
    pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning"),
]
STARTS = int(os.environ.get("WHERRY_STARTS", "20"))
WAVE = 20 if STARTS <= 20 else 40
POLICIES = Path(__file__).parents[3] / "examples/wordpress/isolated/policies.yaml"


def policy(name: str, labels: Json, **spec: object) -> Json:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name},
        "spec": {"podSelector": {"matchLabels": labels}, **spec},
    }


def server(name: str, *, port: int = 8080, port_name: str = "http", **labels: str) -> Json:
    """A pod that serves HTTP at a named port."""
    made = pod(name)
    made["metadata"]["labels"] |= labels
    (container,) = made["spec"]["containers"]
    container |= {
        "command": [*SERVE, str(port)],
        "ports": [{"name": port_name, "containerPort": port}],
        "readinessProbe": {"httpGet": {"path": "/", "port": port_name}, "periodSeconds": 1},
    }
    return made


@dataclass
class Scene:
    """A namespace of the cluster."""

    cluster: Cluster
    rest: Rest
    namespace: str

    @property
    def pods(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods"

    def create(self, *items: Json) -> None:
        kinds = {
            "Pod": self.pods,
            "Service": f"/api/v1/namespaces/{self.namespace}/services",
            "NetworkPolicy": f"/apis/networking.k8s.io/v1/namespaces/{self.namespace}/networkpolicies",
        }
        for item in items:
            self.rest.call("POST", kinds[item["kind"]], item)

    def start(self, *items: Json) -> dict[str, str]:
        """Create pods and wait until they are Ready; their addresses by name."""
        names = [item["metadata"]["name"] for item in items]
        with Follower(self.rest, self.pods) as seen:
            self.create(*items)
            keys = [f"{self.namespace}/{name}" for name in names]
            seen.wait(lambda now: all(key in now and ready(now[key]) for key in keys), 60, f"{names} Ready")
            return {name: seen.objects[key]["status"]["podIP"] for name, key in zip(names, keys, strict=True)}

    def nft(self, text: str) -> str:
        """In the first node's namespace."""
        argv = self.cluster.place.argv(["nft", "-f", "-"])
        return subprocess.run(argv, input=text, capture_output=True, text=True, check=True).stdout

    def reach(self, name: str, *targets: str) -> set[str]:
        """Which of these (host:port) a pod can connect to."""
        tries = (f"(nc -w 2 {one.replace(':', ' ')} -e /bin/true && echo {one}) &" for one in targets)
        said = self.cluster.kubectl("-n", self.namespace, "exec", name, "--", "sh", "-c", f"{' '.join(tries)} wait")
        return set(said.split())


@pytest.fixture
def scene(cluster: Cluster, rest: Rest, namespace: str) -> Scene:
    return Scene(cluster, rest, namespace)


class Arrivals:
    """What arrives at pods of the first node from others, counted behind all rules: first packets of connections to
    port 8080, and echo requests."""

    def __init__(self, scene: Scene, *addresses: str) -> None:
        self.scene = scene
        self.table = f"count_{abs(hash(scene.namespace)) % 10**9}"
        rules = "\n".join(
            f"ip daddr {one} tcp dport 8080 tcp flags & (fin|syn|rst|ack) == syn counter\n"
            f"ip daddr {one} icmp type echo-request counter"
            for one in addresses
        )
        chain = f"chain c {{\ntype filter hook forward priority 400\n{rules}\n}}\n"
        scene.nft(f"table ip {self.table} {{\n{chain}}}\n")

    def counts(self) -> dict[str, int]:
        """Packets by address."""
        listed = json.loads(
            subprocess.run(
                self.scene.cluster.place.argv(["nft", "-j", "list", "table", "ip", self.table]),
                capture_output=True, text=True, check=True,
            ).stdout
        )  # fmt: skip
        found: dict[str, int] = {}
        for item in listed["nftables"]:
            expressions = item.get("rule", {}).get("expr", ())
            packets = [one["counter"]["packets"] for one in expressions if "counter" in one]
            if packets:
                address = expressions[0]["match"]["right"]
                found[address] = found.get(address, 0) + packets[0]
        return found

    def close(self) -> None:
        self.scene.nft(f"delete table ip {self.table}\n")


@contextlib.contextmanager
def arrivals(scene: Scene, *addresses: str) -> Iterator[Arrivals]:
    made = Arrivals(scene, *addresses)
    try:
        yield made
    finally:
        made.close()


def starter(name: str, target: str, **labels: str) -> Json:
    """A pod whose first act is to connect; it needs nothing else of the API."""
    made = pod(name, restartPolicy="Never", automountServiceAccountToken=False)
    made["metadata"]["labels"] = labels
    made["spec"]["containers"][0]["command"] = ["/bin/nc", "-w", "1", target, "8080", "-e", "/bin/true"]
    return made


def ended(item: Json) -> bool:
    return item["status"].get("phase") in ("Succeeded", "Failed")


def connected(objects: dict[str, Json]) -> list[str]:
    return [name for name, item in objects.items() if item["status"]["phase"] == "Succeeded"]


def wave(scene: Scene, number: int, peers: dict[str, str], size: int, *, kill: bool) -> None:
    """So many pods start and try: half of them may send nothing, the others' peer receives nothing; two are free."""
    labels = {"wave": str(number)}
    scene.create(policy(f"silent-{number}", {"may": "not", **labels}, policyTypes=["Egress"]))
    wanted = []
    for turn in range(size):
        silent = turn % 2 == 0
        peer = peers["open"] if silent else peers["shut"]
        wanted.append(starter(f"s{number}-{turn}", peer, may="not" if silent else "send", **labels))
    free = [starter(f"free{number}-{turn}", peers["control"], may="send", **labels) for turn in range(2)]
    with Follower(scene.rest, f"{scene.pods}?labelSelector=wave%3D{number}") as seen:
        scene.create(*wanted, *free)
        if kill:
            time.sleep(0.5)
            os.kill(scene.cluster.pid("agent"), signal.SIGKILL)
        seen.wait(lambda now: len(now) == size + 2 and all(map(ended, now.values())), 120, "all ended")
        assert sorted(connected(seen.objects)) == [f"{scene.namespace}/free{number}-{turn}" for turn in range(2)]
    scene.rest.call("DELETE", f"{scene.pods}?labelSelector=wave%3D{number}")
    scene.cluster.kubectl("-n", scene.namespace, "delete", "networkpolicy", f"silent-{number}")


def test_a_first_act_is_judged_already(scene: Scene) -> None:
    peers = scene.start(server("open"), server("shut"), server("control"))
    scene.create(policy("shut", {"app": "shut"}))
    began = time.monotonic()
    with arrivals(scene, *peers.values()) as count:
        done, number = 0, 0
        while done < STARTS:
            size = min(WAVE, STARTS - done)
            wave(scene, number, peers, size, kill=number % 5 == 0)
            done, number = done + size, number + 1
        found = count.counts()
    sys.stdout.write(f"{done} starts in {time.monotonic() - began:.0f} s; first packets that arrived: {found}\n")
    assert found == {peers["open"]: 0, peers["shut"]: 0, peers["control"]: 2 * number}


def test_a_first_act_waits_while_the_api_is_away(scene: Scene) -> None:
    """The pods' addresses reach no watch, and no policy can be asked for: their containers are not begun before."""
    (peer,) = scene.start(server("open")).values()
    scene.create(policy("silent", {"may": "not"}, policyTypes=["Egress"]))
    names = [f"{scene.namespace}/s{number}" for number in range(8)]
    with arrivals(scene, peer) as count, Follower(scene.rest, scene.pods) as seen:
        scene.create(*(starter(name.rpartition("/")[2], peer, may="not") for name in names))
        seen.wait(lambda now: all(now.get(name, {}).get("spec", {}).get("nodeName") for name in names), 30, "bound")
        api = scene.cluster.pid("server")
        os.kill(api, signal.SIGSTOP)
        try:
            time.sleep(4)
        finally:
            os.kill(api, signal.SIGCONT)
        seen.wait(lambda now: all(ended(now[name]) for name in names), 60, "all ended")
        assert [name for name in names if seen.objects[name]["status"]["phase"] == "Succeeded"] == []
        assert count.counts() == {peer: 0}


@contextlib.contextmanager
def attached(scene: Scene, *names: str) -> Iterator[dict[str, str]]:
    """The network namespaces of pods, by name, so that a test can work in them."""
    found = {}
    try:
        for name in names:
            status = scene.rest.get(f"{scene.pods}/{name}")["status"]["containerStatuses"][0]
            space = f"whp-{name}-{os.getpid()}"
            links.ip(["netns", "attach", space, str(processes(status["containerID"])[0])])
            found[name] = space
        yield found
    finally:
        for space in found.values():
            netns.delete(space)


def test_an_agent_that_is_killed_leaves_no_gap(scene: Scene) -> None:
    """What is denied is tried all the time, by thousands of datagrams and connections, while the agent is killed and
    policies and labels change; what is allowed is not disturbed."""
    target = scene.start(pod("target"), pod("good"), pod("bad"))["target"]
    allowed = {"from": [{"podSelector": {"matchLabels": {"app": "good"}}}]}
    scene.create(policy("in", {"app": "target"}, ingress=[allowed]))
    time.sleep(1)
    with attached(scene, "target", "good", "bad") as spaces:
        bad, worse = (Flood(spaces["bad"], (target, port), socket.SOCK_DGRAM) for port in (9001, 9002))
        good = Flood(spaces["good"], (target, 9003), socket.SOCK_STREAM)
        with bad.to(spaces["target"]), worse.to(spaces["target"]), good.to(spaces["target"]):
            for turn in range(3):
                pid = scene.cluster.pid("agent")
                os.kill(pid, signal.SIGKILL)
                scene.create(policy(f"other-{turn}", {"app": "target"}, ingress=[{"ports": [{"port": 1}]}]))
                until = time.monotonic() + 20
                while time.monotonic() < until and scene.cluster.pid("agent") == pid:
                    time.sleep(0.05)
                scene.start(pod(f"after-{turn}"))
                scene.cluster.kubectl("-n", scene.namespace, "label", "pod", f"after-{turn}", "app=good", "--overwrite")
                time.sleep(0.5)
            assert (bad.arrived, worse.arrived) == (0, 0)
            assert min(bad.sent, worse.sent) > 1000
            for name in ("other-0", "other-1", "other-2", "in"):
                scene.cluster.kubectl("-n", scene.namespace, "delete", "networkpolicy", name)
            time.sleep(1)
            assert bad.arrived > 100, "so the test can fail"
    assert good.failed == []
    assert good.arrived > 1000


def pinging(name: str, address: str) -> Json:
    """A pod that pings and does not heed SIGTERM."""
    made = pod(name, terminationGracePeriodSeconds=6)
    made["spec"]["containers"][0]["command"] = ["/bin/ping", "-i", "0.1", address]
    return made


def test_policies_outlast_the_pods(scene: Scene) -> None:
    """A namespace is deleted, a pod is deleted by force: whatever still runs may not more than before."""
    (peer,) = scene.start(server("peer")).values()
    leaving = Scene(scene.cluster, scene.rest, "leaving")
    scene.cluster.kubectl("create", "namespace", "leaving")
    with arrivals(scene, peer) as count:
        leaving.create(policy("silent", {}, policyTypes=["Egress"]))
        leaving.start(pinging("one", peer), pinging("two", peer))
        scene.cluster.kubectl("-n", "leaving", "delete", "pod", "two", "--force", "--grace-period=0")
        time.sleep(1)
        with (
            Follower(scene.rest, leaving.pods) as pods,
            Follower(scene.rest, "/apis/networking.k8s.io/v1/networkpolicies") as policies,
        ):
            scene.cluster.kubectl("delete", "namespace", "leaving", "--timeout=60s")
            pods.wait(lambda now: not now, 10, "no pods")
            policies.wait(lambda now: "leaving/silent" not in now, 10, "no policy")
            revision = {
                kind: int(seen.events[-1][1]["metadata"]["resourceVersion"])
                for kind, seen in (("pod", pods), ("policy", policies))
            }
        assert revision["pod"] < revision["policy"]
        time.sleep(1)
        assert count.counts() == {peer: 0}
        scene.start(pinging("free", peer))
        time.sleep(1)
        assert count.counts()[peer] > 3, "so the test can fail"


def test_the_site_works_and_everything_else_is_refused(scene: Scene) -> None:
    """The example's own rules, on pods of the same shape as the example's."""
    site = {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "site"},
        "spec": {"type": "NodePort", "selector": {"tier": "web"}, "ports": [{
            "port": 80, "targetPort": "http", "nodePort": 30085,
        }]},
    }  # fmt: skip
    headless = {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "database"},
        "spec": {"clusterIP": "None", "selector": {"tier": "database"}, "ports": [{"name": "mysql", "port": 3306}]},
    }  # fmt: skip
    scene.cluster.kubectl("-n", scene.namespace, "apply", "-f", str(POLICIES))
    scene.create(site, headless)
    there = scene.start(
        server("web", port=80, app="wordpress", tier="web"),
        server("database", port=3306, port_name="mysql", app="wordpress", tier="database"),
        server("install", app="wordpress", tier="install"),
        server("stranger"),
    )
    web, database, stranger = (f"{there['web']}:80", f"{there['database']}:3306", f"{there['stranger']}:8080")
    outside = (f"{scene.cluster.place.gateway}:22", "10.96.0.1:443", f"{scene.cluster.address}:6443")
    everything = ("database:3306", "site:80", web, database, f"{there['database']}:3307", stranger, *outside)
    assert scene.reach("web", *everything) == {"database:3306", database, "site:80", web}, "itself, and its database"
    assert scene.reach("install", *everything) == {"database:3306", database}
    assert scene.reach("database", *everything) == {database, "database:3306"}, "itself"
    assert scene.reach("stranger", *everything) == {stranger}, "itself"
    argv = ["curl", "-sf", "--max-time", "5", f"http://{scene.cluster.address}:30085/"]
    assert " web" in subprocess.run(argv, capture_output=True, text=True, check=True).stdout, "visitors"
    other = Scene(scene.cluster, scene.rest, "default")
    other.start(pod("visitor"))
    try:
        assert other.reach("visitor", web, database, stranger, outside[1]) == {web, outside[1]}
    finally:
        scene.cluster.kubectl("-n", "default", "delete", "pod", "visitor", "--timeout=30s")
