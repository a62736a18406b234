"""Direct routes on one segment, the overlay past a router; and the rules that guard the overlay."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from hypothesis import given
from hypothesis import strategies as st

from wherry.network import overlay
from wherry.network.ways import Mine, Way, end, hardware, ways

OWN = {IPv4Interface("192.0.2.1/24"), IPv4Interface("127.0.0.1/8"), IPv4Interface("10.244.0.1/24")}
MINE = Mine(IPv4Network("10.244.0.0/24"), IPv4Address("192.0.2.1"))
NEAR, FAR, SELF = IPv4Network("10.244.1.0/24"), IPv4Network("10.244.2.0/24"), IPv4Network("10.244.3.0/24")
PEERS = {NEAR: IPv4Address("192.0.2.9"), FAR: IPv4Address("198.51.100.9"), SELF: IPv4Address("192.0.2.1")}


def test_near_ones_directly_far_ones_wrapped_our_own_not_at_all() -> None:
    assert ways(PEERS, OWN, MINE) == {
        NEAR: Way(IPv4Address("192.0.2.9")),
        FAR: Way(IPv4Address("10.244.2.0"), IPv4Address("198.51.100.9")),
    }


def test_without_a_network_of_its_own_a_node_has_direct_routes_only() -> None:
    assert ways(PEERS, OWN, None) == {NEAR: Way(IPv4Address("192.0.2.9"))}


def test_an_address_without_a_network_has_nobody_near() -> None:
    lonely = {IPv4Interface("192.0.2.1/32")}
    assert ways({NEAR: IPv4Address("192.0.2.9")}, lonely, MINE)[NEAR].tunnel == IPv4Address("192.0.2.9")


SUBNETS = st.integers(0, 255).map(lambda n: IPv4Network(f"10.244.{n}.0/24"))


@given(SUBNETS, SUBNETS)
def test_ends_of_the_overlay_are_unique_and_no_pods(one: IPv4Network, other: IPv4Network) -> None:
    assert (hardware(one) == hardware(other)) == (end(one) == end(other)) == (one == other)
    assert int(hardware(one)[:2], 16) & 3 == 2, "locally administered, one receiver"
    assert end(one) not in list(one.hosts())


def test_wrapped_packets_are_taken_from_nodes_only() -> None:
    text = overlay.rules([IPv4Address("198.51.100.9"), IPv4Address("192.0.2.9")], IPv4Network("10.244.0.0/16"))
    assert "    udp dport 4789 ip saddr != { 192.0.2.9, 198.51.100.9 } drop\n" in text
    assert '    oifname "wherry-overlay" ip saddr != 10.244.0.0/16 masquerade\n' in text
