"""The text of the table `ip wherry`: its maps, hooks and chains, without elements. `nft.py` says how it works. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network

TABLE = "wherry"
PODS = IPv4Network("10.244.0.0/16")
SERVICES = IPv4Network("10.96.0.0/16")


@dataclass(frozen=True, slots=True)
class Networks:
    """The cluster's address ranges. `subnet` is this node's part of `pods`, None until it has one. `reserved`: TCP
    ports of the node itself that no service may take over (API server, agent)."""

    pods: IPv4Network = PODS
    services: IPv4Network = SERVICES
    subnet: IPv4Network | None = None
    reserved: tuple[int, ...] = ()


# chain prefix -> (verdict map, target map, key by address?)
FAMILIES = {
    "service": ("services", "endpoints", True),
    "outside": ("outside_services", "outside_endpoints", True),
    "port": ("ports", "port_endpoints", False),
    "outport": ("outside_ports", "outside_port_endpoints", False),
}
CHAINS = 16  # targets for which chains are there from the start
_ADDRESS_KEY = "meta l4proto . ip daddr . th dport"
_PORT_KEY = "meta l4proto . th dport"

_TABLE = """
table ip wherry {{
  map services {{ type inet_proto . ipv4_addr . inet_service : verdict; }}
  map outside_services {{ type inet_proto . ipv4_addr . inet_service : verdict; }}
  map ports {{ type inet_proto . inet_service : verdict; }}
  map outside_ports {{ type inet_proto . inet_service : verdict; }}
  map endpoints {{
    typeof meta l4proto . ip daddr . th dport . numgen random mod 2 : ip daddr . th dport
  }}
  map outside_endpoints {{
    typeof meta l4proto . ip daddr . th dport . numgen random mod 2 : ip daddr . th dport
  }}
  map port_endpoints {{ typeof meta l4proto . th dport . numgen random mod 2 : ip daddr . th dport; }}
  map outside_port_endpoints {{ typeof meta l4proto . th dport . numgen random mod 2 : ip daddr . th dport; }}
  map closed {{ type inet_proto . ipv4_addr . inet_service : verdict; }}
  map closed_ports {{ type inet_proto . inet_service : verdict; }}
  map sticky {{ type inet_proto . ipv4_addr . inet_service : verdict; }}
  map sticky_ports {{ type inet_proto . inet_service : verdict; }}
  map affinity {{
    type ipv4_addr . inet_proto . ipv4_addr . inet_service : ipv4_addr . inet_service
    size 65536
    flags dynamic,timeout
  }}
  set hairpin {{ type ipv4_addr . ipv4_addr; }}
  set fenced {{ type inet_proto . ipv4_addr . inet_service; }}
  set admitted {{ type inet_proto . ipv4_addr . inet_service . ipv4_addr; flags interval; }}

  chain refuse {{
    meta l4proto tcp reject with tcp reset
    reject
  }}
  chain close {{
    meta l4proto . ip daddr . th dport vmap @closed
    fib daddr type local ip daddr != 127.0.0.0/8 meta l4proto . th dport vmap @closed_ports
    meta l4proto . ip daddr . th dport @fenced meta l4proto . ip daddr . th dport . ip saddr != @admitted drop
  }}
  chain close_prerouting {{
    type filter hook prerouting priority -110
    ct state new jump close
  }}
  chain close_output {{
    type filter hook output priority -110
    ct state new jump close
  }}
  chain translate {{
    meta l4proto . ip daddr . th dport vmap @services
    fib daddr type local ip daddr != 127.0.0.0/8 meta l4proto . th dport vmap @ports
  }}
  chain translate_outside {{
    meta l4proto . ip daddr . th dport vmap @outside_services
    fib daddr type local ip daddr != 127.0.0.0/8 meta l4proto . th dport vmap @outside_ports
  }}
  chain translate_prerouting {{
    type nat hook prerouting priority dstnat
{reserved}    dnat ip to ip saddr . meta l4proto . ip daddr . th dport map @affinity
    ip saddr != {pods} jump translate_outside
    jump translate
  }}
  chain translate_output {{
    type nat hook output priority -100
{reserved}    dnat ip to ip saddr . meta l4proto . ip daddr . th dport map @affinity
    jump translate
  }}
  chain stick {{
    meta l4proto tcp meta l4proto . ct original ip daddr . ct original proto-dst vmap @sticky
    meta l4proto udp meta l4proto . ct original ip daddr . ct original proto-dst vmap @sticky
    ct original ip daddr {services} return
    meta l4proto tcp meta l4proto . ct original proto-dst vmap @sticky_ports
    meta l4proto udp meta l4proto . ct original proto-dst vmap @sticky_ports
  }}
  chain stick_input {{
    type filter hook input priority filter
    ct state new ct status dnat jump stick
  }}
  chain own_address {{
    type filter hook prerouting priority -150
    iifname "veth*" fib saddr . iif oif missing drop
    iifname != "lo" ip daddr 127.0.0.0/8 drop
  }}
  chain forward {{
    type filter hook forward priority filter
    ct state invalid ip saddr {pods} drop
    ct state invalid ip daddr {pods} drop
    ct state new ip daddr {services} goto refuse
  }}
  chain output {{
    type filter hook output priority filter
    ct state new ip daddr {services} fib daddr type != local goto refuse
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat
    ct status dnat jump stick
    oifname "lo" return
    ct status dnat ip saddr . ip daddr @hairpin masquerade
{masquerade}  }}
}}
"""
_RESERVED = """    fib daddr type local tcp dport {{ {ports} }} accept
"""
_MASQUERADE = """    ct status dnat ip saddr != {pods} ip daddr != {subnet} masquerade
    ip saddr {subnet} ip daddr != {pods} ip daddr != 224.0.0.0/4 masquerade fully-random
"""


def _new_chain(name: str, rules: Iterable[str]) -> str:
    return f"table ip {TABLE} {{ chain {name} {{\n" + "\n".join(rules) + "\n}\n}\n"


def draw(family: str, count: int) -> str:
    """The chain that sends a connection to one of `count` targets. To the first one where there are fewer: a packet
    that the kernel is judging while a transaction takes effect may find the slot empty that it has drawn."""
    _, targets, by_address = FAMILIES[family]
    key = _ADDRESS_KEY if by_address else _PORT_KEY
    drawn = dict.fromkeys((count, 1))
    return _new_chain(f"{family}_{count}", [f"dnat ip to {key} . numgen random mod {n} map @{targets}" for n in drawn])


def stick(seconds: int) -> str:
    """The chain that remembers for `seconds` where a client was sent."""
    key = "ip saddr . meta l4proto . ct original ip daddr . ct original proto-dst"
    update = f"update @affinity {{ {key} timeout {seconds}s : ip daddr . th dport }}"
    return _new_chain(f"stick_{seconds}", [f"meta l4proto {protocol} {update}" for protocol in ("tcp", "udp")])


def frame(networks: Networks) -> str:
    """The table without elements and without the chains of `draw` and `stick`."""
    subnet = networks.subnet
    masquerade = _MASQUERADE.format(pods=networks.pods, subnet=subnet) if subnet else ""
    ports = ", ".join(map(str, networks.reserved))
    reserved = _RESERVED.format(ports=ports) if ports else ""
    return _TABLE.format(
        pods=networks.pods, services=networks.services, masquerade=masquerade, reserved=reserved
    ).lstrip()


def remove() -> str:
    """The transaction that leaves no trace of the table."""
    return f"add table ip {TABLE}\ndelete table ip {TABLE}\n"
