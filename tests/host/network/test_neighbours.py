"""What pods and neighbours on the wire cannot do, whatever the services are: speak to 127.0.0.1 of a node, in another's
name, in IPv6, or as its router."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Iterator
from functools import partial
from ipaddress import IPv4Network

import pytest

from tests.host.network.policy_net import Net, net
from tests.support.policy_cluster import HOSTS, OUTSIDE, cast
from tests.support.policy_twin import End
from wherry.host import links, netns
from wherry.network.rules import seal
from wherry.network.rules.nft import Networks, Ruleset

pytestmark = pytest.mark.host
PODS = cast(4)
NODE = HOSTS["n1"]
POD, OTHER, THIRD = (PODS[name] for name in ("p0", "p2", "p1"))
RULES = Ruleset(Networks(subnet=IPv4Network("10.244.1.0/24"))).whole()


@pytest.fixture(scope="module")
def place() -> Iterator[Net]:
    with net("whn", list(PODS.values())) as made:
        yield made


@pytest.fixture
def ruled(place: Net) -> Iterator[Net]:
    """With the node's rules, as an agent makes them."""
    place.put("n1", RULES)
    place.put("n1", seal.close())
    yield place
    place.put("n1", "delete table ip wherry\n")
    place.put("n1", seal.remove())


def test_a_pod_cannot_speak_in_the_name_of_another(ruled: Net) -> None:
    """Whatever the other would be allowed."""
    assert ruled.forge(POD, OTHER, THIRD) is False
    assert ruled.forge(POD, POD, THIRD) is True
    ruled.put("n1", "flush chain ip wherry own_address\n")
    assert ruled.forge(POD, OTHER, THIRD) is True, "so the test can fail"


def local(place: Net, sender: End, gateway: str) -> bool:
    """Whether a neighbour gets through to a server on the node's 127.0.0.1; its own it has given up."""
    with netns.entered(place.spaces[NODE.address]), socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", 7000))
        server.listen()
        server.settimeout(0.3)
        with netns.entered(place.spaces[sender.address]):
            links.switch("ipv4/conf/eth0/route_localnet", "1")
            links.ensure(["address", "del", "127.0.0.1/8", "dev", "lo"])
            links.ip(["route", "replace", "127.0.0.1/32", "via", gateway, "dev", "eth0"])
            with socket.socket() as client:
                client.bind((sender.address, 0))
                client.setblocking(False)
                client.connect_ex(("127.0.0.1", 7000))
                try:
                    server.accept()[0].close()
                except TimeoutError:
                    return False
                return True


@pytest.mark.parametrize(("sender", "gateway"), [(OUTSIDE, NODE.address), (POD, "10.244.1.1")], ids=["wire", "pod"])
def test_nobody_speaks_to_127_0_0_1_of_a_node(ruled: Net, sender: End, gateway: str) -> None:
    """Not even where another program has opened it (route_localnet, CVE-2020-8558)."""
    assert local(ruled, sender, gateway) is False
    opened = "ipv4/conf/all/route_localnet"
    ruled.at("n1", partial(links.switch, opened, "1"))
    try:
        assert local(ruled, sender, gateway) is False
        ruled.put("n1", "flush chain ip wherry own_address\n")
        assert local(ruled, sender, gateway) is True, "so the test can fail"
    finally:
        ruled.at("n1", partial(links.switch, opened, "0"))


def link_local(place: Net, space: str, device: str) -> str:
    """The IPv6 address of a link, once it may be used."""
    until = time.monotonic() + 5
    while time.monotonic() < until:
        (shown,) = links.show(["-6", "address", "show", "dev", device], space)
        for one in shown["addr_info"]:
            if not one.get("tentative"):
                return str(one["local"])
        time.sleep(0.1)
    raise AssertionError(f"{device} has no address")


def reaches_in_ipv6(place: Net) -> bool:
    """Whether the pod gets a datagram to a server of its node by the address of its link."""
    node, pod = place.spaces[NODE.address], place.spaces[POD.address]
    address = link_local(place, node, "veth0")
    link_local(place, pod, "eth0")
    with netns.entered(node), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as server:
        server.bind(("::", 7001))
        server.settimeout(0.2)
        with netns.entered(pod), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
            for _ in range(10):  # the first ones may wait for the neighbour's answer
                client.sendto(b"?", (address, 7001, 0, socket.if_nametoindex("eth0")))
                with contextlib.suppress(TimeoutError):
                    return server.recv(10) == b"?"
    return False


def test_a_pod_does_not_reach_its_node_past_its_policies(ruled: Net) -> None:
    assert reaches_in_ipv6(ruled) is False
    ruled.put("n1", seal.remove())
    assert reaches_in_ipv6(ruled) is True, "so the test can fail"


def advertise(place: Net) -> list[dict[str, object]]:
    """The node's default routes after the pod has said that it is a router."""
    node, pod = place.spaces[NODE.address], place.spaces[POD.address]
    link_local(place, pod, "eth0")
    place.at("n1", lambda: links.switch("ipv6/conf/veth0/accept_ra", "1"))  # as where the plugin did not see to it
    with netns.entered(pod), socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as raw:
        raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        raw.sendto(
            struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0), ("ff02::1", 0, 0, socket.if_nametoindex("eth0"))
        )
    time.sleep(0.2)
    return links.show(["-6", "route", "show", "default"], node)


def test_a_pod_cannot_be_its_nodes_router(ruled: Net) -> None:
    assert advertise(ruled) == []
    ruled.put("n1", seal.remove())
    assert len(advertise(ruled)) == 1, "so the test can fail"
