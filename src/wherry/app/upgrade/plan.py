"""What an upgrade is going to do, and why it must not: decided from what was found, by pure functions.

Upwards the server goes first, downwards the agents do: an agent is never newer than its server. What runs as this
version already is left out, so a plan made anew after an interruption holds what is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wherry.app import version
from wherry.app.steps import Failed
from wherry.app.supervise import Unit

SPARE = 256 << 20
"""Bytes that must be left on the disk beside a copy of the store."""


@dataclass(frozen=True, slots=True)
class Found:
    """What there is. `kept`: what is to run now, by name; `current`: names of what runs as wanted; `wanted`: as this
    version would have it; `program`: of the supervisor, () for systemd; `recorded`: the version of the configuration;
    `others`: versions of other machines' nodes, by name; `server`: of a server elsewhere. Sizes in bytes."""

    kept: Mapping[str, Unit]
    wanted: Sequence[Unit]
    current: frozenset[str]
    running: frozenset[str]
    program: tuple[str, ...]
    program_wanted: tuple[str, ...]
    recorded: str
    others: Mapping[str, str]
    server: str = ""
    store: int = 0
    store_format: int = 0
    store_known: int = 0
    free: int = 1 << 62


@dataclass(frozen=True, slots=True)
class Move:
    """One process goes from a version to another. `before` is None when it was not kept."""

    before: Unit | None
    after: Unit

    @property
    def name(self) -> str:
        """The unit's."""
        return self.after.name

    @property
    def was(self) -> str:
        """The version it comes from."""
        return self.before.release if self.before is not None else "nothing"

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        return {"name": self.name, "from": self.was, "to": self.after.release, "program": self.after.argv[0]}


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, in order: the supervisor (`program` () when it stays), then the moves, then noting the version."""

    moves: tuple[Move, ...]
    program: tuple[str, ...]
    noted: bool
    """Whether the configuration names this version already."""

    @property
    def empty(self) -> bool:
        """Whether everything is as it should be."""
        return not self.moves and not self.program and self.noted

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        return {"supervisor": self.program[0] if self.program else None, "moves": [one.as_dict() for one in self.moves]}


def plan(found: Found) -> Plan:
    """What is left to do. Raises Failed when this version cannot take over, with the reason."""
    refuse(found)
    todo = [unit for unit in found.wanted if unit.name not in found.current]
    sign = -1 if goes_back(found) else 1
    todo.sort(key=lambda unit: (sign * unit.order, unit.name))
    moves = tuple(Move(found.kept.get(unit.name), unit) for unit in todo)
    program = found.program_wanted if found.program != found.program_wanted else ()
    return Plan(moves, program, found.recorded == version.wherry())


def goes_back(found: Found) -> bool:
    """Whether anything that runs is newer than this version."""
    return any(version.newer(unit.release, version.wherry()) for unit in found.kept.values())


def refuse(found: Found) -> None:
    """Raises Failed when this version cannot take over."""
    if not found.running:
        raise Failed("nothing of this cluster runs on this machine", "`wherry up` starts it, with this version")
    _refuse_distance(found)
    _refuse_server(found)
    _refuse_other_nodes(found)
    if found.store_format > found.store_known:
        raise Failed(
            f"the store has format {found.store_format}, and wherry {version.wherry()} knows formats up to"
            f" {found.store_known}",
            "see docs/upgrade.md for how to go back with a copy of the store",
        )
    if found.free < found.store + SPARE:
        raise Failed(
            f"{found.free >> 20} MiB are free, and an upgrade needs {found.store + SPARE >> 20} MiB for a copy of the"
            " store",
            "free some space",
        )


def _refuse_distance(found: Found) -> None:
    own = version.wherry()
    running = {f"{name} runs": unit.release for name, unit in found.kept.items()}
    for what, release in {**running, "the cluster was last run by": found.recorded}.items():
        if version.too_far(release, own):
            raise Failed(
                f"{what} wherry {release}, and this is {own}",
                "go through the versions between, one minor version at a time",
            )


def _refuse_server(found: Found) -> None:
    own = version.wherry()
    if version.newer(own, found.server):
        raise Failed(f"the server runs wherry {found.server}, and this is {own}", "upgrade the server's machine first")
    if version.too_far(found.server, own):
        raise Failed(
            f"the server runs wherry {found.server}, and this is {own}",
            "use a version that is at most one minor version older than the server's",
        )


def _refuse_other_nodes(found: Found) -> None:
    own = version.wherry()
    for name, release in sorted(found.others.items()):
        if version.newer(release, own):
            raise Failed(
                f"node {name} runs wherry {release}, which is newer than {own}",
                f"run `wherry upgrade` of {own} on its machine first",
            )
        if version.too_far(release, own):
            raise Failed(
                f"node {name} runs wherry {release}, and this is {own}", "run `wherry upgrade` on its machine first"
            )
