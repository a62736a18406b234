"""Check and Verdict: what is asked of a cluster, and how the answer is told. Pure.

A check's `judge` looks at one part of the facts. What the benchmark leaves to a person is judged too where it can be:
then what is found wrong is a warning; where it cannot, the verdict is "manual" and its evidence says what to look at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from wherry.app.benchmark.facts import Facts, File, Node, Plane, World

Status = Literal["pass", "fail", "warn", "manual", "not applicable"]
ELSEWHERE = "the control plane is on another machine: run it there"
SHOWN = 8


@dataclass(frozen=True, slots=True)
class Verdict:
    """`evidence`: what was seen, or why the check does not apply."""

    status: Status
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """One check, by its id in the benchmark. `person`: the benchmark leaves it to one."""

    id: str
    title: str
    judge: Callable[[Facts], Verdict]
    remedy: str
    person: bool = False

    def verdict(self, facts: Facts) -> Verdict:
        """What was found; wrong is only a warning where a person is to decide."""
        found = self.judge(facts)
        return Verdict("warn", found.evidence) if self.person and found.status == "fail" else found


@dataclass(frozen=True, slots=True)
class Finding:
    """A check with its verdict, as it is printed."""

    id: str
    title: str
    status: Status
    evidence: tuple[str, ...]
    remedy: str


def good(*evidence: str) -> Verdict:
    """As it should be."""
    return Verdict("pass", evidence)


def bad(*evidence: str) -> Verdict:
    """Not as it should be."""
    return Verdict("fail", evidence)


def look(*evidence: str) -> Verdict:
    """For a person to decide."""
    return Verdict("manual", evidence)


def away(reason: str) -> Verdict:
    """Not asked here."""
    return Verdict("not applicable", (reason,))


def either(wrong: Iterable[str], right: str) -> Verdict:
    """Bad with what is wrong, if anything is; else good."""
    found = tuple(wrong)
    return bad(*short(found)) if found else good(right)


def short(found: Iterable[str]) -> tuple[str, ...]:
    """The first few, and how many more there are."""
    listed = tuple(found)
    if len(listed) <= SHOWN:
        return listed
    return (*listed[:SHOWN], f"and {len(listed) - SHOWN} more")


def of_plane(judge: Callable[[Plane], Verdict]) -> Callable[[Facts], Verdict]:
    """A check of the control plane."""
    return lambda facts: away(ELSEWHERE) if facts.plane is None else judge(facts.plane)


def of_world(judge: Callable[[World], Verdict]) -> Callable[[Facts], Verdict]:
    """A check of the API's objects."""
    return lambda facts: away(ELSEWHERE) if facts.world is None else judge(facts.world)


def of_nodes(judge: Callable[[Node], Iterable[str]], right: str) -> Callable[[Facts], Verdict]:
    """A check of every node of this machine: `judge` gives what is wrong with one."""
    return lambda facts: either(
        (f"{node.name}: {wrong}" for node in facts.nodes for wrong in judge(node)), f"{right}, on {_all(facts)}"
    )


def _all(facts: Facts) -> str:
    return ", ".join(node.name for node in facts.nodes) or "no node"


def modes(files: Iterable[File], most: int) -> Verdict:
    """Whether nobody may do more with these files than `most` says. Nothing to look at is for a person."""
    return _of_files(
        files, lambda file: f"{file.path} has mode {file.mode:o}" if file.mode & ~most else "", f"{most:o}"
    )


def owners(files: Iterable[File]) -> Verdict:
    """Whether these files are root's."""

    def wrong(file: File) -> str:
        return f"{file.path} belongs to {file.uid}:{file.gid}" if (file.uid, file.gid) != (0, 0) else ""

    return _of_files(files, wrong, "root:root")


def _of_files(files: Iterable[File], wrong: Callable[[File], str], right: str) -> Verdict:
    listed = tuple(files)
    if not listed:
        return bad("there is no such file")
    found = tuple(filter(None, map(wrong, listed)))
    if found:
        return bad(*short(found))
    return good(f"{listed[0].path}: {right}" if len(listed) == 1 else f"{len(listed)} files, {right}")
