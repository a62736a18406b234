"""What became of each spec, as the suite writes it, one JSON line each (outcome_test.go)."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

PASSED = "passed"
MISSING = "missing"


class Outcome(msgspec.Struct, frozen=True):
    """One spec that ended, or that should have (`state` "missing")."""

    name: str
    state: str
    started: datetime.datetime | None = None
    ended: datetime.datetime | None = None
    message: str = ""
    location: str = ""
    serial: bool = False
    folder: str = ""

    @property
    def seconds(self) -> float:
        """How long it took."""
        if self.started is None or self.ended is None:
            return 0.0
        return (self.ended - self.started).total_seconds()

    @property
    def passed(self) -> bool:
        """Whether it passed; a spec that skipped itself has not."""
        return self.state == PASSED

    @property
    def first_line(self) -> str:
        """The first line of its failure that says something."""
        return next((line.strip() for line in self.message.splitlines() if line.strip()), self.state)


def read(path: Path) -> dict[str, Outcome]:
    """Name -> the last outcome of that spec. A half-written last line is left out."""
    if not path.exists():
        return {}
    whole = path.read_bytes().rpartition(b"\n")[0]
    lines = (msgspec.json.decode(line, type=Outcome) for line in whole.splitlines())
    return {outcome.name: outcome for outcome in lines}


def complete(found: Mapping[str, Outcome], selected: Iterable[str]) -> list[Outcome]:
    """One outcome for each selected spec, by name; what never ended is missing."""
    reason = "never ended: the run was cut off or the suite did not come this far"
    return [found.get(name) or Outcome(name, MISSING, message=reason) for name in sorted(selected)]
