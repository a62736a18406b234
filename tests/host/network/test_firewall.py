"""Network policies in a real kernel: in force before `guarded` returns, both directions, through services too."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, cast

import pytest
from msgspec.structs import replace

from tests.host.network.world import NODE_ADDRESS, OUTSIDE, Feed, World, hooks, world
from tests.support.flood import Flood
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
from wherry.client.interface import ALL, Client, Event, Listing, Select
from wherry.host import links, nft
from wherry.machinery.meta import Key, LabelSelector, ObjectMeta
from wherry.machinery.resource import Resource
from wherry.network.firewall import Firewall

pytestmark = pytest.mark.host


@pytest.fixture(scope="module")
def place() -> Iterator[World]:
    with world("whf") as made:
        links.ip(["route", "add", "10.244.0.0/16", "via", NODE_ADDRESS], made.outside)
        yield made


@contextlib.asynccontextmanager
async def running(
    feed: Feed, sandboxes: Mapping[str, str] | None = None, look: float = 30.0
) -> AsyncIterator[Firewall]:
    """A firewall at work; `sandboxes`: what runs on the node already."""
    links.switch("ipv4/ip_forward", "1")

    async def present() -> Mapping[str, str]:
        return sandboxes or {}

    firewall = Firewall(cast(Client, feed), SystemClock(), "n1", "10.96.0.10", present, look)
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


def test_a_restart_brings_its_rules_into_the_chains_that_stand_there(place: World) -> None:
    async def main() -> None:
        feed, target = Feed(), place.pods[0]
        denied(feed, place, "p1")
        feed.put(NETWORKPOLICY, policy("other", "p2", ingress=()))
        async with running(feed) as firewall:
            await firewall.guarded(pod_of(place, 0), target.address)
            before = hooks("wherry_policy")
        feed.drop(NETWORKPOLICY, Key("d", "other"))
        feed.put(NETWORKPOLICY, policy("in", "p0", ingress=(NetworkPolicyIngressRule(from_=(peer("p2"),)),)))
        async with running(feed, {target.name: target.address}) as firewall:
            await firewall.guarded(pod_of(place, 0), target.address)
            assert hooks("wherry_policy") == before
            assert len(before) == 4
            assert await place.asked(place.pods[1].netns, "tcp", target.address, 8080) == "TimeoutError"
            assert (await place.asked(place.pods[2].netns, "tcp", target.address, 8080)).startswith("p0")
            assert (await place.asked(place.pods[1].netns, "tcp", place.pods[2].address, 8080)).startswith("p2")
            refilled = nft.run("list table ip wherry_policy\n")
            nft.run("delete table ip wherry_policy\n")
        async with running(feed, {target.name: target.address}) as firewall:
            await firewall.guarded(pod_of(place, 0), target.address)
            made = nft.run("list table ip wherry_policy\n")
            assert sorted(made.splitlines()) == sorted(refilled.splitlines()), "nothing of the table before is left"
        nft.run("delete table ip wherry_policy\nadd table ip wherry_policy\n")
        nft.run("add map ip wherry_policy ingress { type inet_service : verdict; }\nadd chain ip wherry_policy x\n")
        async with running(feed, {target.name: target.address}) as firewall:
            await firewall.guarded(pod_of(place, 0), target.address)
            assert await place.asked(place.pods[1].netns, "tcp", target.address, 8080) == "TimeoutError"
            assert "chain x" not in nft.run("list table ip wherry_policy\n"), "one laid out otherwise is replaced"
        feed.drop(NETWORKPOLICY, Key("d", "in"))
        async with running(feed) as firewall:
            await firewall.guarded(pod_of(place, 0), target.address)

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


def denied(feed: Feed, place: World, *allowed: str, to: int = 0) -> None:
    """Pods and namespace, and a policy that lets only `allowed` reach pod `to`."""
    feed.put(NAMESPACE, Namespace(metadata=ObjectMeta(name="d")))
    for number in range(len(place.pods)):
        feed.put(POD, pod_of(place, number))
    rules = (NetworkPolicyIngressRule(from_=tuple(map(peer, allowed))),) if allowed else ()
    feed.put(NETWORKPOLICY, policy("in", place.pods[to].name, ingress=rules))


def test_a_pod_without_address_in_the_api_is_known_after_a_restart(place: World) -> None:
    """The agent may be killed between starting a pod and saying where it is."""

    async def main() -> None:
        feed, target = Feed(), place.pods[0]
        denied(feed, place)
        feed.put(POD, pod_of(place, 0, ip=False))
        async with running(feed, {target.name: target.address}) as firewall:
            await firewall.guarded(pod_of(place, 1), place.pods[1].address)
            assert await place.asked(place.pods[1].netns, "tcp", target.address, 8080) == "TimeoutError"
        async with running(feed) as firewall:
            await firewall.guarded(pod_of(place, 1), place.pods[1].address)
            assert (await place.asked(place.pods[1].netns, "tcp", target.address, 8080)).startswith("p0"), (
                "so the test can fail"
            )

    place.run(main)


def test_a_pod_deleted_by_force_stays_isolated_until_it_ends(place: World) -> None:
    async def main() -> None:
        feed, one = Feed(), place.pods[0]
        denied(feed, place)
        feed.put(NETWORKPOLICY, policy("out", "p0", policy_types=("Egress",)))
        async with running(feed) as firewall:
            await firewall.guarded(pod_of(place, 0), one.address)
            feed.drop(POD, Key("d", "p0"))
            feed.drop(NETWORKPOLICY, Key("d", "out"))
            feed.drop(NETWORKPOLICY, Key("d", "in"))
            await asyncio.sleep(0.1)
            assert await place.asked(one.netns, "tcp", place.pods[1].address, 8080) == "TimeoutError"
            assert await place.asked(place.pods[1].netns, "tcp", one.address, 8080) == "TimeoutError"
            firewall.released("p0")
            await asyncio.sleep(0.1)
            assert "wherry_policy" not in nft.run("list tables\n")

    place.run(main)


def test_a_pod_waits_for_policies_older_than_itself(place: World) -> None:
    """The watch of pods may be ahead of the watch of policies."""

    class Late(Feed):
        """Answers lists at once, and its watch of policies when told."""

        late = policy("in", "p0")

        async def list(self, resource: Resource[Any], select: Select = ALL) -> Listing[Any]:
            assert (resource, select.namespace) == (NETWORKPOLICY, "d")
            made = replace(self.late, metadata=replace(self.late.metadata, resource_version=str(self.revision + 1)))
            return Listing((made,), self.revision + 2)

    async def main() -> None:
        feed, target = Late(), place.pods[0]
        feed.put(NAMESPACE, Namespace(metadata=ObjectMeta(name="d")))
        async with running(feed) as firewall:
            pod = pod_of(place, 0)
            pod = replace(pod, metadata=replace(pod.metadata, resource_version=str(feed.revision + 2)))
            waiting = asyncio.ensure_future(firewall.guarded(pod, target.address))
            beside = asyncio.ensure_future(firewall.guarded(pod, target.address))
            await asyncio.sleep(0.2)
            assert not waiting.done()
            assert not beside.done(), "its second container"
            feed.put(NETWORKPOLICY, Late.late)
            await asyncio.wait_for(asyncio.gather(waiting, beside), 5)
            assert await place.asked(place.pods[1].netns, "tcp", target.address, 8080) == "TimeoutError"

    place.run(main)


def test_a_pod_of_before_goes_on_while_the_api_is_away(place: World) -> None:
    """Its container may be started again: the rules of before are in force. One that comes anew waits."""

    class Away(Feed):
        """Its watches begin when told."""

        back: asyncio.Event

        async def watch(
            self, resource: Resource[Any], select: Select = ALL, since: int | None = None
        ) -> AsyncIterator[Event[Any]]:
            await self.back.wait()
            async for event in super().watch(resource, select, since):
                yield event

    async def main() -> None:
        feed, target = Feed(), place.pods[0]
        denied(feed, place)
        async with running(feed) as firewall:
            await firewall.guarded(pod_of(place, 0), target.address)
        away = Away()
        away.back = asyncio.Event()
        async with running(away, {target.name: target.address}) as firewall:
            new = asyncio.ensure_future(firewall.guarded(pod_of(place, 1), place.pods[1].address))
            await asyncio.wait_for(firewall.guarded(pod_of(place, 0), target.address), 5)
            assert await place.asked(place.pods[1].netns, "tcp", target.address, 8080) == "TimeoutError"
            assert not new.done()
            denied(away, place)
            away.back.set()
            await asyncio.wait_for(new, 5)
            assert await place.asked(place.pods[1].netns, "tcp", target.address, 8080) == "TimeoutError"

    place.run(main)


def test_a_flushed_table_comes_back(place: World) -> None:
    async def main() -> None:
        feed, target = Feed(), place.pods[0]
        denied(feed, place)
        async with running(feed, look=0.1) as firewall:
            await firewall.guarded(pod_of(place, 0), target.address)
            nft.run("flush ruleset\n")
            await asyncio.sleep(0.4)
            assert await place.asked(place.pods[1].netns, "tcp", target.address, 8080) == "TimeoutError"

    place.run(main)


@contextlib.contextmanager
def flooding(place: World, source: int, port: int, kind: socket.SocketKind) -> Iterator[Flood]:
    """Pod `source` tries to reach pod 0."""
    flood = Flood(place.pods[source].netns, (place.pods[0].address, port), kind)
    with flood.to(place.pods[0].netns):
        yield flood


def test_no_gap_in_a_restart_and_none_in_what_is_allowed(place: World) -> None:
    """What pod 2 may never do is tried thousands of times, while the agent comes and goes, the rules are replaced whole
    and changed; what pod 1 may is not disturbed."""

    async def main() -> None:
        feed, target = Feed(), place.pods[0]
        denied(feed, place, "p1")
        async with running(feed) as firewall:
            await firewall.guarded(pod_of(place, 0), target.address)
        with (
            flooding(place, 2, 9001, socket.SOCK_DGRAM) as refused,
            flooding(place, 2, 9002, socket.SOCK_DGRAM) as late,
            flooding(place, 1, 9003, socket.SOCK_STREAM) as allowed,
        ):
            for turn in range(12):
                async with running(feed, {target.name: target.address}) as firewall:
                    await firewall.guarded(pod_of(place, 0), target.address)
                    feed.put(NETWORKPOLICY, policy(f"other{turn % 2}", "p1", ingress=()))
                    await asyncio.sleep(0.05)
                    feed.drop(NETWORKPOLICY, Key("d", f"other{turn % 2}"))
            assert (refused.arrived, late.arrived) == (0, 0)
            assert min(refused.sent, late.sent) > 500
            feed.drop(NETWORKPOLICY, Key("d", "in"))
            async with running(feed) as firewall:
                await firewall.guarded(pod_of(place, 0), target.address)
                await asyncio.sleep(0.1)
            assert refused.arrived > 10, "so the test can fail"
        assert allowed.failed == []
        assert allowed.arrived > 100

    place.run(main)
