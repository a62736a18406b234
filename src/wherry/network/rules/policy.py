"""The kernel's rules for network policies: one table `ip wherry_policy` per node, chains only for isolated pods of it.

A packet that belongs to no known connection is judged twice: by what its sender may (map `egress`), then by what its
receiver may (map `ingress`). Both maps lead from a pod's address to a chain that jumps through the chains of the
policies that select the pod; each accepts what it allows, what is left is dropped. Addresses are judged after service
translation, so ports are the pods' own. The node itself reaches its pods always (probes); pods reach themselves.

Who is meant by a selector stands in a set, so a pod that comes, goes or changes its labels is a change of elements.
Chains are named by their content and never change: a policy that changes brings a new chain, and the maps move to it.

`Ruleset` mirrors what the kernel has: `take` gives the transactions that make up the difference, `refill` those that
bring everything into a table that stands there, `whole` the one that replaces the table, whatever is in it. Pure: text
only. Atoms in the text are addresses and networks parsed by `ipaddress`, integers, digests, and words of this file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from ipaddress import IPv4Network, collapse_addresses

from wherry.network.membership import Membership
from wherry.network.policy import Block, Group, Name, Part, Ports, Rule, mark
from wherry.network.rules.standing import Standing, empty_sets, named, remove_chains, remove_sets

TABLE = "wherry_policy"

_FRAME = """table ip {table} {{
  map ingress {{ type ipv4_addr : verdict; }}
  map egress {{ type ipv4_addr : verdict; }}
  set own {{ type ipv4_addr . ipv4_addr; }}
  chain forward_egress {{
    type filter hook forward priority -6
    ct state established,related accept
    ip saddr . ip daddr @own accept
    ip saddr vmap @egress
  }}
  chain forward_ingress {{
    type filter hook forward priority -5
    ct state established,related accept
    ip saddr . ip daddr @own accept
    ip daddr vmap @ingress
  }}
  chain input {{
    type filter hook input priority -5
    ct state established,related accept
    ip saddr vmap @egress
  }}
}}
"""
_SIDES = (("ingress", "in", "saddr"), ("egress", "out", "daddr"))
_GROUP = "ipv4_addr"
_NAME = "ipv4_addr . inet_service"


def _set_of(what: Group | Name) -> str:
    return f"group_{what.id}" if isinstance(what, Group) else f"name_{mark(what)}"


def _spans(ports: tuple[Ports, ...], protocol: str) -> Iterator[tuple[int, int]]:
    """The ranges of one protocol, merged: the kernel wants them apart."""
    last = -2
    first = 0
    for _, low, high in sorted(port for port in ports if port.protocol == protocol):
        if low > last + 1:
            if last >= 0:
                yield first, last
            first = low
        last = max(last, high)
    if last >= 0:
        yield first, last


def _port_matches(rule: Rule) -> Iterator[str]:
    if rule.ports is None:
        yield ""
        return
    for protocol in sorted({port.protocol for port in rule.ports}):
        spans = list(_spans(rule.ports, protocol))
        if spans == [(0, 65535)]:
            yield f"meta l4proto {protocol} "
        else:
            wanted = ", ".join(f"{low}-{high}" if high > low else f"{low}" for low, high in spans)
            yield f"{protocol} dport {{ {wanted} }} "
    for name in rule.named:
        yield f"ip daddr . {name.protocol} dport @{_set_of(name)} "


def _networks(networks: tuple[IPv4Network, ...]) -> str:
    return ", ".join(map(str, collapse_addresses(networks)))


def _block(block: Block, side: str) -> str:
    inside = f"ip {side} {block.network} " if block.network.prefixlen else ""
    return f"{inside}ip {side} != {{ {_networks(block.without)} }} " if block.without else inside


def _peer_matches(rule: Rule, side: str) -> Iterator[str]:
    if rule.anyone:
        yield ""
        return
    if rule.group is not None:
        yield f"ip {side} @{_set_of(rule.group)} "
    plain = tuple(block.network for block in rule.blocks if not block.without)
    if any(network.prefixlen == 0 for network in plain):
        yield ""
    elif plain:
        yield f"ip {side} {{ {_networks(plain)} }} "
    for block in rule.blocks:
        if block.without:
            yield _block(block, side)


def _chain(name: str, rules: Iterator[str]) -> str:
    return f"table ip {TABLE} {{ chain {name} {{\n" + "\n".join(rules) + "\n}\n}\n"


@lru_cache(4096)
def _part(part: Part, prefix: str, side: str) -> str:
    peers = ((rule, peer) for rule in part.rules for peer in _peer_matches(rule, side))
    return _chain(
        f"{prefix}_{part.id}", (f"{peer}{port}accept" for rule, peer in peers for port in _port_matches(rule))
    )


@lru_cache(4096)
def _mark(parts: tuple[Part, ...]) -> str:
    return mark(tuple(part.id for part in parts))


def _set(name: str, what: Group | Name) -> str:
    return f"add set ip {TABLE} {name} {{ type {_GROUP if isinstance(what, Group) else _NAME}; }}\n"


class _Picture:
    """What the kernel should have. `parts` before `pods`: chains that others jump to are made first."""

    def __init__(self, now: Membership) -> None:
        self.parts: dict[str, str] = {}
        self.pods: dict[str, str] = {}
        self.maps: dict[str, dict[str, str]] = {"ingress": {}, "egress": {}, "own": {}}
        for address, verdict in sorted(now.verdicts.items()):
            self.maps["own"][f"{address} . {address}"] = ""
            for direction, prefix, side in _SIDES:
                parts: tuple[Part, ...] | None = getattr(verdict, direction)
                if parts is not None:
                    self.maps[direction][address] = self._leads_to(parts, prefix, side)

    def _leads_to(self, parts: tuple[Part, ...], prefix: str, side: str) -> str:
        if not parts:
            return "drop"
        name = f"{prefix}_pods_{_mark(parts)}"
        if name not in self.pods:
            for part in parts:
                self.parts[f"{prefix}_{part.id}"] = _part(part, prefix, side)
            self.pods[name] = _chain(name, iter([*(f"jump {prefix}_{part.id}" for part in parts), "drop"]))
        return f"goto {name}"


Element = str | tuple[str, int]


def _elements(what: Group | Name, now: Membership) -> frozenset[Element]:
    return frozenset(now.groups[what] if isinstance(what, Group) else now.named[what])


def _written(elements: frozenset[Element]) -> Iterator[str]:
    for one in sorted(elements, key=str):
        yield one if isinstance(one, str) else f"{one[0]} . {one[1]}"


def _bulk(verb: str, name: str, elements: Iterator[str]) -> str:
    listed = ", ".join(elements)
    return f"{verb} element ip {TABLE} {name} {{ {listed} }}\n" if listed else ""


def _pairs(elements: Mapping[str, str], keys: set[str]) -> Iterator[str]:
    for key in sorted(keys):
        yield f"{key} : {elements[key]}" if elements[key] else key


class Ruleset:
    """What the kernel has, and the text between that and what it should have."""

    def __init__(self) -> None:
        self._judged = 0
        self._sets: dict[Group | Name, frozenset[Element]]
        self._chains: dict[str, str]
        self._maps: dict[str, dict[str, str]]
        self._forget()

    def whole(self, now: Membership) -> str:
        """The transaction that puts the rules in force in place of whatever is there. `refill` first: this one
        exchanges the hooks, between which a packet may slip through."""
        self._forget()
        return remove() + _FRAME.format(table=TABLE) + "".join(self._steps(now, everything=True))

    def refill(self, now: Membership, there: Standing) -> tuple[str, ...]:
        """The transactions that bring the rules into the table that stands in the kernel, whose hooks stay; none when
        no table stands there. Refused by a kernel whose table is laid out differently: `whole` replaces that."""
        if not there:
            return ()
        self._forget()
        frame = _FRAME.format(table=TABLE)
        rules = "".join(self._steps(now, everything=True))
        ours = named(frame)
        sets = {**ours.sets, **{_set_of(what): "set" for what in self._sets}}
        begin = [
            *self._new_sets(now, there),
            *(text for name, text in self._chains.items() if name not in there.chains),
        ]
        emptied = {name: word for name, word in there.sets.items() if name in sets}
        put = [
            f"flush table ip {TABLE}\n",  # of rules: chains and elements stay
            empty_sets(TABLE, emptied),
            frame,
            rules,
            remove_chains(TABLE, sorted(there.chains.keys() - ours.chains.keys() - self._chains.keys())),
            remove_sets(TABLE, sorted(there.sets.keys() - sets.keys())),
        ]
        return tuple(filter(None, ("".join(begin), "".join(put))))

    def _forget(self) -> None:
        self._sets, self._chains, self._maps = {}, {}, {"ingress": {}, "egress": {}, "own": {}}

    def take(self, now: Membership) -> tuple[str, ...]:
        """The transactions from what the kernel has to what `now` says; none when that is the same. `now` is settled.

        What leads to a new chain comes after it: a packet that the kernel is judging while a transaction takes effect
        sees the elements of after and the rules of before, of which a chain made by the same transaction has none.
        """
        known = self._chains
        begin, put = self._steps(now, everything=False)
        together = begin + put
        if self._chains.keys() <= known.keys():
            return (together,) if together else ()
        return begin, put

    def _steps(self, now: Membership, *, everything: bool) -> tuple[str, str]:
        wanted: set[Group | Name] = {*now.groups, *now.named}
        moved = wanted if everything else (now.moved & wanted) | (wanted - self._sets.keys())
        now.moved.clear()
        begin = [*self._fill_sets(moved, now)]
        put: list[str] = []
        if everything or now.judged != self._judged:
            self._judged = now.judged
            picture = _Picture(now)
            chains = {**picture.parts, **picture.pods}
            begin += (chains[name] for name in chains if name not in self._chains)
            put += self._move_maps(picture.maps)
            put += self._drop_chains(chains)
            self._chains = chains
        put += self._drop_sets(wanted)
        return "".join(begin), "".join(put)

    def _new_sets(self, now: Membership, there: Standing) -> Iterator[str]:
        for what in sorted(self._sets, key=_set_of):
            if (name := _set_of(what)) not in there.sets:
                yield _set(name, what) + _bulk("add", name, _written(_elements(what, now)))

    def _fill_sets(self, moved: set[Group | Name], now: Membership) -> Iterator[str]:
        for what in sorted(moved, key=_set_of):
            name, elements = _set_of(what), _elements(what, now)
            if what not in self._sets:
                yield _set(name, what)
            before = self._sets.get(what, frozenset())
            self._sets[what] = elements
            yield _bulk("delete", name, _written(before - elements))
            yield _bulk("add", name, _written(elements - before))

    def _move_maps(self, maps: dict[str, dict[str, str]]) -> Iterator[str]:
        for name, elements in maps.items():
            before = self._maps[name]
            if before == elements:
                continue
            gone = {key for key in before if elements.get(key) != before[key]}
            new = {key for key in elements if before.get(key) != elements[key]}
            yield _bulk("delete", name, iter(sorted(gone)))
            yield _bulk("add", name, _pairs(elements, new))
        self._maps = maps

    def _drop_chains(self, chains: dict[str, str]) -> Iterator[str]:
        """The chains of pods first: they jump to those of policies, which are older in the mirror."""
        for name in reversed([name for name in self._chains if name not in chains]):
            yield remove_chains(TABLE, [name])

    def _drop_sets(self, wanted: set[Group | Name]) -> Iterator[str]:
        for what in sorted(self._sets.keys() - wanted, key=_set_of):
            del self._sets[what]
            yield remove_sets(TABLE, [_set_of(what)])


def remove() -> str:
    """The transaction that leaves no trace of the table."""
    return f"add table ip {TABLE}\ndelete table ip {TABLE}\n"
