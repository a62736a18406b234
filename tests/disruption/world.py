"""World: a cluster with the application in it, and the clients that ask all the while.

Clients are in two places: in the network of a pod, and beyond the cluster. Those that go to pod addresses follow the
Service's EndpointSlices, as a program does that chooses among pods itself.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.disruption import application, plan
from tests.disruption.application import CLIENT, HOST, NAME, NAMESPACE, SLICES
from tests.disruption.generator import Argv, Generator
from tests.disruption.plan import udp
from tests.disruption.tally import Tally, merged
from tests.support.manifests import Json, processes
from tests.support.rest import Follower, Rest
from wherry.testing.cluster import Cluster

KUBECTL = 120.0


@dataclass(slots=True)
class World:
    """See the module. `turn` counts rounds; `releases`: interpreters with releases of wherry; the cluster begins with
    the first."""

    cluster: Cluster
    rest: Rest
    inside: Generator
    outside: Generator
    addresses: dict[str, str]
    """Node -> its address."""
    releases: Sequence[Path] = ()
    turn: int = 0
    told: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)
    _following: threading.Thread = field(default_factory=threading.Thread)

    @classmethod
    @contextlib.contextmanager
    def around(cls, cluster: Cluster, factor: float, releases: Sequence[Path]) -> Iterator[Self]:
        """Put the application into a cluster, which has the image, and let clients ask. `factor`: how often, 1.0 for
        what `plan` says."""
        first = cluster.node_names[0]
        application.deploy(cluster, first)
        rest = Rest(cluster.kubeconfig)
        addresses = _addresses(rest)
        application.wait_for_ingress(cluster, addresses.values())
        with (
            Generator(_in_pod(rest), plan.paced(plan.INSIDE, factor), host=HOST, name=NAME) as inside,
            Generator(list, plan.paced(plan.OUTSIDE, factor), host=HOST, name=NAME) as outside,
            Follower(rest, SLICES) as slices,
        ):
            world = cls(cluster, rest, inside, outside, addresses, releases)
            world._send_targets()
            world._following = threading.Thread(target=world._follow, args=(slices,))
            world._following.start()
            try:
                yield world
            finally:
                world._unfollow()

    @property
    def node(self) -> str:
        """The node whose turn it is."""
        names = self.cluster.node_names
        return names[(self.turn + 1) % len(names)]

    @property
    def requests(self) -> int:
        """Answered so far."""
        return self.inside.requests + self.outside.requests

    @property
    def failed(self) -> int:
        """Failed so far."""
        return self.inside.failed + self.outside.failed

    def news(self) -> list[str]:
        """Failures that nobody has been told of yet, a few words each."""
        found = [*self.inside.failures[self.told :], *self.outside.failures]
        self.told = len(self.inside.failures)
        self.outside.failures.clear()
        return [f"{one['kind']} by {one['way']} to {one['target']}: {one['error']}" for one in found[:10]]

    def kubectl(self, *words: str, timeout: float = KUBECTL) -> str:
        """kubectl in the application's namespace. Raises CommandFailed."""
        return self.cluster.kubectl("-n", NAMESPACE, *words, timeout=timeout)

    def pods(self) -> list[Json]:
        """The application's. Raises OSError."""
        found: list[Json] = self.rest.get(f"/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=app%3Dweb")["items"]
        return found

    def during(self, name: str) -> None:
        """What happens from now on is counted under this disturbance."""
        self._tell({"during": name})

    def killing(self, port: int) -> None:
        """The process that holds connections to this port of the node is about to be killed."""
        self.inside.killing(self.addresses[self.node], port)
        if self.node == self.cluster.node_names[0]:
            self.outside.killing(self.cluster.address, port)

    def killed(self) -> None:
        """It is dead."""
        self._tell({"killed": time.monotonic()})

    def stop(self) -> Tally:
        """Let what is under way end; everything that was counted."""
        self._unfollow()
        with ThreadPoolExecutor(2) as both:
            return merged(both.map(Generator.stop, (self.inside, self.outside)))

    def _tell(self, line: Json) -> None:
        self.inside.tell(line)
        self.outside.tell(line)

    def _send_targets(self) -> None:
        address = self.rest.get(f"/api/v1/namespaces/{NAMESPACE}/services/web")["spec"]["clusterIP"]
        fixed = application.fixed_targets(address, self.addresses.values(), self.cluster.address)
        for way, targets in fixed.items():
            self.inside.targets(way, targets)
            self.outside.targets(way, targets)

    def _unfollow(self) -> None:
        self._ended.set()
        self._following.join()

    def _follow(self, slices: Follower) -> None:
        """Tell the clients of pods which there are, whenever that changes."""
        told: dict[str, object] = {}
        while not self._ended.is_set():
            seen = len(slices.events)
            found = {
                plan.POD: application.endpoints(slices.objects, "TCP"),
                udp(plan.POD): application.endpoints(slices.objects, "UDP"),
            }
            if found != told:
                for way, targets in found.items():
                    self.inside.targets(way, targets)
                told = dict(found)
            slices.wait_change(seen, 0.5)


def _addresses(rest: Rest) -> dict[str, str]:
    found = {}
    for node in rest.get("/api/v1/nodes")["items"]:
        listed = node["status"]["addresses"]
        found[node["metadata"]["name"]] = next(one["address"] for one in listed if one["type"] == "InternalIP")
    return found


def _in_pod(rest: Rest) -> Argv:
    """How to run a command in the client pod's network."""
    status = rest.get(f"/api/v1/namespaces/{NAMESPACE}/pods/{CLIENT}")["status"]
    pid = processes(status["containerStatuses"][0]["containerID"])[0]

    def argv(command: Sequence[str]) -> list[str]:
        return ["nsenter", f"--net=/proc/{pid}/ns/net", "--", *command]

    return argv
