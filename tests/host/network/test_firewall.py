"""Network policies in a real kernel: in force before `guarded` returns, both directions, through services too."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import cast

import pytest

from tests.host.network.world import NODE_ADDRESS, OUTSIDE, Feed, World, world
from wherry.aio.clock import SystemClock
from wherry.api.core.namespace import NAMESPACE
from wherry.api.core.pod import POD
from wherry.api.networking.networkpolicy import NETWORKPOLICY
from wherry.api.types.core import Namespace, Pod, PodSpec, PodStatus
from wherry.api.types.networking import (
    NetworkPolicy,
    NetworkPolicyEgressRule,
    NetworkPolicyIngressRule,
    NetworkPolicyPeer,
    NetworkPolicyPort,
    NetworkPolicySpec,
)
from wherry.client.interface import Client
from wherry.host import links, nft
from wherry.machinery.meta import Key, LabelSelector, ObjectMeta
from wherry.network.firewall import Firewall

pytestmark = pytest.mark.host


@pytest.fixture(scope="module")
def place() -> Iterator[World]:
    with world("whf") as made:
        links.ip(["route", "add", "10.244.0.0/16", "via", NODE_ADDRESS], made.outside)
        yield made


@contextlib.asynccontextmanager
async def running(feed: Feed) -> AsyncIterator[Firewall]:
    links.switch("ipv4/ip_forward", "1")
    firewall = Firewall(cast(Client, feed), SystemClock(), "n1", "10.96.0.10")
    task = asyncio.ensure_future(firewall.run())
    try:
        yield firewall
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def pod_of(place: World, number: int, *, ip: bool = True) -> Pod:
    pod = place.pods[number]
    return Pod(
        metadata=ObjectMeta(name=pod.name, namespace="d", uid=pod.name, labels={"name": pod.name}),
        spec=PodSpec(node_name="n1"),
        status=PodStatus(phase="Running", pod_ip=pod.address if ip else ""),
    )


def policy(name: str, on: str, **spec: object) -> NetworkPolicy:
    return NetworkPolicy(
        metadata=ObjectMeta(name=name, namespace="d"),
        spec=NetworkPolicySpec(pod_selector=LabelSelector(match_labels={"name": on}), **spec),  # type: ignore[arg-type]  # as the caller gives it
    )


def peer(name: str) -> NetworkPolicyPeer:
    return NetworkPolicyPeer(pod_selector=LabelSelector(match_labels={"name": name}))


def test_in_force_when_guarded_and_gone_with_the_policy(place: World) -> None:
    async def main() -> None:
        feed = Feed()
        feed.put(NAMESPACE, Namespace(metadata=ObjectMeta(name="d")))
        for number in (1, 2):
            feed.put(POD, pod_of(place, number))
        port = (NetworkPolicyPort(port=8080),)
        feed.put(
            NETWORKPOLICY, policy("in", "p0", ingress=(NetworkPolicyIngressRule(from_=(peer("p1"),), ports=port),))
        )
        target = place.pods[0].address
        async with running(feed) as firewall:
            await firewall.guarded(pod_of(place, 0, ip=False), target)
            assert await place.asked(place.pods[1].netns, "tcp", target, 8080) == f"p0 {place.pods[1].address}"
            assert await place.asked(place.pods[1].netns, "udp", target, 8081) == "TimeoutError"
            assert await place.asked(place.pods[2].netns, "tcp", target, 8080) == "TimeoutError"
            assert await place.asked(place.outside, "tcp", target, 8080) == "TimeoutError"
            assert await place.asked(place.pods[0].netns, "tcp", target, 8080) == f"p0 {target}", "itself"
            assert (await place.asked(place.node, "tcp", target, 8080)).startswith("p0"), "its node: probes"
        assert "goto in_pods_" in nft.run("list table ip wherry_policy\n"), "still there without the agent"
        feed.drop(NETWORKPOLICY, Key("d", "in"))
        async with running(feed) as firewall:
            await firewall.guarded(pod_of(place, 0), target)
            assert await place.asked(place.outside, "tcp", target, 8080) == f"p0 {OUTSIDE}"

    place.run(main)


def test_egress(place: World) -> None:
    async def main() -> None:
        feed = Feed()
        feed.put(NAMESPACE, Namespace(metadata=ObjectMeta(name="d")))
        for number in (0, 1, 2):
            feed.put(POD, pod_of(place, number))
        rule = NetworkPolicyEgressRule(to=(peer("p1"),))
        feed.put(NETWORKPOLICY, policy("out", "p0", policy_types=("Egress",), egress=(rule,)))
        async with running(feed) as firewall:
            await firewall.guarded(pod_of(place, 0), place.pods[0].address)
            space = place.pods[0].netns
            assert (await place.asked(space, "tcp", place.pods[1].address, 8080)).startswith("p1")
            assert await place.asked(space, "tcp", place.pods[2].address, 8080) == "TimeoutError"
            assert await place.asked(space, "tcp", NODE_ADDRESS, 8080) == "TimeoutError"
            assert (await place.asked(place.pods[2].netns, "tcp", place.pods[0].address, 8080)).startswith("p0")

    place.run(main)
