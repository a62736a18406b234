"""The conformance specs by name: their SIG, what a selection holds, and the lists kept in files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.suite import MODULE

PASSING = MODULE / "passing.txt"
SMOKE = MODULE / "smoke.txt"
LONG = MODULE / "long.txt"
SERIAL = "[Serial]"


class SelectionError(Exception):
    """A selection holds nothing, or a list names specs that do not exist."""


def read(path: Path) -> frozenset[str]:
    """A list of specs: one a line, # begins a comment line."""
    if not path.exists():
        return frozenset()
    lines = (line.strip() for line in path.read_text().splitlines())
    return frozenset(line for line in lines if line and not line.startswith("#"))


def write(path: Path, names: Iterable[str]) -> None:
    """Write a list, sorted."""
    path.write_text("".join(f"{name}\n" for name in sorted(names)))


def sig(name: str) -> str:
    """The special interest group a spec belongs to: "[sig-apps] ..." is "apps"."""
    found = re.match(r"\[sig-([a-z-]+)\]", name)
    return found[1] if found else "none"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which of all specs to run: those that match `focus` and not `skip` (regular expressions, "" for all and none), or
    exactly `names` when there are any."""

    focus: str = ""
    skip: str = ""
    names: frozenset[str] = frozenset()

    @property
    def whole(self) -> bool:
        """Whether nothing is left out."""
        return not (self.focus or self.skip or self.names)

    def of(self, specs: Iterable[str]) -> frozenset[str]:
        """The specs that are selected. Raises SelectionError."""
        known = frozenset(specs)
        if unknown := sorted(self.names - known):
            raise SelectionError(f"the suite has no spec {unknown[0]!r}")
        chosen = self.names or known
        if self.focus:
            chosen = frozenset(name for name in chosen if re.search(self.focus, name))
        if self.skip:
            chosen = frozenset(name for name in chosen if not re.search(self.skip, name))
        if not chosen:
            raise SelectionError("no conformance spec matches FOCUS and SKIP")
        return chosen


def focus(names: Iterable[str]) -> str:
    """A regular expression for Go that matches these specs; the suite puts its own name before theirs."""
    return " (" + "|".join(re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", name) for name in sorted(names)) + ")$"
