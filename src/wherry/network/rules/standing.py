"""What stands in the kernel in one of our tables: its maps, sets and chains, as a listing without elements shows them.

A process that starts finds the table of the one before it. Were it to delete that table and bring its own, even in one
transaction, the kernel would exchange the hooks: a packet that is on its way to the old ones meets them when they are
empty already, and passes as if there were no rules. So rules are brought into the chains that are there. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_BLOCK = re.compile(r"^\t(map|set|chain) (\w+) \{\n(.*?)^\t\}$", re.MULTILINE | re.DOTALL)
_BEGINNING = re.compile(r"^ *(?:table ip \w+ \{ )?(map|set|chain) (\w+) \{", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Standing:
    """Names of maps and sets with their word ("map", "set"), and of chains with the lines in them."""

    sets: Mapping[str, str] = field(default_factory=dict)
    chains: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.chains)


def listed(listing: str) -> Standing:
    """What `nft --terse list table` printed. Nothing for ""."""
    sets: dict[str, str] = {}
    chains: dict[str, tuple[str, ...]] = {}
    for word, name, inside in _BLOCK.findall(listing):
        if word == "chain":
            chains[name] = tuple(line.strip() for line in inside.splitlines())
        else:
            sets[name] = word
    return Standing(sets, chains)


def named(text: str) -> Standing:
    """The names of what a text of ours declares; chains without their lines."""
    found = _BEGINNING.findall(text)
    return Standing(
        {name: word for word, name in found if word != "chain"}, {name: () for word, name in found if word == "chain"}
    )


def empty_sets(table: str, sets: Mapping[str, str]) -> str:
    """Take all elements from these."""
    return "".join(f"flush {word} ip {table} {name}\n" for name, word in sets.items())


def empty_chains(table: str, chains: Iterable[str]) -> str:
    """Take all rules from these."""
    return "".join(f"flush chain ip {table} {name}\n" for name in chains)


def remove_chains(table: str, chains: Iterable[str]) -> str:
    """Remove these, to which nothing leads any more."""
    return "".join(f"flush chain ip {table} {name}\ndelete chain ip {table} {name}\n" for name in chains)


def remove_sets(table: str, sets: Iterable[str]) -> str:
    """Remove these sets, which no rule names any more."""
    return "".join(f"delete set ip {table} {name}\n" for name in sets)
