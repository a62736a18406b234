"""The kernel's rules for network policies: one table `ip wherry_policy` per node, chains only for isolated pods of it.

A packet that belongs to no known connection is judged twice: by what its sender may (egress), then by what its receiver
may (ingress); each pod's chain returns for what is allowed and drops the rest. Addresses are judged after service
translation, so ports are the pods' own. The node itself reaches its pods always (probes); pods reach themselves.
Pure: text only, replaced as a whole in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from wherry.network.policy import Allow, Ports, Verdicts

TABLE = "wherry_policy"

_FRAME = """add table ip {table}
delete table ip {table}
table ip {table} {{
  map ingress {{ type ipv4_addr : verdict; }}
  map egress {{ type ipv4_addr : verdict; }}
  chain forward {{
    type filter hook forward priority -5
    ct state established,related accept
    ip saddr vmap @egress
    ip daddr vmap @ingress
  }}
  chain input {{
    type filter hook input priority -5
    ct state established,related accept
    ip saddr vmap @egress
  }}
}}
"""


def _port_matches(ports: tuple[Ports, ...] | None) -> Iterator[str]:
    if ports is None:
        yield ""
        return
    for protocol, first, last in ports:
        wanted = (
            "" if (first, last) == (0, 65535) else f" th dport {first}-{last}" if last > first else f" th dport {first}"
        )
        yield f" meta l4proto {protocol}{wanted}"


def _rules(allow: Allow, side: str) -> Iterator[str]:
    peers = "" if allow.networks is None else f" ip {side} {{ {', '.join(allow.networks)} }}"
    without = f" ip {side} != {{ {', '.join(allow.without)} }}" if allow.without else ""
    for ports in _port_matches(allow.ports):
        yield f"{peers}{without}{ports} return".strip()


def _chain(name: str, own: str, side: str, allowed: tuple[Allow, ...]) -> str:
    rules = [f"ip {side} {own} return", *(rule for allow in allowed for rule in _rules(allow, side)), "drop"]
    return f"table ip {TABLE} {{ chain {name} {{\n" + "\n".join(rules) + "\n}\n}\n"


def whole(pods: Mapping[str, Verdicts]) -> str:
    """The transaction that puts the rules of these pods (by address) in force, in place of whatever is there."""
    chains: list[str] = []
    elements: dict[str, list[str]] = {"ingress": [], "egress": []}
    for ip, verdicts in sorted(pods.items()):
        for direction, side, allowed in (("ingress", "saddr", verdicts.ingress), ("egress", "daddr", verdicts.egress)):
            if allowed is not None:
                name = f"{direction}_{ip.replace('.', '_')}"
                chains.append(_chain(name, ip, side, allowed))
                elements[direction].append(f"{ip} : jump {name}")
    adds = (f"add element ip {TABLE} {name} {{ {', '.join(items)} }}\n" for name, items in elements.items() if items)
    return "".join([_FRAME.format(table=TABLE), *chains, *adds])


def remove() -> str:
    """The transaction that leaves no trace of the table."""
    return f"add table ip {TABLE}\ndelete table ip {TABLE}\n"
