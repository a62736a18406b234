"""Packets through the text of our packet rules, without a kernel: the few words of nft that policies use, and no more.

`Table.run` takes transactions as the kernel does (refused: an element that is there with another value; an element or
chain that is not there); `Table.passes` sends a new connection's first packet through the hooks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from wherry.network.rules.standing import Standing

_HOOKS = ("forward_egress", "forward_ingress", "input")
_BLOCK = re.compile(r"table ip \w+ \{ chain (\w+) \{\n(.*?)\n\}\n\}\n", re.DOTALL)
_REMOVE = re.compile(r"add table ip \w+\ndelete table ip \w+\n")
_FRAME = re.compile(r"table ip \w+ \{\n.*?\n\}\n", re.DOTALL)
_FLUSH_TABLE = re.compile(r"flush table ip \w+\n")
_FLUSH_SET = re.compile(r"flush (map|set) ip \w+ (\w+)\n")
_SET = re.compile(r"add set ip \w+ (\w+) \{ type [\w. ]+; \}\n")
_DELETE_SET = re.compile(r"delete set ip \w+ (\w+)\n")
_ELEMENTS = re.compile(r"(add|delete) element ip \w+ (\w+) \{ (.*?) \}\n")
_DROP_CHAIN = re.compile(r"flush chain ip \w+ (\w+)\ndelete chain ip \w+ (\w+)\n")


@dataclass(frozen=True)
class Packet:
    """The first packet of a connection."""

    source: str
    target: str
    protocol: str
    port: int


class Table:
    """The table `ip wherry_policy`."""

    def __init__(self) -> None:
        self.there = False
        self.sets: dict[str, dict[str, str]] = {}
        self.chains: dict[str, list[str]] = {}
        self.statements = 0
        self._stood: set[str] | None = None
        """The chains from before this transaction; None where the hooks are new with it."""

    def run(self, text: str) -> None:
        """One transaction."""
        self._stood = set(self.chains) if self.there else None
        at = 0
        while at < len(text):
            for pattern, do in (
                (_REMOVE, self._remove), (_FRAME, self._frame), (_BLOCK, self._chain), (_SET, self._set),
                (_DELETE_SET, self._delete_set), (_ELEMENTS, self._elements), (_DROP_CHAIN, self._drop_chain),
                (_FLUSH_TABLE, self._flush_table), (_FLUSH_SET, self._flush_set),
            ):  # fmt: skip
                found = pattern.match(text, at)
                if found:
                    do(found)
                    self.statements += 1
                    at = found.end()
                    break
            else:
                raise AssertionError(f"not understood: {text[at : at + 200]}")

    def standing(self) -> Standing:
        """What a listing says."""
        if not self.there:
            return Standing()
        sets = {name: "map" if name in ("ingress", "egress") else "set" for name in self.sets}
        return Standing(sets, {**dict.fromkeys(_HOOKS, ()), **{name: tuple(c) for name, c in self.chains.items()}})

    def _remove(self, _: re.Match[str]) -> None:
        self._stood = None
        self.there, self.sets, self.chains = False, {}, {}

    def _frame(self, _: re.Match[str]) -> None:
        self.there = True
        for name in ("ingress", "egress", "own"):
            self.sets.setdefault(name, {})

    def _flush_table(self, _: re.Match[str]) -> None:
        assert self.there
        self.chains = {name: [] for name in self.chains}

    def _flush_set(self, found: re.Match[str]) -> None:
        assert self.standing().sets[found[2]] == found[1]
        self.sets[found[2]].clear()

    def _chain(self, found: re.Match[str]) -> None:
        assert self.there
        assert not self.chains.get(found[1]), "its rules would be there twice"
        rules = found[2].splitlines()
        for rule in rules:
            for name in re.findall(r"@(\w+)", rule):
                assert name in self.sets, rule
            jump = re.search(r"(?:jump|goto) (\w+)", rule)
            assert jump is None or jump[1] in self.chains, rule
        self.chains[found[1]] = rules

    def _set(self, found: re.Match[str]) -> None:
        assert self.there
        self.sets.setdefault(found[1], {})  # as the kernel: the same set again is no change

    def _delete_set(self, found: re.Match[str]) -> None:
        assert not any(f"@{found[1]}" in rule for rules in self.chains.values() for rule in rules)
        del self.sets[found[1]]

    def _elements(self, found: re.Match[str]) -> None:
        elements = self.sets[found[2]]
        for item in found[3].split(", "):
            key, _, value = item.partition(" : ")
            if found[1] == "delete":
                del elements[key]
            else:
                assert elements.get(key, value) == value
                assert not value.startswith("goto ") or value[5:] in self.chains
                if value.startswith("goto ") and self._stood is not None:
                    assert value[5:] in self._stood, "a packet may be led there before the chain has its rules"
                elements[key] = value

    def _drop_chain(self, found: re.Match[str]) -> None:
        assert found[1] == found[2]
        uses = [rule for rules in self.chains.values() for rule in rules] + [
            value for elements in self.sets.values() for value in elements.values()
        ]
        assert not any(re.search(rf"(jump|goto) {found[1]}$", use) for use in uses)
        del self.chains[found[1]]

    def passes(self, packet: Packet, *, into_node: bool = False, from_node: bool = False) -> bool:
        """Whether the packet gets there: forwarded, or to the node itself, or from it (nothing is judged then)."""
        if not self.there or from_node:
            return True
        if f"{packet.source} . {packet.target}" in self.sets["own"]:
            return True
        sides = [("egress", packet.source)] if into_node else [("egress", packet.source), ("ingress", packet.target)]
        return all(self._verdict(self.sets[name].get(address, "accept"), packet) != "drop" for name, address in sides)

    def _verdict(self, verdict: str, packet: Packet) -> str:
        """accept, drop, or "" to go on."""
        word, _, chain = verdict.partition(" ")
        if word in ("jump", "goto"):
            for rule in self.chains[chain]:
                found = self._verdict(self._rule(rule, packet), packet)
                if found:
                    return found
            return ""
        return word

    def _rule(self, rule: str, packet: Packet) -> str:
        rest, verdict = re.fullmatch(r"(.*?)(accept|drop|jump \w+)", rule).groups()  # type: ignore[union-attr]  # else it shows
        while rest:
            matched, rest = self._match(rest, packet)
            if not matched:
                return ""
        return verdict

    def _match(self, rest: str, packet: Packet) -> tuple[bool, str]:
        """The first condition of `rest`, and what follows it."""
        sides = {"saddr": packet.source, "daddr": packet.target}
        if found := re.match(r"ip daddr \. (\w+) dport @(\w+) ", rest):
            there = f"{packet.target} . {packet.port}" in self.sets[found[2]]
            return found[1] == packet.protocol and there, rest[found.end() :]
        if found := re.match(r"ip (saddr|daddr) @(\w+) ", rest):
            return sides[found[1]] in self.sets[found[2]], rest[found.end() :]
        if found := re.match(r"ip (saddr|daddr) (!= )?(?:\{ (.*?) \}|([\d./]+)) ", rest):
            networks = [IPv4Network(text) for text in (found[3] or found[4]).split(", ")]
            inside = any(IPv4Address(sides[found[1]]) in network for network in networks)
            return inside != bool(found[2]), rest[found.end() :]
        if found := re.match(r"meta l4proto (\w+) ", rest):
            return found[1] == packet.protocol, rest[found.end() :]
        found = re.match(r"(\w+) dport \{ ([\d, -]+) \} ", rest)
        assert found, rest
        spans = [tuple(map(int, text.split("-"))) for text in found[2].split(", ")]
        inside = any(span[0] <= packet.port <= span[-1] for span in spans)
        return found[1] == packet.protocol and inside, rest[found.end() :]
